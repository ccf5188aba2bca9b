"""Finds out what the sources of documents are: which format each has, and which file holds its vectors.

It looks at names, never into files; a store is opened.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

import datasets
from datasets import Dataset

from optical_hf.files import expand_path
from optical_hf.reading.line_files import COMPRESSIONS, name_parts
from optical_hf.source_code import code_stamp
from optical_hf.stores.document_store import DocumentStore
from optical_hf.stores.documents.document_stores import opened_store, stamp_of
from optical_hf.stores.store_location import StoreLocation, is_store_url
from optical_hf.tables import check_table

Format = Literal["lines", "jsonl", "csv", "tsv", "parquet", "arrow", "lancedb", "table", "store"]
OneSource: TypeAlias = "str | os.PathLike[str] | tuple[str | os.PathLike[str], str | os.PathLike[str]] | Dataset"
Source: TypeAlias = "OneSource | Sequence[OneSource]"

FORMATS: dict[str, Format] = {
    "txt": "lines", "jsonl": "jsonl", "ndjson": "jsonl", "json": "jsonl", "csv": "csv", "tsv": "tsv", "parquet": "parquet",
    "arrow": "arrow",
}  # fmt: skip
VECTOR_ENDINGS = (".npy", ".faiss", ".index")
"""Files of vectors alone: an array, or an index of FAISS."""
WITHOUT_VECTORS = ("lines", "csv", "tsv")
"""Formats that hold no vectors: these may lie beside them."""
KNOWN = (
    "x.txt, x.jsonl, x.csv, x.tsv, x.parquet, x.arrow (plain, .gz, .bz2, .xz or .zst), a folder of save_to_disk or of LanceDB, the "
    "URL of a store"
)


@dataclass(frozen=True)
class DocumentSource:
    """One table of documents.

    Attributes:
        path: the file or folder; of a store its URL, without secrets; of a table in memory what to call it.
        format: how it is read.
        vectors: the file of its vectors, where they are not a column.
        stamp: what changes when the source does.
        text: the column of the texts, where a URL names it.
        vector: the column of the vectors, where a URL names it.
        table: the table, where a program holds it.
        store: the store, open until its rows are read.
    """

    path: str
    format: Format
    vectors: str | None = None
    stamp: tuple[Any, ...] = ()
    text: str | None = None
    vector: str | None = None
    table: Dataset | None = field(default=None, compare=False, repr=False)
    store: DocumentStore | None = field(default=None, compare=False, repr=False)


def resolve_documents(source: Source, text: str, wants_vectors: bool) -> list[DocumentSource]:
    """The sources one by one.

    Args:
        source: what `load_documents` takes.
        text: the column that a list of texts becomes.
        wants_vectors: look for files of vectors beside files of text.

    Raises:
        ValueError: no source, one that does not exist or whose name says no format, or vectors without texts.
    """
    found = list(_each(source, text, wants_vectors))
    if not found:
        raise ValueError("no documents were given: expected a file, a folder, a Dataset, or a list of them or of texts")
    return found


def _each(sources: Any, text: str, wants_vectors: bool) -> Iterator[DocumentSource]:
    """One source, the sources of a list, or a list of texts: one where no string names a file or a folder."""
    if not isinstance(sources, list):
        yield from _one(sources, wants_vectors)
        return
    strings = [one for one in sources if isinstance(one, str)]
    there = [
        one for one in strings if os.path.exists(one) or one.startswith("~") or _names_file(one) or is_store_url(one)
    ]
    if strings and len(strings) == len(sources) and not there:
        yield _of_table(Dataset.from_dict({text: sources}), "the list of texts")
        return
    if len(there) < len(strings):
        stray = next(one for one in strings if one not in set(there))
        raise ValueError(
            f"the list holds files and what is none, the first is {stray[:80]!r}: expected all files, or all texts"
        )
    for one in sources:
        yield from _one(one, wants_vectors)


def _names_file(text: str) -> bool:
    """Whether a string ends like a file of documents and has no space in it: a path that is mistyped, not a text."""
    return len(text.split()) == 1 and "." in text and (name_parts(text)[-1] in FORMATS or text.endswith(VECTOR_ENDINGS))


def _one(source: Any, wants_vectors: bool) -> Iterator[DocumentSource]:
    check_table(source, what="the documents")
    if isinstance(source, Dataset):
        yield _of_table(source, "the Dataset")
    elif isinstance(source, tuple):
        if len(source) != 2:
            raise ValueError(f"expected a tuple (texts, vectors), such as ('x.txt', 'x.npy'), got {len(source)} parts")
        texts, vectors = (expand_path(part) for part in source)
        if vectors.suffix not in VECTOR_ENDINGS:
            raise ValueError(
                f"{vectors}: expected vectors in a file named {', '.join('x' + e for e in VECTOR_ENDINGS)}"
            )
        yield _file(texts, vectors)
    elif is_store_url(source):
        yield from _store(StoreLocation.parse(source), wants_vectors)
    elif isinstance(source, str | os.PathLike):
        yield from _path(expand_path(source), wants_vectors)
    else:
        raise ValueError(
            f"expected a path, a tuple (texts, vectors), a Dataset or a list, got {type(source).__name__}; known are {KNOWN}"
        )


def _store(location: StoreLocation, wants_vectors: bool) -> Iterator[DocumentSource]:
    """The rows of a store, or the files that a URL of files names."""
    if location.scheme in ("faiss", "file"):
        path = Path(location.place)
        if location.scheme == "file":
            found = list(_path(path, wants_vectors))
        else:
            texts = location.options.get("texts")
            found = [_file(expand_path(texts) if texts else texts_beside(path), path if wants_vectors else None)]
        yield from (replace(one, text=location.text, vector=location.vector) for one in found)
    else:
        store = opened_store(location, wants_vectors)
        yield DocumentSource(str(location), "store", stamp=(*stamp_of(store), _code()), store=store)


def _path(path: Path, wants_vectors: bool) -> Iterator[DocumentSource]:
    if path.is_dir():
        yield from _folder(path, wants_vectors)
    elif path.suffix in VECTOR_ENDINGS:
        yield _file(texts_beside(path), path)
    else:
        found = _file(path, None)
        beside = _vectors_beside(path) if wants_vectors and found.format in WITHOUT_VECTORS else None
        yield _file(path, beside)


def _file(path: Path, vectors: Path | None) -> DocumentSource:
    for file in (path, vectors):
        if file is not None and not file.is_file():
            raise ValueError(f"{file}: no such file")
    known = FORMATS.get(name_parts(str(path))[-1].lower())
    if known is None:
        raise ValueError(f"{path}: its name says no format; known are {KNOWN}")
    files = [path] if vectors is None else [path, vectors]
    return DocumentSource(str(path), known, None if vectors is None else str(vectors), _stamp(files))


def _folder(folder: Path, wants_vectors: bool) -> Iterator[DocumentSource]:
    names = {path.name for path in folder.iterdir()}
    tables = sorted(path for path in folder.glob("*.lance") if path.is_dir())
    if "dataset_dict.json" in names:
        raise ValueError(f"{folder}: has several splits; name the folder of one of them")
    if "state.json" in names:
        yield _of_table(datasets.load_from_disk(str(folder)), str(folder))
    elif "_versions" in names:
        yield DocumentSource(str(folder), "lancedb", stamp=_stamp(sorted((folder / "_versions").iterdir())))
    elif len(tables) == 1:
        yield from _folder(tables[0], wants_vectors)
    elif tables:
        raise ValueError(
            f"{folder}: has several tables, {', '.join(path.name for path in tables)}; name the folder of one"
        )
    else:
        files = sorted(path for path in folder.iterdir() if name_parts(path.name)[-1].lower() in FORMATS)
        formats = {FORMATS[name_parts(path.name)[-1].lower()] for path in files}
        if len(formats) != 1:
            what = f"files of several formats ({', '.join(sorted(formats))})" if files else "no file of documents"
            raise ValueError(f"{folder}: has {what}; name the files one by one. Known are {KNOWN}")
        for file in files:
            yield from _path(file, wants_vectors)


def _of_table(table: Dataset, name: str) -> DocumentSource:
    return DocumentSource(name, "table", stamp=(table._fingerprint, _code()), table=table)


def texts_beside(vectors: Path) -> Path:
    """The one file of texts that lies beside a file of vectors, under its name.

    Raises:
        ValueError: there is none, or several.
    """
    stem = vectors.name.removesuffix(vectors.suffix)
    names = [f"{stem}.{ending}{packed}" for ending in FORMATS for packed in ("", *COMPRESSIONS)]
    found = [vectors.with_name(name) for name in names if vectors.with_name(name).is_file()]
    if len(found) != 1:
        what = "none" if not found else f"several: {', '.join(path.name for path in found)}"
        raise ValueError(
            f"{vectors}: holds vectors alone; expected their texts beside it, in {stem}.txt or the like, and found {what}. "
            f"Give both: ('texts.txt', {vectors.name!r})"
        )
    return found[0]


def _vectors_beside(texts: Path) -> Path | None:
    stem = ".".join(name_parts(texts.name)[:-1])
    found = [path for ending in VECTOR_ENDINGS if (path := texts.with_name(stem + ending)).is_file()]
    if len(found) > 1:
        raise ValueError(
            f"{texts}: several files of vectors lie beside it, {', '.join(path.name for path in found)}; say which: "
            f"({texts.name!r}, {found[0].name!r})"
        )
    return found[0] if found else None


def _stamp(files: Sequence[Path]) -> tuple[Any, ...]:
    states = [file.stat() for file in files]
    return (*(number for state in states for number in (state.st_size, state.st_mtime_ns)), _code())


def _code() -> int:
    return code_stamp("stores/documents", "reading")
