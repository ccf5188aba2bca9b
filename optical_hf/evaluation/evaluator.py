"""`RetrievalEvaluator`: an evaluator of sentence-transformers, for its trainers and ours; documents are encoded once."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sentence_transformers.base.evaluation import BaseEvaluator

from optical_hf.data import RetrievalCollection
from optical_hf.evaluation.evaluation_settings import EvaluationSettings
from optical_hf.evaluation.report.language_scores import choose_tiers
from optical_hf.evaluation.retrieval import checked_collections, list_queries
from optical_hf.evaluation.session import Session
from optical_hf.evaluation.systems import System
from optical_hf.metrics.gap import gap_statistics
from optical_hf.metrics.ranking import recall_at_k, reciprocal_rank
from optical_hf.models.tokens import Encoder


class RetrievalEvaluator(BaseEvaluator):
    """Measure a student's retrieval during training, with any trainer that takes evaluators of sentence-transformers.

    Args:
        collections: what is searched, as in `evaluate_retrieval`.
        teacher: encodes the documents, at the first call.
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
        {'R@1/de': 0.9, 'R@1/so': 0.4, 'R@1/mean': 0.65, 'MRR/mean': 0.7, 'R@1_high': 0.9, ...}
    """

    def __init__(
        self,
        collections: RetrievalCollection | Sequence[RetrievalCollection],
        teacher: Encoder,
        *,
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
        self.tiers, _ = choose_tiers(
            queries.languages, queries.groups, self.settings.high, self.settings.low, self.settings.middle
        )
        self.primary_metric = f"R@{self.settings.k[0]}/mean"
        self.prefix_name_to_metrics({}, name)
        self._sessions: dict[str | None, Session] = {}
        self._session(teacher)

    def __call__(
        self, model: Encoder, output_path: str | None = None, epoch: int = -1, steps: int = -1
    ) -> dict[str, float]:
        """Metrics of a student: R@k by language and their mean, mean MRR, and the R@1 gap where there are two groups.

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
        metrics["MRR/mean"] = float(np.mean(list(self._means(reciprocal_rank(ranks)).values())))
        if self.tiers is not None:
            means = self._means(recall_at_k(ranks, 1))
            gap = gap_statistics(np.array([list(means.values())]), list(means), self.tiers)
            values = {"R@1_high": gap.high_R, "R@1_low": gap.low_R, "R@1_gap": gap.gap_R}
            metrics |= {name: float(value_R[0]) for name, value_R in values.items()}
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

    def _means(self, values: NDArray[np.float64]) -> dict[str, float]:
        names = dict.fromkeys(self.languages.tolist())
        return {name: float(values[self.languages == name].mean()) for name in names}
