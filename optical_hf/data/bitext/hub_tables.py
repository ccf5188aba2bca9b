"""Turns tables of `datasets` into bitext: those a program holds, folders on disk, and repositories of the hub.

A repository with one configuration a language pair (OPUS-100, NLLB, Tatoeba) is
read as the configurations that pair English with a wanted language.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import datasets
import pyarrow as pa
from datasets import Dataset, IterableDataset
from datasets.builder import InvalidConfigName
from datasets.exceptions import DatasetNotFoundError, DatasetsError

from optical_hf.data.bitext.bitext_records import pairs_of_record
from optical_hf.data.bitext.pair_names import pair_in_name
from optical_hf.data.bitext.pairs import BITEXT_FEATURES, BitextFile, OnBadPair, bitext_rows
from optical_hf.data.bitext.sources import NamedSource, known_suffix
from optical_hf.reading.bad_rows import BadRows
from optical_hf.reading.line_files import first_line
from optical_hf.source_code import code_stamp
from optical_hf.tables import check_table

_NOT_REACHED = (DatasetNotFoundError, ConnectionError, FileNotFoundError, InvalidConfigName)
_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+(:[\w.-]+)?")


def is_table(source: Any) -> bool:
    """Return whether a source is a table, a folder or the id of a repository rather than a file of bitext."""
    if not isinstance(source, str):
        return isinstance(source, Dataset | IterableDataset)
    if os.path.isdir(_place(source)[0]):
        return True
    return not os.path.exists(source) and bool(_REPOSITORY.fullmatch(source)) and not known_suffix(source)


def open_tables(
    named: NamedSource, wanted: tuple[str, ...] | None, split: str, streaming: bool
) -> Iterator[tuple[Any, BitextFile]]:
    """Yield the tables of a source, each with what is known of it.

    Raises:
        ValueError: the repository cannot be reached, it has no configuration of the wanted languages, or a streamed
            table was given and a table is wanted.
    """
    for table, language, origin in _opened(named.path, named.language, wanted, split, streaming):
        check_table(table, what=origin)
        if isinstance(table, IterableDataset) and not streaming:
            raise ValueError(f"{origin}: a streamed table was given; load it with streaming=True")
        found = table.to_iterable_dataset() if streaming and isinstance(table, Dataset) else table
        yield found, BitextFile(origin, "arrow", language, stamp=(code_stamp("data", "reading"),))


def _opened(
    source: Any, language: str | None, wanted: tuple[str, ...] | None, split: str, streaming: bool
) -> Iterator[tuple[Any, str | None, str]]:
    if not isinstance(source, str):
        yield source, language, str(source.info.dataset_name or "dataset")
    elif any(os.path.isfile(os.path.join(source, name)) for name in ("state.json", "dataset_dict.json")):
        yield _saved(source, split), language, source
    else:
        path, config = _place(source)
        for name in [config] if config else _configurations(path, language, wanted):
            pair = pair_in_name(name)
            with _named(source):
                table = datasets.load_dataset(path, name, split=split, streaming=streaming)
            yield table, language or (pair[0] if pair else None), path if name == "default" else f"{path}:{name}"


@contextmanager
def _named(source: str) -> Iterator[None]:
    """Say in one line what `datasets` could not do."""
    try:
        yield
    except (DatasetsError, pa.ArrowException, ValueError, OSError, InvalidConfigName) as error:
        reason = first_line(error.__cause__ or error)
        if isinstance(error, _NOT_REACHED) and not os.path.isdir(_place(source)[0]):
            raise ValueError(f"{source}: neither a file nor a data set that can be reached ({reason})") from None
        raise ValueError(f"{source}: cannot be read as one table ({reason}); give files of bitext one by one") from None


def _place(source: str) -> tuple[str, str]:
    """Split a folder or a repository from its configuration; a drive of Windows is none."""
    path, _, config = source.rpartition(":")
    return (source, "") if not path or os.path.isdir(source) else (path, config)


def _saved(folder: str, split: str) -> Dataset:
    """Open a folder of `save_to_disk`, with one table or several splits."""
    with _named(folder):
        saved = datasets.load_from_disk(folder)
    if isinstance(saved, Dataset):
        return saved
    if split not in saved:
        raise ValueError(f"{folder}: has no split {split!r}, only {', '.join(saved)}; choose one with split=")
    return saved[split]


def _configurations(path: str, language: str | None, wanted: tuple[str, ...] | None) -> list[str]:
    """Choose the configurations of a repository that pair English with the wanted languages."""
    with _named(path):
        names = datasets.get_dataset_config_names(path)
    if len(names) == 1:
        return names
    languages = (language,) if language else wanted
    pairs = {name: pair[0] for name in names if (pair := pair_in_name(name))}
    chosen = [name for name, code in pairs.items() if languages is not None and code in languages]
    if not chosen:
        raise ValueError(
            f"{path}: has {len(names)} configurations; say which, for example {path}:{next(iter(pairs or names))}, "
            f"or give languages= from {sorted(set(pairs.values()))}"
        )
    return chosen


def bitext_of_table(
    table: Any, file: BitextFile, wanted: tuple[str, ...] | None, on_bad_row: OnBadPair, num_proc: int | None
) -> Any:
    """Map a table with a `translation` column, or any other that `pairs_of_record` reads, to the columns of bitext."""
    streamed = isinstance(table, IterableDataset)

    def convert(batch: dict[str, list[Any]], numbers: list[int]) -> dict[str, list[str]]:
        bad = BadRows(file.path, on_bad_row)
        records = (dict(zip(batch, values, strict=True)) for values in zip(*batch.values(), strict=True))
        pairs = bad.reading(
            ((number + 1, record) for number, record in zip(numbers, records, strict=True)),
            lambda number, record: pairs_of_record(record, number, file),
        )
        rows = list(bitext_rows(pairs, file, wanted, bad, notes=not streamed))
        return {name: [row[name] for row in rows] for name in BITEXT_FEATURES}

    options = {} if streamed else {"num_proc": num_proc, "desc": f"Reading {file.path}"}
    return table.map(
        convert, batched=True, with_indices=True, remove_columns=table.column_names, features=BITEXT_FEATURES, **options
    )
