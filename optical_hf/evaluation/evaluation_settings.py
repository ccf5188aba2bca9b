"""`EvaluationSettings`: how an evaluation searches, scores and runs; models and data are not settings."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

from sentence_transformers import MultiVectorEncoder
from sentence_transformers.sentence_transformer.modules import Pooling

from optical_hf.evaluation.encode.encoding import Encoding, Search
from optical_hf.evaluation.report.language_scores import Bootstrap
from optical_hf.files import check_folder
from optical_hf.models.teachers.vector_teacher import VectorTeacher
from optical_hf.models.text_length import check_length
from optical_hf.models.views import Encoder, token_projection
from optical_hf.settings_checks import check_choices, check_counts, check_cutoffs, check_lists, with_fields
from optical_hf.stores.document_store import DocumentStore
from optical_hf.stores.engine_names import EngineName, engine_named
from optical_hf.stores.search_engine import SearchEngine
from optical_hf.stores.text_search import Words


@dataclass(frozen=True)
class EvaluationSettings:
    """Settings of `evaluate_retrieval` and `RetrievalEvaluator`; both also take each field as a keyword.

    Args:
        search: "vector" for one vector a text, compared by inner product or cosine as the teacher says, or "maxsim" for one
            vector a token (late interaction). None takes "maxsim" where the student is a late-interaction model.
        engine: "exact", another name of `optical_hf.stores.engine_names`, or an engine's settings.
        depth: documents retrieved for each query. The rank of a relevant document below it, or tied with the next one
            below it, is infinite.
        k: cutoffs of R@k.
        fusion: the constant of reciprocal rank fusion, for the system "hybrid": the higher, the less the first ranks count.
        words: what "hybrid" searches words by: "bm25" over the texts of the collection, or "store", the full-text search of its
            index (`indexes=`), which PostgreSQL and LanceDB have.
        high: languages of the high-resource group. None takes classes 4 and 5 of Joshi et al. 2020, or what `low` leaves.
        low: languages of the low-resource group. None takes classes 0 to 2, or what `high` leaves.
        middle: languages to report that are in neither group.
        shared_groups: whether a group name means the same thing in all collections, such as the image of captions in
            several languages, and is resampled once for all. None: only where the queries are images.
        margin: how far behind the teacher on English queries the student may be and count as no worse, as a share: 0.01 is a point.
        confidence: level of the intervals.
        rounds: resamples of the bootstrap.
        seed: of the bootstrap.
        max_seq_length: tokens kept of a text, by every model and of queries and documents alike. None keeps each model's own limit.
        batch_size: texts in one forward pass.
        folder: where vectors are kept on disk. Memory then does not grow with the documents, and a killed run resumes.
            None keeps them in memory.
        piece: texts or images encoded at a time: what memory holds, what a killed run may lose, what processes share out.
        sharded: share the work among the processes of `accelerate launch`. All of them must then make the call, and all
            get the same result. False: each process evaluates alone.
        progress: show progress bars.

    Raises:
        ValueError: for an unknown search or engine, counts below 1, cutoffs beyond the depth, a text in place of a list.

    Example:
        >>> EvaluationSettings(search="maxsim", high=["de"], low=["so"]).depth
        100
    """

    search: Search | None = None
    engine: EngineName | SearchEngine = "exact"
    depth: int = 100
    k: Sequence[int] = (1, 5, 10)
    fusion: int = 60
    words: Words = "bm25"
    high: Collection[str] | None = None
    low: Collection[str] | None = None
    middle: Collection[str] = ()
    shared_groups: bool | None = None
    margin: float = 0.01
    confidence: float = 0.95
    rounds: int = 10_000
    seed: int = 0
    max_seq_length: int | None = None
    batch_size: int = 64
    folder: str | Path | None = None
    piece: int = 8192
    sharded: bool = True
    progress: bool = True

    def __post_init__(self) -> None:
        check_cutoffs(self.k, self.depth)
        check_counts(fusion=self.fusion)
        check_choices(words=(self.words, get_args(Words)))
        if not 0 <= self.margin < 1:
            raise ValueError(f"margin: expected a share from 0 to below 1, 0.01 for one point, got {self.margin!r}")
        check_lists(high=self.high, low=self.low, middle=self.middle)
        encoding = Encoding(self.search or "vector", True, self.batch_size, self.piece)
        engine_named(self.engine, encoding.search)
        _ = self.bootstrap
        self.check_length()

    @property
    def bootstrap(self) -> Bootstrap:
        """Settings of the intervals."""
        return Bootstrap(self.confidence, self.rounds, self.seed)

    def encoding(self, teacher: Encoder | VectorTeacher | None) -> Encoding:
        """Settings of the encoding, with the teacher's way to compare vectors; the folder is tried."""
        folder = None if self.folder is None else check_folder(self.folder)
        search = self.search or default_search(teacher)
        cosine = by_cosine(teacher)
        return Encoding(search, cosine, self.batch_size, self.piece, folder, self.progress, self.max_seq_length)

    def check_length(self, model: Encoder | None = None) -> None:
        """Refuse a `max_seq_length` that is no number of tokens, or that a model has no positions for (ValueError)."""
        if self.max_seq_length is not None:
            check_length(self.max_seq_length, model)

    def changed(self, given: Mapping[str, Any], function: Callable[..., Any]) -> "EvaluationSettings":
        """These settings with the keywords that were given to a function.

        Raises:
            TypeError: for a keyword that is no field.
        """
        return with_fields(self, given, function)

    def for_indexes(self, stores: Mapping[str, DocumentStore]) -> "EvaluationSettings":
        """These settings with the search that the indexes can do.

        Raises:
            ValueError: where they do not agree with each other, or with the search that was asked for.
        """
        kinds: dict[str, Search] = {name: "maxsim" if s.late_interaction else "vector" for name, s in stores.items()}
        if not kinds:
            return self
        search = self.search or next(iter(kinds.values()))
        if odd := next((name for name, kind in kinds.items() if kind != search), None):
            raise ValueError(
                f"the index of {odd} is searched by {kinds[odd]} and not by {search}: evaluate indexes of one kind at a time, and "
                "leave search out"
            )
        return replace(self, search=search)

    def for_models(self, *models: Encoder | VectorTeacher | None) -> "EvaluationSettings":
        """These settings with the search decided, by the first of the models that is there where it is None."""
        return replace(self, search=self.search or default_search(*models))


def default_search(*models: Encoder | VectorTeacher | None) -> Search:
    """ "maxsim" where the first model that is not None is a late-interaction model, else "vector".

    Late interaction is a `MultiVectorEncoder`, or a Dense layer on tokens with no pooling behind it.
    """
    model = next((model for model in models if model is not None), None)
    if model is None or isinstance(model, VectorTeacher):
        return "vector"
    pooled = any(isinstance(module, Pooling) for module in model)
    late = isinstance(model, MultiVectorEncoder) or (token_projection(model) is not None and not pooled)
    return "maxsim" if late else "vector"


def by_cosine(teacher: Encoder | VectorTeacher | None) -> bool:
    """Whether single vectors are compared by cosine, as the teacher says; vectors without a teacher are."""
    name = "cosine" if teacher is None else str(teacher.similarity_fn_name)
    if name in ("euclidean", "manhattan"):
        raise ValueError(f"the model compares by {name} distance; search here is by cosine or inner product")
    return name != "dot"
