"""An index's exported (text, vector) rows as a teacher, where the model that made them cannot be run.

Rows stay on disk, mapped into memory. A text is found by its exact string.

Shapes: B texts, N rows, D width.
"""

from collections.abc import Sequence
from os import PathLike

import numpy as np
import torch
from datasets import Dataset
from torch.nn.functional import normalize as unit_vectors
from xxhash import xxh3_128

from optical_hf.models.fingerprint import digest_of
from optical_hf.models.prompts import Task
from optical_hf.models.teachers.stored_teacher import StoredTeacher
from optical_hf.models.teachers.vector_lengths import is_unit
from optical_hf.models.tokens import TokenSet
from optical_hf.reading.bad_rows import OnBadRow
from optical_hf.stores.documents import TextIndex, load_documents
from optical_hf.stores.documents.document_sources import Source
from optical_hf.stores.documents.vector_columns import vectors_of
from optical_hf.tables import check_table

BLOCK = 8192


class VectorTeacher(StoredTeacher):
    """A teacher whose vectors were computed elsewhere: one vector a text, and no tokens.

    It reads queries and documents alike: a text has one vector.

    Args:
        documents: with `text` and `vector`, from `load_documents`.
        normalize: as `load_vectors` takes it.

    Attributes:
        documents: the rows.
        unit_length: whether its vectors are taken at unit length.
        similarity_fn_name: how they are compared: "cosine" where they are, else "dot".

    Raises:
        ValueError: no vectors; lengths other than 1, where `normalize` is None.

    Example:
        >>> rows = {"text": ["a dog", "a cat"], "vector": [[3.0, 4.0], [0.0, 2.0]]}
        >>> teacher = load_vectors(Dataset.from_dict(rows), normalize=True)
        >>> teacher.lookup(["a dog"]).vector_BD
        tensor([[0.6000, 0.8000]])
    """

    pooling = "mean"
    kind = "vector"
    has_tokens = False

    def __init__(self, documents: Dataset, *, normalize: bool | None = None) -> None:
        if "vector" not in documents.column_names:
            raise ValueError(
                "the documents have texts and no vectors: expected the vectors that the teacher gave them; name their column with "
                "vector=..., or give their file, ('texts.txt', 'vectors.npy')"
            )
        self.documents = documents
        self.width = int(documents.features["vector"].length)
        self._arrow = documents.with_format("arrow")
        length_N, self._content = _lengths_and_hash(self._arrow)
        self.unit_length = is_unit(length_N, normalize)
        self.similarity_fn_name = "cosine" if self.unit_length else "dot"
        self._index = TextIndex.of(documents)

    @property
    def fingerprint(self) -> str:
        """The hash of all texts and vectors."""
        return digest_of([type(self).__name__, self._content, self.unit_length])

    def __len__(self) -> int:
        return len(self.documents)

    def __contains__(self, text: str) -> bool:
        return bool(self._index.rows([text])[0] >= 0)

    def lookup(self, texts: Sequence[str], task: Task = "query") -> TokenSet:
        """The vectors of a batch of texts, each as the one token of its text.

        Raises:
            ValueError: where a text has no vector, naming the first and how many they are.
        """
        rows_B = self._index.rows(texts)
        found = self._arrow[np.maximum(rows_B, 0)]
        same = [text == kept for text, kept in zip(texts, found["text"].to_pylist(), strict=True)]
        if not all(same):
            raise _missing(
                [text for text, there in zip(texts, same, strict=True) if not there], len(texts), "texts", self
            )
        vector_BD = torch.from_numpy(np.array(vectors_of(found["vector"])))
        if self.unit_length:
            vector_BD = unit_vectors(vector_BD, dim=-1)
        mask_B1 = torch.ones(len(texts), 1, dtype=torch.bool)
        return TokenSet(vector_BD.unsqueeze(1), mask_B1, mask_B1, vector_BD)

    def check_texts(self, texts: Sequence[str], what: str = "English sides of the bitext") -> None:
        """Raise ValueError where texts have no vector, naming the first and how many they are."""
        absent = [texts[row] for row in np.flatnonzero(self._index.rows(texts) < 0).tolist()]
        if absent:
            raise _missing(absent, len(texts), what, self)

    def with_vectors(self, bitext: Dataset, column: str = "source") -> Dataset:
        """The rows of a table whose text in `column` has a vector.

        Raises:
            ValueError: none has.
        """
        check_table(bitext, [column])
        texts = bitext[column][:]
        rows = np.flatnonzero(self._index.rows(texts) >= 0)
        if not len(rows):
            raise _missing(texts, len(texts), f"texts in {column!r}", self)
        return bitext.select(rows)


def load_vectors(
    source: Source,
    *,
    text: str = "text",
    vector: str = "vector",
    normalize: bool | None = None,
    on_bad_row: OnBadRow = "error",
    cache_dir: str | PathLike[str] | None = None,
) -> VectorTeacher:
    """The exported rows of an index in the place of its teacher: for a model behind an API, or one that is lost.

    It stands where a teacher of one vector a text stands: in `load_student`, `fit_alignment` with "ridge" or "contrastive",
    `OTDistillationTrainer` with losses on one vector, and `evaluate_retrieval`. Each text that it is to read must be among the
    rows: the English sides of the bitext, and the documents that are searched.

    Args:
        source: texts and their vectors, as `load_documents` takes them.
        text: the column of the texts.
        vector: the column of the vectors, where they are one.
        normalize: True divides each vector by its length, for an index that compares by cosine; False keeps the lengths, for one
            that compares by inner product. None expects unit length.
        on_bad_row: as `load_documents` takes it.
        cache_dir: folder of the cache; None is the one of `datasets`.

    Returns:
        A `VectorTeacher`.

    Raises:
        ValueError: as `load_documents`; no vectors; vectors that are not of unit length, or in part, where `normalize` is None.

    Example:
        >>> teacher = load_vectors("index.parquet")                                    # doctest: +SKIP
        >>> student = load_student("intfloat/multilingual-e5-small", teacher)          # doctest: +SKIP
        >>> bitext = teacher.with_vectors(load_bitext("mar-eng.tsv.gz"))               # doctest: +SKIP
        >>> fit_alignment(student, teacher, bitext, method="contrastive")              # doctest: +SKIP
    """
    documents = load_documents(source, text=text, vector=vector, on_bad_row=on_bad_row, cache_dir=cache_dir)
    return VectorTeacher(documents, normalize=normalize)


def _lengths_and_hash(arrow: Dataset) -> tuple[np.ndarray, str]:
    """The length of each vector (N,), and a hash of all texts and vectors, read block by block."""
    digest, lengths = xxh3_128(), []
    for block in arrow.iter(BLOCK):
        vectors_BD = vectors_of(block["vector"])
        lengths.append(np.linalg.norm(vectors_BD, axis=1))
        digest.update("\0".join(block["text"].to_pylist()).encode(errors="surrogatepass"))
        digest.update(np.ascontiguousarray(vectors_BD).data)
    return np.concatenate(lengths), digest.hexdigest()


def _missing(absent: Sequence[str], total: int, what: str, teacher: VectorTeacher) -> ValueError:
    return ValueError(
        f"{len(absent):,} of {total:,} {what} are not among the {len(teacher):,} texts with a vector, the first is "
        f"{absent[0][:80]!r}: they must be the same to the letter. Export their vectors too, or leave such pairs out with "
        "teacher.with_vectors(bitext)"
    )
