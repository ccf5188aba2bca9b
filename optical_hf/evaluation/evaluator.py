"""`RetrievalEvaluator`: an evaluator of sentence-transformers, for its trainers and ours; documents are encoded once."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sentence_transformers.base.evaluation import BaseEvaluator

from optical_hf.data import RetrievalCollection
from optical_hf.evaluation.evaluation_settings import EvaluationSettings
from optical_hf.evaluation.own_index import own_index_encoder, untrained_checkpoint
from optical_hf.evaluation.report.language_scores import choose_resource_groups
from optical_hf.evaluation.retrieval import best_reading, checked_collections, list_queries, with_own_index
from optical_hf.evaluation.session import Session
from optical_hf.evaluation.systems import System, resolve_systems
from optical_hf.metrics.paired_level import LEAST
from optical_hf.metrics.ranking import recall_at_k, reciprocal_rank
from optical_hf.models.teachers.vector_teacher import VectorTeacher
from optical_hf.models.tokens import Encoder


class RetrievalEvaluator(BaseEvaluator):
    """Measure a student's retrieval during training, with any trainer that takes evaluators of sentence-transformers.

    Args:
        collections: what is searched, as in `evaluate_retrieval`.
        teacher: encodes the documents, at the first call; or the vectors of one, from `load_vectors`.
        untrained: the checkpoint that the student was made from; None takes it as `evaluate_retrieval` does. It reads the
            collections once, at the first call, for recovery.
        own_index: also measure recovery, where the checkpoint is known; False saves that reading.
        name: put before each metric, as "NAME_R@1/de"; "" puts nothing there.
        settings: as in `evaluate_retrieval`. None takes the defaults with k=(1,), no bars, and each process by itself
            (`sharded=False`; take True only where all processes call the evaluator, as our trainer does).
        **fields: fields of `EvaluationSettings` by name. Those of the bootstrap are not used.

    Attributes:
        primary_metric: mean R@k over the languages at the first cutoff, "R@1/mean": the greater, the better. For
            `metric_for_best_model` put "eval_" in front.

    Raises:
        ValueError: as `evaluate_retrieval`, when it is made: before the training, not after its first hour.
        TypeError: a keyword that is no setting.

    Example:
        >>> evaluator = RetrievalEvaluator(collection, teacher, search="maxsim")  # doctest: +SKIP
        >>> evaluator(student)  # doctest: +SKIP
        {'R@1/de': 0.9, 'R@1/so': 0.4, 'R@1/mean': 0.65, 'MRR/mean': 0.7, 'recovery/de': 0.95, ..., 'R@1_high': 0.9, ...}
    """

    def __init__(
        self,
        collections: RetrievalCollection | Sequence[RetrievalCollection],
        teacher: Encoder | VectorTeacher,
        *,
        untrained: Encoder | str | Path | None = None,
        own_index: bool = True,
        name: str = "",
        settings: EvaluationSettings | None = None,
        **fields: Any,
    ) -> None:
        super().__init__()
        settings = settings or EvaluationSettings(k=(1,), sharded=False, progress=False)
        self.name, self.settings = name, settings.changed(fields, type(self))
        self.collections, self.teacher = checked_collections(collections), teacher
        queries = list_queries(self.collections)
        self.languages = np.array(queries.languages)
        self.resource_groups, _ = choose_resource_groups(
            queries.languages, queries.groups, self.settings.high, self.settings.low, self.settings.middle
        )
        self.primary_metric = f"R@{self.settings.k[0]}/mean"
        self.prefix_name_to_metrics({}, name)
        self.own_index, self.untrained = own_index, untrained
        if own_index and isinstance(untrained, str | Path):  # a wrong name is said now
            self.untrained = own_index_encoder(untrained, None, str(teacher.device))
        self._sessions: dict[str | None, Session] = {}
        self._own_ranks: dict[tuple[str | None, Any], NDArray[np.float64] | None] = {}
        self._session(teacher)

    def __call__(
        self, model: Encoder, output_path: str | None = None, epoch: int = -1, steps: int = -1
    ) -> dict[str, float]:
        """Metrics of a student: R@k by language and their mean, mean MRR, recovery, and the R@1 gap where there are two groups.

        Recovery is R@1 as a share of that of re-indexing, for each language and mean where re-indexing reaches 5 %.

        Args:
            model: the student.
            output_path: not used: the trainer logs the metrics.
            epoch: of the training, for the model's card.
            steps: of the training, for the model's card.
        """
        parts = self._session(model).run(System("student", model, "text"), {})
        ranks = np.concatenate([found.ranks for found in parts])
        metrics: dict[str, float] = {}
        for k in self.settings.k:
            means = self._means(recall_at_k(ranks, k))
            metrics |= {f"R@{k}/{language}": mean for language, mean in means.items()}
            metrics[f"R@{k}/mean"] = float(np.mean(list(means.values())))
        metrics["R@1_worst"] = min(self._means(recall_at_k(ranks, 1)).values())
        metrics["MRR/mean"] = float(np.mean(list(self._means(reciprocal_rank(ranks)).values())))
        levels = self._levels(ranks)
        own = self._levels(found) if (found := self._re_indexed(model)) is not None else {}
        metrics |= {f"recovery{name}": levels[name] / level for name, level in own.items() if level >= LEAST}
        if self.resource_groups is not None:
            metrics |= {f"R@1{name}": levels[name] for name in ("_high", "_low")}
            metrics["R@1_gap"] = levels["_high"] - levels["_low"]
        metrics = self.prefix_name_to_metrics(metrics, self.name)
        self.store_metrics_in_model_card_data(model, metrics, epoch, steps)
        return metrics

    def __deepcopy__(self, memo: Mapping[int, Any]) -> "RetrievalEvaluator":
        """Itself: a model's card keeps its evaluators, and a copy of the model needs no copy of teacher and documents."""
        return self

    def get_config_dict(self) -> dict[str, Any]:
        """The settings that a model's card shows."""
        return {"search": self.settings.search, "depth": self.settings.depth}

    def _session(self, model: Encoder) -> Session:
        settings = self.settings.for_models(model)
        if settings.search not in self._sessions:
            self._sessions[settings.search] = Session(self.collections, self.teacher, settings)
        return self._sessions[settings.search]

    def _re_indexed(self, model: Encoder) -> NDArray[np.float64] | None:
        """Ranks of re-indexing, which does not change while a student learns; None where its checkpoint is not known."""
        checkpoint = untrained_checkpoint(self.untrained, model) if self.own_index else None
        if checkpoint is None:
            return None
        session = self._session(model)
        key = session.settings.search, checkpoint
        if key not in self._own_ranks:
            self._own_ranks[key] = None
            systems, loaded, _ = with_own_index(None, model, self.untrained, self.collections)
            if "own_index" in systems:
                (system,) = resolve_systems(model, self.teacher, ["own_index"], {}, loaded)
                parts, _ = best_reading(session, system, self.languages)
                self._own_ranks[key] = np.concatenate([found.ranks for found in parts])
        return self._own_ranks[key]

    def _levels(self, ranks: NDArray[np.float64]) -> dict[str, float]:
        """R@1 of each language as "/de", and means over languages as "/mean", and "_high" and "_low" where there are groups."""
        means = self._means(recall_at_k(ranks, 1))
        levels = {f"/{code}": mean for code, mean in means.items()} | {"/mean": float(np.mean(list(means.values())))}
        if self.resource_groups is not None:
            groups = {"_high": self.resource_groups.high, "_low": self.resource_groups.low}
            levels |= {name: float(np.mean([means[code] for code in codes])) for name, codes in groups.items()}
        return levels

    def _means(self, values: NDArray[np.float64]) -> dict[str, float]:
        names = dict.fromkeys(self.languages.tolist())
        return {name: float(values[self.languages == name].mean()) for name in names}
