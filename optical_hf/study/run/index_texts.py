"""The English texts that the student of a run learns from: index documents, of files or those that its collections search; queries.

Where the index has one vector a document, these are the targets: the vectors that the evaluation searches.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from datasets import Dataset, concatenate_datasets

from optical_hf.losses import parse_losses
from optical_hf.models import Encoder, kind_of
from optical_hf.models.alignment.chosen_documents import ChosenDocuments
from optical_hf.models.alignment.index_documents import MAX_DOCUMENTS, TEXT, VECTOR, sample_documents
from optical_hf.models.teacher_space import embedding_width
from optical_hf.models.teachers.token_cache import TeacherCache
from optical_hf.stores.documents.document_sentences import cut_sentences
from optical_hf.stores.vectors import VectorSet
from optical_hf.study.config.grid import RunConfig
from optical_hf.study.run.contents import check_as_named, digest_of_documents
from optical_hf.study.run.run_data import EvaluationSet, read_documents

IndexOf = Callable[[EvaluationSet], Mapping[str, VectorSet]]


def documents_of(
    run: RunConfig, teacher: Encoder, sets: Sequence[EvaluationSet], index_of: IndexOf
) -> ChosenDocuments | None:
    """The documents a run learns from, `max_documents` of them at most, chosen by its seed; None where it learns from none.

    Args:
        run: the run.
        teacher: of the index.
        sets: what the run searches.
        index_of: the vectors of the documents of a collection, by the name of its part.
    """
    if run.documents is None:
        return None
    if run.documents.files is not None:
        documents = read_documents(run.documents)
        check_as_named(run, {"documents": digest_of_documents(documents)})
    else:
        parts = [
            (part, vectors)
            for entry in sets
            for part, vectors in zip(entry.parts, index_of(entry).values(), strict=True)
        ]
        documents = concatenate_datasets([_table(part.documents[TEXT][:], vectors) for part, vectors in parts])
    options = {**run.system.fit, **run.system.arguments}
    count = options.get("max_documents", MAX_DOCUMENTS)
    return ChosenDocuments.of(documents, count, run.seed, embedding_width(teacher))


def query_texts_of(run: RunConfig, teacher: Encoder) -> Dataset | None:
    """The English queries a run learns from, chosen as its documents are; None where it learns from none."""
    if run.query_texts is None:
        return None
    queries = read_documents(run.query_texts)
    check_as_named(run, {"query_texts": digest_of_documents(queries)})
    count = {**run.system.fit, **run.system.arguments}.get("max_documents", MAX_DOCUMENTS)
    return sample_documents(queries.select_columns([TEXT]), count, run.seed, embedding_width(teacher), "query_texts")


def teacher_tokens(
    run: RunConfig,
    teacher: Encoder,
    bitext: Dataset | None,
    documents: Dataset | None,
    query_texts: Dataset | None,
    folder: Path,
) -> TeacherCache:
    """The cache of all that the teacher reads for a run.

    Args:
        run: the run.
        teacher: the teacher.
        bitext: the pairs of this run; None without bitext.
        documents: of the index; None for none.
        query_texts: English queries; None for none.
        folder: of the caches.
    """
    as_queries, as_documents = read_by_the_teacher(run, teacher, documents)
    texts = [] if bitext is None else list(bitext["source"][:])
    texts += [*as_queries, *([] if query_texts is None else query_texts[TEXT][:])]
    if documents is not None and not texts and not as_documents:
        as_documents = documents[TEXT][:1]  # the vectors of all are given, and a cache of no text cannot be
    return TeacherCache.build(teacher, texts, folder, documents=as_documents or None, progress=False)


def _table(texts: list[str], vectors: VectorSet) -> Dataset:
    given = {VECTOR: list(vectors.vectors.numpy())} if vectors.lengths is None else {}
    return Dataset.from_dict({TEXT: texts, **given})


def read_by_the_teacher(run: RunConfig, teacher: Encoder, documents: Dataset | None) -> tuple[list[str], list[str]]:
    """The documents that the teacher reads as queries, and as documents.

    As queries where a loss needs tokens of the rows of training; as documents where they have no vectors, or tokens are searched.
    """
    if documents is None:
        return [], []
    texts = documents[TEXT][:]
    needs_tokens = run.system.losses is not None and any(loss.needs_tokens for loss in parse_losses(run.system.losses))
    unknown = VECTOR not in documents.column_names or kind_of(teacher) == "late_interaction"
    return texts if needs_tokens else [], texts if unknown else []


def read_by_the_student(run: RunConfig, documents: Dataset | None, query_texts: Dataset | None = None) -> list[str]:
    """The English texts that a fit has the student read: documents whole, and by sentence where they are cut; and queries."""
    asked = [] if query_texts is None else list(query_texts[TEXT][:])
    if documents is None:
        return asked
    texts = documents[TEXT][:]
    cut = run.system.fit.get("document_sentences", False)
    return [*asked, *texts, *(sentence for text in texts if cut for sentence in cut_sentences(text))]
