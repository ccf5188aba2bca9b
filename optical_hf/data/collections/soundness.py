"""What must hold of queries, documents and qrels before anything is measured on them.

One walk over the rules serves both uses. With on_bad_row="error" it stops at the first rule that is broken. With "drop" it
takes the offending rows out, logs how many each rule took, and returns what is left.
Works on the Arrow columns, so that nine million passages need no Python strings. Images are decoded once: one that is cut
off has a sound head, and would else end an evaluation on its way.
"""

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import NamedTuple
from weakref import WeakSet

import pyarrow as pa
import pyarrow.compute as pc
from datasets import Dataset, Image
from datasets.utils.tqdm import tqdm

from optical_hf.data.entities.entity_images import damage
from optical_hf.languages import canonical_language
from optical_hf.reading.bad_rows import OnBadRow, first_of
from optical_hf.tables import check_table

Qrels = Mapping[str, Mapping[str, int]]
logger = logging.getLogger(__name__)
_READABLE: WeakSet[Dataset] = WeakSet()  # a collection is checked again when it is cut down to a language

TO_FIX = 'To fix this, repair the files, or let RetrievalCollection.build(..., on_bad_row="drop") take them out.'


class Parts(NamedTuple):
    """The three parts of a collection."""

    queries: Dataset
    documents: Dataset
    qrels: Qrels


def column(dataset: Dataset, name: str) -> pa.ChunkedArray:
    """A column as Arrow, in the order of the dataset."""
    return dataset.select_columns(name).with_format("arrow")[:][name]


def sound_part(parts: Parts, relevant_grade: int, on_bad_row: OnBadRow) -> Parts:
    """Return the part of a collection in which every rule holds.

    Rules, in this order: ids are unique; texts are not empty; images can be decoded; qrels name known queries and known
    documents; every query has a document of grade `relevant_grade` or more.

    Args:
        parts: queries, documents and qrels.
        relevant_grade: the least grade that counts as relevant.
        on_bad_row: "error" raises at the first broken rule; "drop" logs a warning for each and takes the rows out.

    Raises:
        ValueError: with the number of offenders and the first of them, where on_bad_row is "error"; and where nothing is
            left.
    """
    report = _raise if on_bad_row == "error" else logger.warning
    documents = _sound_rows(parts.documents, "document", report)
    queries = _sound_rows(parts.queries, "query", report)
    qrels = _sound_qrels(parts.qrels, queries, documents, report)
    query_ids = column(queries, "id").to_pylist()
    keep = [i for i, key in enumerate(query_ids) if any(g >= relevant_grade for g in qrels.get(key, {}).values())]
    if len(keep) < len(query_ids):
        kept = set(keep)
        unanswered = first_of(key for i, key in enumerate(query_ids) if i not in kept)
        report(
            f"{len(query_ids) - len(keep)} of {len(query_ids)} queries have no relevant document (grade "
            f"{relevant_grade} or more), {unanswered}: they would count as failures of every system. {TO_FIX}"
        )
        queries = queries.select(keep)
        qrels = {query_ids[i]: qrels[query_ids[i]] for i in keep}
    if len(queries) == 0 or len(documents) == 0:
        raise ValueError(f"nothing to search: {len(queries)} queries and {len(documents)} documents are left")
    return Parts(queries, documents, qrels)


def check_columns(queries: Dataset, documents: Dataset) -> None:
    """Raise ValueError where a column is missing, an id is not a string, or a language is not in its canonical form."""
    columns = {"queries": (queries, ["id", "language", "group"]), "documents": (documents, ["id"])}
    for what, (dataset, required) in columns.items():
        check_table(dataset, what=what)
        missing = [name for name in required if name not in dataset.column_names]
        if not {"text", "image"} & set(dataset.column_names):
            missing.append("text (or image)")
        if missing:
            raise ValueError(
                f"{what} lack the columns {', '.join(missing)}; they have {', '.join(dataset.column_names)}"
            )
        for name in required:
            if dataset.features[name].dtype not in ("string", "large_string"):
                raise ValueError(
                    f"column {name!r} of the {what} is {dataset.features[name].dtype}, expected string: qrels are looked up "
                    f"by string and would match nothing. To fix this, cast_column({name!r}, Value('string'))"
                )
    for code in column(queries, "language").unique().to_pylist():
        canonical = canonical_language(code)
        if canonical != code:
            raise ValueError(
                f"language {code!r} of the queries is written {canonical!r} here; two spellings would be two rows"
            )


