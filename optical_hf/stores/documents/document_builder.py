"""`load_documents`: the texts of an index, and where given their vectors, as one table of `datasets`.

The table is written once to the cache of `datasets`, under a name that says its sources, and is mapped into memory.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from os import PathLike
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from datasets import Dataset

from optical_hf.files import expand_path
from optical_hf.reading.bad_rows import BadRows, OnBadRow, check_on_bad_row, first_of
from optical_hf.reading.reader_errors import reader_errors
from optical_hf.stores.documents.document_rows import Columns, DocumentRows, document_rows
from optical_hf.stores.documents.document_sources import DocumentSource, Source, resolve_documents
from optical_hf.stores.documents.repeated_texts import without_repeated
from optical_hf.stores.documents.vector_columns import column_of, matrix_of, vector_faults
from optical_hf.stores.documents.vector_files import open_vectors

logger = logging.getLogger(__name__)


@dataclass
class DocumentConfig(datasets.BuilderConfig):
    """What a table is made of; all of it, with sizes and times of the files, names its folder in the cache."""

    sources: tuple[DocumentSource, ...] = ()
    columns: Columns | None = None
    on_bad_row: OnBadRow = "error"


class DocumentTable(datasets.ArrowBasedBuilder):
    """The builder under `load_documents`."""

    BUILDER_CONFIG_CLASS = DocumentConfig
    VERSION = datasets.Version("1.0.0")

    def __init__(self, sources: list[DocumentSource], **kwargs: Any) -> None:
        self._held = {source.path: {"table": source.table, "store": source.store} for source in sources}
        super().__init__(sources=tuple(replace(source, table=None, store=None) for source in sources), **kwargs)

    def _info(self) -> datasets.DatasetInfo:
        return datasets.DatasetInfo()  # the width is known when the first vectors are read

    def _split_generators(self, dl_manager: Any) -> list[datasets.SplitGenerator]:
        return [datasets.SplitGenerator(name="train")]

    def _generate_tables(self) -> Iterator[tuple[int, pa.Table]]:
        said: list[str] = []
        first: tuple[str, int | None] | None = None
        for source in self.config.sources:
            bad = BadRows(source.path, "drop")
            filled = replace(source, **self._held[source.path])
            total = 0
            for table, rows in _sound_tables(filled, self.config.columns, bad):
                total += rows
                if len(table):
                    width = table.schema.field("vector").type.list_size if "vector" in table.column_names else None
                    first = first or (source.path, width)
                    _check_alike(first, (source.path, width))
                    yield total, table
            if bad.left_out.count:
                said.append(_said(source, bad, total))
                if self.config.on_bad_row != "drop":
                    raise ValueError(f"{said[-1]}. Mend them, or leave them out with on_bad_row='drop'")
        self.info.description = "\n".join(said)


def load_documents(
    source: Source,
    *,
    text: str = "text",
    vector: str | None = "vector",
    on_bad_row: OnBadRow = "error",
    cache_dir: str | PathLike[str] | None = None,
) -> Dataset:
    """The English documents of an index as a table: `text`, and `vector` where the vectors are given.

    Args:
        source: a file of texts, one a line (`.txt`); JSON lines, CSV or TSV with a header, Parquet or Arrow, with a column of
            texts; each also packed (.gz, .bz2, .xz, .zst). A folder of `save_to_disk`, of LanceDB, or of files of one format.
            A `Dataset`. A list of texts. Or a list of such sources, whose documents are joined. Vectors are a column, or lie in a
            file: `x.npy` or an index of FAISS (`x.faiss`, `x.index`), whose rows are those of the texts. Such a file is taken
            where it lies beside `x.txt`, `x.csv` or `x.tsv` under the same name, or is given: `("texts.jsonl", "vectors.npy")`.
            Or the URL of a store, `postgresql://HOST/DATABASE?table=docs&text=body` (docs/stores.md has all): its own names of
            columns go before `text` and `vector`, and its rows are read again where its count, its own number of changes or its
            first rows are others.
        text: the column of the texts.
        vector: the column of the vectors, where there is one. None reads the texts alone.
        on_bad_row: "error" stops where rows cannot be used (an empty text, NaN, infinity or zeros for a vector) and gives their
            count and the first of them; "drop" leaves them out and says so.
        cache_dir: folder of the cache; None is the one of `datasets`.

    Returns:
        A table that is mapped into memory, with `text` (string), and `vector` (a list of float32 of one width). A text that stands
        twice is kept once.

    Raises:
        ValueError: a source that is missing, damaged or of no known format; a missing column; rows that cannot be used; vectors of
            different widths, or not as many as texts; sources with and without vectors; one text with two different vectors.
        ImportError: for FAISS, LanceDB or a store without its extra.

    Example:
        >>> import tempfile, pathlib
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> _ = (folder / "docs.txt").write_text("a red ball\\ntwo dogs\\n", encoding="utf-8")
        >>> np.save(folder / "docs.npy", np.eye(2, 3))
        >>> load_documents(folder / "docs.txt", cache_dir=folder)[1]
        {'text': 'two dogs', 'vector': [0.0, 1.0, 0.0]}
    """
    check_on_bad_row(on_bad_row)
    cache = None if cache_dir is None else str(expand_path(cache_dir))
    sources = resolve_documents(source, text, vector is not None)
    return without_repeated(document_table(sources, Columns(text, vector), on_bad_row, cache), on_bad_row)


def document_table(
    sources: list[DocumentSource], columns: Columns, on_bad_row: OnBadRow, cache_dir: str | None = None
) -> Dataset:
    """All rows as a table, in the order of the sources, repeated texts too.

    Raises:
        ValueError: as `load_documents`.
    """
    builder = DocumentTable(sources, columns=columns, on_bad_row=on_bad_row, cache_dir=cache_dir)
    try:
        with reader_errors():
            builder.download_and_prepare()
    finally:
        for source in sources:
            if source.store is not None:
                source.store.close()
    for line in builder.info.description.splitlines():
        logger.warning("%s; they are left out", line)
    documents = builder.as_dataset(split="train")
    if not len(documents):
        raise ValueError(f"{sources[0].path}: no row is left; {builder.info.description}")
    return documents


def _sound_tables(source: DocumentSource, columns: Columns, bad: BadRows) -> Iterator[tuple[pa.Table, int]]:
    """Yield the rows that can be used, and how many were read for them."""
    file = None if source.vectors is None else open_vectors(source.vectors)
    start, width = 0, 0
    for rows in document_rows(source, columns):
        faults = dict.fromkeys(np.flatnonzero(_empty(rows.texts)).tolist(), "its text is empty")
        vectors = None
        if file is not None and start < file.count:
            vectors = _padded(np.asarray(file.rows(start, start + len(rows.texts))), len(rows.texts))
        elif rows.vectors is not None:
            width = width or _width_of(rows.vectors)
            vectors, found = _column(source.path, rows, width)
            faults |= found
        if vectors is not None:
            faults |= {place: why for place, why in vector_faults(vectors).items() if place not in faults}
        faults |= rows.faults
        for place in sorted(faults):
            bad.skip(rows.numbers[place], faults[place])
        kept = np.setdiff1d(np.arange(len(rows.texts)), list(faults))
        made = {name: column.take(pa.array(kept)) for name, column in {"text": rows.texts, **rows.others}.items()}
        if vectors is not None:
            made["vector"] = column_of(vectors[kept])
        start += len(rows.texts)
        if file is None or start <= file.count:
            yield pa.table(made), len(rows.texts)
    if file is not None and start != file.count:
        raise ValueError(
            f"{source.path} has {start:,} texts and {file.path} {file.count:,} vectors: expected one vector a text, in the "
            "same order; was one of them cut, or does a text hold a line feed?"
        )


def _empty(texts: pa.Array) -> np.ndarray:
    return np.asarray(pc.equal(pc.utf8_length(pc.utf8_trim_whitespace(texts)), 0).fill_null(True))


def _padded(vectors_ND: np.ndarray, count: int) -> np.ndarray:
    """As float32, with rows of zeros where the vectors end before the texts do, which is told at the end."""
    with np.errstate(over="ignore"):
        vectors_ND = vectors_ND.astype(np.float32)
    return np.pad(vectors_ND, ((0, count - len(vectors_ND)), (0, 0)))


def _width_of(vectors: pa.Array) -> int:
    """The width of the first vector; 1 where all are missing."""
    widths = pc.list_value_length(vectors).drop_null()
    return int(widths[0].as_py()) or 1 if len(widths) else 1


def _column(path: str, rows: DocumentRows, width: int) -> tuple[np.ndarray, dict[int, str]]:
    """The vectors of a column as a matrix, and the rows that have none."""
    assert rows.vectors is not None
    matrix_ND, null_N, other = matrix_of(rows.vectors, width)
    if other:
        row, found = next(iter(other.items()))
        raise ValueError(
            f"{path}: vectors of different widths, {width} before row {rows.numbers[row]:,} and {found} there: they come from "
            "different models, or some were cut; keep those of one model"
        )
    return matrix_ND, dict.fromkeys(np.flatnonzero(null_N).tolist(), "it has no vector")


def _check_alike(first: tuple[str, int | None], now: tuple[str, int | None]) -> None:
    """Raise ValueError where sources have and have not vectors, or of different widths."""
    if first[1] == now[1]:
        return
    said = [
        f"{path} has {'no vectors' if width is None else f'vectors of width {width}'}" for path, width in (first, now)
    ]
    raise ValueError(
        f"{said[0]}, and {said[1]}: expected all with vectors of one model, or all without; read the texts alone with vector=None"
    )


def _said(source: DocumentSource, bad: BadRows, total: int) -> str:
    left = bad.left_out
    count = f"{left.count:,} of {total:,} rows cannot be used"
    return f"{source.path}: {count}, {first_of(left.first)}; row {left.first[0]}: {left.reason}"
