"""Bitext and collections from what a study file names. Readers are those of `optical_hf.data`; here they are only called."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from datasets import Dataset, concatenate_datasets

from optical_hf.data import RetrievalCollection, load_bitext
from optical_hf.data.collections import (
    caption_lines,
    captions_to_captions,
    load_afriqa,
    load_flores_documents,
    load_flores_sentences,
)
from optical_hf.stores import load_documents
from optical_hf.study.config.data_specs import Bitext, CollectionSpec, DocumentsSpec


def read_bitext(bitext: Bitext) -> Dataset:
    """All the bitext of a study as one table; rows that cannot be used are dropped and counted in the log."""
    return load_bitext({code: list(files) for code, files in bitext.items()}, on_bad_row="drop")


def read_documents(spec: DocumentsSpec) -> Dataset:
    """The documents of files; rows that cannot be used are dropped and counted in the log."""
    return load_documents(list(spec.files or ()), text=spec.text, vector=spec.vector, on_bad_row="drop")


def sample_bitext(rows: Dataset, size: int | None, seed: int) -> Dataset:
    """At most `size` pairs of each language, chosen at random; a larger size holds what a smaller one does.

    Example:
        >>> rows = Dataset.from_dict({"source": list("abcd"), "target": list("wxyz"), "language": ["de", "de", "de", "so"]})
        >>> sample_bitext(rows, 2, seed=0)["language"][:]
        ['de', 'de', 'so']
    """
    if size is None:
        return rows
    languages = np.array(rows["language"][:])
    chosen = []
    for code in dict.fromkeys(languages.tolist()):
        mine = np.flatnonzero(languages == code)
        order = np.random.default_rng([seed, *code.encode()]).permutation(mine)
        chosen.append(rows.select(np.sort(order[:size])))
    return concatenate_datasets(chosen)


def pairs_by_language(rows: Dataset) -> dict[str, int]:
    """How many pairs there are of each language."""
    codes, counts = np.unique(rows["language"][:], return_counts=True)
    return dict(zip(codes.tolist(), counts.tolist(), strict=True))


@dataclass(frozen=True)
class EvaluationSet:
    """A collection of a study: one `RetrievalCollection`, or one a language where each has documents of its own."""

    name: str
    parts: tuple[RetrievalCollection, ...]
    document_length: int | None = None

    @property
    def queries(self) -> list[str]:
        """The queries of all parts, as they were asked."""
        return [text for part in self.parts for text in part.queries["text"][:]]


def read_collections(specs: Sequence[CollectionSpec], reads: str | None = None) -> list[EvaluationSet]:
    """Read collections; where a column other than the query itself is read, only those that have it.

    Args:
        specs: what to read.
        reads: column that the queries must have: "english", "translation"; None needs no more than the query itself.

    Raises:
        ValueError: as the readers do, or when no collection has the column.
    """
    found = [EvaluationSet(spec.name, tuple(_parts(spec)), spec.document_length) for spec in specs]
    if reads is None:
        return found
    fit = [entry for entry in found if all(reads in part.queries.column_names for part in entry.parts)]
    if not fit:
        raise ValueError(f"none of the collections {', '.join(spec.name for spec in specs)} has a column {reads!r}")
    return fit


def _parts(spec: CollectionSpec) -> list[RetrievalCollection]:
    one_file = {code: files for code, files in spec.queries.items() if isinstance(files, str)}
    if spec.kind != "captions" and len(one_file) < len(spec.queries):
        raise ValueError(f"{spec.name}: a collection of kind {spec.kind} has one file a language, not a list of files")
    if spec.kind == "bitext":
        parts = [RetrievalCollection.from_bitext(f"{spec.name} ({c})", file, c) for c, file in one_file.items()]
    else:
        parts = [_whole(spec, one_file)]
    return parts if spec.limit is None else [part.select(limit=spec.limit) for part in parts]


def _whole(spec: CollectionSpec, one_file: dict[str, str]) -> RetrievalCollection:
    if spec.kind == "captions":
        images, documents = spec.images or "", caption_lines(spec.images or "", *_listed(spec.documents))
        queries = {code: caption_lines(images, *_listed(files)) for code, files in spec.queries.items()}
        english = caption_lines(images, *_listed(spec.english)) if spec.english else None  # type: ignore[arg-type]
        return captions_to_captions(spec.name, queries, documents, english=english)
    if spec.kind == "afriqa":
        return load_afriqa(one_file, name=spec.name, on_bad_row="drop")
    document = _listed(spec.documents)[0]
    if spec.kind == "flores_sentences":
        return load_flores_sentences(one_file, document, metadata=spec.metadata, name=spec.name)
    if spec.kind == "flores_documents":
        return load_flores_documents(one_file, document, spec.metadata or "", name=spec.name)
    english_of = spec.english if isinstance(spec.english, dict) else {}
    lines = {code: (file, english_of[code]) if code in english_of else file for code, file in one_file.items()}
    return RetrievalCollection.from_lines(
        spec.name, lines, document, groups=spec.groups, translations=spec.translations
    )


def _listed(files: str | Sequence[str] | None) -> list[str]:
    return [files] if isinstance(files, str) else list(files or ())
