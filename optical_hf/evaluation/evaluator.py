"""`RetrievalEvaluator`: what a trainer calls at each evaluation, student in, numbers out; documents are encoded once.

The trainer knows only that it is callable. Each process evaluates alone, unless told that all of them call it.
"""

from collections.abc import Collection, Sequence

import numpy as np

from optical_hf.data import RetrievalCollection
from optical_hf.evaluation.encode.encoding import Encoding, Search
from optical_hf.evaluation.encode.processes import Processes
from optical_hf.evaluation.report.language_scores import choose_tiers
from optical_hf.evaluation.retrieval import by_cosine, checked_collections, list_queries
from optical_hf.evaluation.session import Session
from optical_hf.evaluation.systems import System
from optical_hf.metrics.gap import gap_statistics
from optical_hf.metrics.ranking import recall_at_k, reciprocal_rank
from optical_hf.models.tokens import Encoder
from optical_hf.settings_checks import check_cutoffs
from optical_hf.stores.engine_names import EngineName, engine_named
from optical_hf.stores.search_engine import SearchEngine


class RetrievalEvaluator:
    """Evaluate a student during training.

    Args:
        collections: as in `evaluate_retrieval`.
        teacher: encodes the documents, at the first call.
        search: "vector" or "maxsim".
        engine: name or settings of the search.
        high: languages of the high tier, as in `evaluate_retrieval`.
        low: languages of the low tier.
        middle: languages in neither.
        k: cutoffs; "R@k" is reported for each by language and as mean over languages.
        depth: how many documents a query retrieves.
        batch_size: texts in one forward pass.
        sharded: share the work among the processes; only where all of them call the evaluator.
        progress: show progress bars.

    Raises:
        ValueError: as `evaluate_retrieval`, when it is made: before the training, not after its first hour.

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
        search: Search = "vector",
        engine: EngineName | SearchEngine = "exact",
        high: Collection[str] | None = None,
        low: Collection[str] | None = None,
        middle: Collection[str] = (),
        k: Sequence[int] = (1,),
        depth: int = 100,
        batch_size: int = 64,
        sharded: bool = False,
        progress: bool = False,
    ) -> None:
        listed = checked_collections(collections)
        check_cutoffs(k, depth)
        queries = list_queries(listed)
        self.k = tuple(k)
        self.languages = np.array(queries.languages)
        self.tiers, _ = choose_tiers(queries.languages, queries.groups, high, low, middle)
        self.session = Session(
            listed,
            teacher,
            Encoding(search, by_cosine(teacher), batch_size, progress=progress),
            engine_named(engine, search)[1],
            depth,
            Processes.started() if sharded else Processes(),
        )

    def __call__(self, model: Encoder) -> dict[str, float]:
        """Metrics of a student: R@k by language and their mean, mean MRR, and the R@1 gap where the tiers allow one."""
        ranks = np.concatenate([found.ranks for found in self.session.run(System("student", model, "text"))])
        names = list(dict.fromkeys(self.languages.tolist()))
        metrics: dict[str, float] = {}
        for k in self.k:
            hits = recall_at_k(ranks, k)
            means = {name: float(hits[self.languages == name].mean()) for name in names}
            metrics |= {f"R@{k}/{name}": mean for name, mean in means.items()}
            metrics[f"R@{k}/mean"] = float(np.mean(list(means.values())))
        reciprocal = reciprocal_rank(ranks)
        metrics["MRR/mean"] = float(np.mean([reciprocal[self.languages == name].mean() for name in names]))
        if self.tiers is not None:
            hits = recall_at_k(ranks, 1)
            means_RL = np.array([[hits[self.languages == name].mean() for name in names]])
            statistics = gap_statistics(means_RL, names, self.tiers)
            metrics["R@1_high"], metrics["R@1_low"] = float(statistics.high_R[0]), float(statistics.low_R[0])
            metrics["R@1_gap"] = float(statistics.gap_R[0])
        return metrics
