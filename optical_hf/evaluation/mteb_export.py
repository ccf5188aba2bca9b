"""Our collections as MTEB retrieval tasks, and a student with its teacher as an MTEB model. Needs the extra `mteb`.

A student alone is a sentence-transformers model and goes into `mteb.evaluate` as it is: it then reads the documents too.
`mteb_model` is what this package evaluates: the student reads queries, the teacher documents.
Muennighoff et al. 2023, "MTEB" (arXiv:2210.07316).
"""

from typing import Any

from langcodes import Language

from optical_hf.data import RetrievalCollection
from optical_hf.extras import import_extra
from optical_hf.languages import language_info
from optical_hf.models.views import Encoder, kind_of

SPLIT = "test"


def mteb_task(collection: RetrievalCollection, *, reference: str | None = None, bibtex: str = "") -> Any:
    """A collection of texts as a custom MTEB task, one subset a language.

    Args:
        collection: texts as queries and documents.
        reference: where the data come from, a URL.
        bibtex: how to cite them.

    Returns:
        An `mteb.abstasks.AbsTaskRetrieval`; `mteb.evaluate(model, [task])` takes it.

    Raises:
        ImportError: without the extra `mteb`.
        ValueError: for a collection with images.

    Example:
        >>> mteb.evaluate(mteb_model(student, teacher), [mteb_task(collection)])  # doctest: +SKIP
    """
    mteb = import_extra("mteb", "mteb", "an MTEB task")
    import_extra("mteb.abstasks", "mteb", "an MTEB task")
    if "image" in {*collection.queries.column_names, *collection.documents.column_names}:
        raise ValueError(f"{collection.name} has images; only collections of texts become MTEB tasks here")
    metadata = mteb.TaskMetadata(
        name=collection.name,
        description=f"Retrieval of documents by queries in {', '.join(collection.languages)}.",
        type="Retrieval",
        category="t2t",
        dataset={"path": "none", "revision": "none"},
        reference=reference,
        eval_splits=[SPLIT],
        eval_langs={code: [_mteb_language(code)] for code in collection.languages},
        main_score="hit_rate_at_1",
        bibtex_citation=bibtex,
    )
    documents = collection.documents.select_columns(["id", "text"])

    def split(part: RetrievalCollection) -> dict[str, Any]:
        least = part.relevant_grade
        relevant = {
            query: {key: grade for key, grade in grades.items() if grade >= least}
            for query, grades in part.qrels.items()
        }
        queries = part.queries.select_columns(["id", "text"])
        return {"corpus": documents, "queries": queries, "relevant_docs": relevant, "top_ranked": None}

    def load_data(self: Any, *args: Any, **kwargs: Any) -> None:
        self.dataset = {code: {SPLIT: split(collection.select(code))} for code in collection.languages}
        self.data_loaded = True

    task = type("CollectionTask", (mteb.abstasks.AbsTaskRetrieval,), {"metadata": metadata, "load_data": load_data})
    return task()


def mteb_model(student: Encoder, teacher: Encoder) -> Any:
    """A student that reads queries and a teacher that reads everything else, as one MTEB model.

    Args:
        student: a `SentenceTransformer`, or a `MultiVectorEncoder` if the teacher is one.
        teacher: of the same kind.

    Raises:
        ImportError: without the extra `mteb`.
        ValueError: for models of two kinds.
    """
    wrappers = import_extra("mteb.models.sentence_transformer_wrapper", "mteb", "an MTEB model")
    kinds = {kind_of(model) for model in (student, teacher)}
    if len(kinds) > 1:
        raise ValueError("student and teacher must both have one vector a text or both one a token")
    wrapper = wrappers.SentenceTransformerEncoderWrapper if "vector" in kinds else wrappers.MultiVectorWrapper

    class StudentWithTeacher(wrapper):  # type: ignore[misc, valid-type]
        """MTEB's wrapper of the student, which hands what is not a query to the wrapper of the teacher."""

        def __init__(self) -> None:
            super().__init__(student)
            self.reader = wrapper(teacher)

        def encode(self, inputs: Any, **settings: Any) -> Any:
            own = settings.get("prompt_type") == "query"
            return super().encode(inputs, **settings) if own else self.reader.encode(inputs, **settings)

    return StudentWithTeacher()


def _mteb_language(code: str) -> str:
    return f"{Language.get(code).to_alpha3()}-{language_info(code).script}"