def _raise(message: str) -> None:
    raise ValueError(message)


def _sound_rows(dataset: Dataset, what: str, report: Callable[[str], object]) -> Dataset:
    ids = column(dataset, "id")
    keep = pa.chunked_array([pa.repeat(True, len(ids))])
    if len(ids.unique()) < len(ids):
        first_seen = pa.table({"id": ids, "row": pa.array(range(len(ids)))}).group_by("id").aggregate([("row", "min")])
        keep = pc.is_in(pa.array(range(len(ids))), value_set=first_seen["row_min"].combine_chunks())
        repeated = first_of(ids.filter(pc.invert(keep))[:3].to_pylist())
        report(f"{len(ids) - len(first_seen)} rows repeat a {what} id, {repeated}. {TO_FIX}")
    if "text" in dataset.column_names:
        # RE2's \s is ASCII only: \p{Z} adds the ideographic and the no-break space
        filled = pc.fill_null(pc.match_substring_regex(column(dataset, "text"), r"[^\s\p{Z}]"), False)
        if not pc.all(filled).as_py():
            empty = ids.filter(pc.invert(filled))
            report(f"{len(empty)} {what} texts are empty, {first_of(empty[:3].to_pylist())}. {TO_FIX}")
            keep = pc.and_(keep, filled)
    if damaged := _damaged_images(dataset):
        named = [ids[row].as_py() for row in damaged]
        why = f"{named[0]!r}: {next(iter(damaged.values()))}"
        report(f"{len(damaged)} of {len(ids)} {what} images cannot be read, {first_of(named)}; {why}. {TO_FIX}")
        keep = pc.and_(keep, pa.array([row not in damaged for row in range(len(ids))]))
    if not pc.all(keep).as_py():
        dataset = dataset.select(pc.indices_nonzero(keep).to_pylist())
    _READABLE.add(dataset)
    return dataset


def _damaged_images(dataset: Dataset) -> dict[int, str]:
    """Which rows have an image that cannot be decoded, and why."""
    feature = dataset.features.get("image")
    if not isinstance(feature, Image) or dataset in _READABLE:
        return {}
    stored = dataset.select_columns("image").cast_column("image", replace(feature, decode=False))
    reasons: list[str | None] = []
    with ThreadPoolExecutor() as pool, tqdm(total=len(stored), desc="Decoding images", delay=2) as bar:
        for batch in stored.iter(batch_size=64):
            reasons += pool.map(partial(damage, feature=replace(feature, decode=True)), batch["image"])
            bar.update(len(batch["image"]))
    return {row: why for row, why in enumerate(reasons) if why is not None}


def _sound_qrels(qrels: Qrels, queries: Dataset, documents: Dataset, report: Callable[[str], object]) -> Qrels:
    query_ids = set(column(queries, "id").to_pylist())
    unknown = [key for key in qrels if key not in query_ids]
    if unknown:
        report(f"the qrels name {len(unknown)} unknown queries, {first_of(unknown)}. {TO_FIX}")
        qrels = {key: grades for key, grades in qrels.items() if key in query_ids}
    named = pa.array(sorted({doc for grades in qrels.values() for doc in grades}), pa.string())
    ids = column(documents, "id").cast(pa.string())
    lost = set(named.filter(pc.invert(pc.is_in(named, value_set=ids))).to_pylist())
    if lost:
        where = next((key, doc) for key, grades in qrels.items() for doc in grades if doc in lost)
        report(
            f"the qrels name {len(lost)} unknown documents, the first is {where[1]!r} (query {where[0]!r}): what cannot be "
            f"found would lower every score. {TO_FIX}"
        )
        qrels = {key: {doc: g for doc, g in grades.items() if doc not in lost} for key, grades in qrels.items()}
    return qrels
