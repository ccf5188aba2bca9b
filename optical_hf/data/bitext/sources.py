"""Finds out what the user's bitext sources are: which format, which language, which column is English.

It looks at names, never into files. What a name does not say is an error that tells how to say it, as a wrong guess would
swap languages or columns without anybody noticing.
"""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import product
from pathlib import PurePath
from typing import Any, NamedTuple, cast

from optical_hf.data.bitext.pair_names import language_in_name, names_language, pair_in_name
from optical_hf.data.bitext.pairs import BitextFile, Columns, Format, code_of
from optical_hf.files import expand_name
from optical_hf.languages import canonical_language
from optical_hf.reading.line_files import COMPRESSIONS, archive_members, name_parts, split_archive
from optical_hf.source_code import code_stamp
from optical_hf.tables import check_table

_FORMATS: dict[str, Format] = {
    "tsv": "tsv", "csv": "csv", "tmx": "tmx", "jsonl": "jsonl", "ndjson": "jsonl", "json": "jsonl", "parquet": "parquet",
    "arrow": "arrow",
}  # fmt: skip
_ENGLISH_NAMES = ("en", "eng", "eng_Latn", "en_XX", "EN", "english", "en_US", "en_GB", "en_us", "en_gb")
_COLUMNS = re.compile(r"(.{2,}):([^:,/\\]+),([^:,/\\]+)")  # no part of C:\data\a,b.tsv
_STATED = re.compile(r"([A-Za-z]{2,3}(?:[_-][A-Za-z0-9]+)*)=(.+)")


class NamedSource(NamedTuple):
    """A source, with what was said of it.

    Attributes:
        language: canonical code of the foreign language, where it was stated.
        path: a path, a tuple of two paths, a `BitextFile`, or whatever object it was.
        columns: the foreign and the English column, where they were stated.
    """

    language: str | None
    path: Any
    columns: Columns | None = None


def resolve_sources(sources: Any, language: str | None = None) -> Iterator[NamedSource]:
    """Flatten what a user may pass as sources.

    Args:
        sources: a source, a list of sources, or a mapping from language to a source, a list of sources or a tuple
            (path of the foreign file, path of the English file); a string may state its language and its columns,
            `"mr=path.tsv.gz:2,1"`.
        language: canonical code of the foreign language where it was stated.

    Raises:
        ValueError: an unknown language code, no source at all, or several splits.
    """
    check_table(sources)
    if isinstance(sources, list | Mapping) and not sources:
        raise ValueError("no bitext sources were given: expected a path, a list of paths or a mapping {language: path}")
    if isinstance(sources, Mapping):
        for code, value in sources.items():
            yield from resolve_sources(value, canonical_language(code))
    elif isinstance(sources, list):
        for value in sources:
            yield from resolve_sources(value, language)
    elif isinstance(sources, NamedSource):
        yield sources
    elif isinstance(sources, tuple):
        yield NamedSource(language, tuple(expand_name(str(path)) for path in sources))
    elif isinstance(sources, str | os.PathLike):
        path = os.fspath(sources)
        stated = None if language or os.path.exists(path) else _STATED.fullmatch(path)
        if stated:
            language, path = canonical_language(stated[1]), stated[2]
        path, columns = split_columns(path)
        yield NamedSource(language, expand_name(path), columns)
    else:
        yield NamedSource(language, sources)


def split_columns(source: str) -> tuple[str, Columns | None]:
    """Take the columns off the end of a path that states them.

    Example:
        >>> split_columns("deu.txt:2,1"), split_columns("sw.csv:swahili,english"), split_columns("C:/data/a.tsv")
        (('deu.txt', (2, 1)), ('sw.csv', ('swahili', 'english')), ('C:/data/a.tsv', None))
    """
    stated = None if os.path.exists(source) else _COLUMNS.fullmatch(source)
    if stated is None:
        return source, None
    names = stated[2].strip(), stated[3].strip()
    numbers = all(name.isdecimal() for name in names)
    return stated[1], checked_columns(tuple(map(int, names)) if numbers else names)


def checked_columns(columns: Any) -> Columns:
    """Return the columns as they were given.

    Raises:
        ValueError: they are not two different numbers from 1 on or two different names.
    """
    pair = tuple(columns) if isinstance(columns, list | tuple) else ()
    numbers = [type(column) is int and column > 0 for column in pair]
    names = [isinstance(column, str) and bool(column) and not column.isdecimal() for column in pair]
    if len(pair) != 2 or not (all(numbers) or all(names)) or pair[0] == pair[1]:
        raise ValueError(
            f"columns are {columns!r}: expected the foreign and the English one, both as numbers from 1, such as (2, 1), "
            "for a file without a header, or both by their names in its first line"
        )
    return cast(Columns, pair)


def record_columns(path: str, columns: Columns | None) -> Columns | None:
    """The columns of a table, or of a file of records, as they were given.

    Raises:
        ValueError: they are numbers, and records have names.
    """
    if columns is not None and isinstance(columns[0], int):
        raise ValueError(
            f"{path}: columns {columns} were given by number, which only TSV and CSV files have; give their names, such as "
            "question,question_pivot"
        )
    return columns


def bitext_files(path: Any, language: str | None = None, columns: Columns | None = None) -> list[BitextFile]:
    """Find out what a file holds from its name.

    Args:
        path: a file, or (foreign file, English file); a zip archive stands for all the bitext in it.
        language: canonical code of the foreign language where it was stated.
        columns: the foreign and the English column where they were stated.

    Returns:
        One `BitextFile`, or several for a zip archive.

    Raises:
        ValueError: the file is missing, or its name does not say enough.
    """
    if isinstance(path, BitextFile):
        return [path]
    if isinstance(path, str) and path.endswith(".zip"):
        return _archived(path, language, columns)
    if isinstance(path, tuple):
        file = _two_files(path, language)
    elif isinstance(path, str):
        file = _one_file(path, language, columns)
    else:
        raise ValueError(
            "expected a path, two paths (foreign, English), a Dataset or the id of one as a source of bitext, "
            f"got {type(path).__name__}"
        )
    if columns and not file.columns:
        raise ValueError(
            f"{file.path}: columns {columns} were given, but a file of this format has none; rename it, or leave them out"
        )
    return [replace(file, stamp=_stamp(file.path, *([file.english_path] if file.english_path else [])))]


def _two_files(paths: tuple[Any, ...], language: str | None) -> BitextFile:
    if len(paths) != 2:
        raise ValueError(f"expected a tuple (foreign file, English file), got {paths}")
    foreign, english = paths
    if language is None:
        raise ValueError(f"{foreign}: two line-aligned files need their language: {{'so': ({foreign!r}, {english!r})}}")
    return BitextFile(foreign, "moses", language, english)


def _one_file(path: str, language: str | None, columns: Columns | None) -> BitextFile:
    """Find out which format a file has, which language, and which columns hold what."""
    _stamp(path)
    parts = name_parts(path)
    form = _FORMATS.get(parts[-1].lower())
    pair = pair_in_name(PurePath(path).name)
    if form not in ("tsv", "csv") and not (parts[-1] in ("txt", "tab") and (columns or pair)):
        if form is None:
            return _moses(path, language, parts)
        named = None if form == "tmx" else record_columns(path, columns)
        return BitextFile(path, form, language or language_in_name(parts), columns=named)
    foreign, english_first = pair or (None, False)
    code = language or foreign
    if code is None:
        raise ValueError(
            f"{path}: the name does not say which languages the columns are in; name it like mar-eng.tsv "
            f"(Marathi first, then English) or state the foreign language: mr={path}"
        )
    if form == "csv" and columns is None:
        raise ValueError(
            f"{path}: say which columns hold the foreign text and the English: columns=('swahili', 'english') by the names in "
            f"the first line, or columns=(1, 2) for a file without a header; on the command line {code}={path}:1,2"
        )
    return BitextFile(path, form or "tsv", code, columns=columns, english_first=english_first)


def _moses(path: str, language: str | None, parts: list[str]) -> BitextFile:
    """Find the English file beside a foreign one: the same name with one dotted part replaced."""
    named = [(place, part) for place, part in enumerate(parts) if names_language(part)]
    for (place, part), english, suffix in product(reversed(named), _ENGLISH_NAMES, ("", *COMPRESSIONS)):
        name = ".".join([*parts[:place], english, *parts[place + 1 :]])
        beside = str(PurePath(path).with_name(name + suffix))
        if part != english and _exists(beside):
            return BitextFile(path, "moses", language or canonical_language(part), beside)
    if named:
        wanted = ".".join([*parts[: named[-1][0]], "en", *parts[named[-1][0] + 1 :]])
        raise ValueError(
            f"{path}: expected its English lines beside it in {wanted} (or {wanted}.gz), which is missing; "
            f"or give both: {{'{named[-1][1]}': (foreign file, English file)}}"
        )
    raise ValueError(
        f"{path}: cannot tell what this is; expected a name like x.tsv, x.de (with x.en beside it), x.tmx, x.jsonl, "
        "x.parquet, x.arrow or x.zip, plain or with .gz, .bz2, .xz or .zst"
    )


def _archived(path: str, language: str | None, columns: Columns | None) -> list[BitextFile]:
    """Find the bitext in a zip archive; what is not bitext (a licence, a README, scores) is passed over."""
    _stamp(path)
    members = archive_members(path)
    found = [
        file
        for member in members
        if _may_be_bitext(member)
        for file in bitext_files(f"{path}/{member}", language, columns)
    ]
    if not found:
        raise ValueError(f"{path}: no bitext among its files {members}")
    return found


def _may_be_bitext(member: str) -> bool:
    """Tell by the name: a format, columns of a pair, or foreign lines (`X.en-so.so`, but not `X.en-so.ids`)."""
    last = name_parts(member)[-1]
    pair = pair_in_name(PurePath(member).name)
    if last.lower() in _FORMATS or (last == "txt" and pair):
        return True
    return names_language(last) and code_of(last) != "en" and (pair is None or code_of(last) == pair[0])


def known_suffix(path: str) -> bool:
    """Return whether a name ends like a file of bitext: in a format, a compression or a language code."""
    last = name_parts(path)[-1]
    if last in (*_FORMATS, "txt", "zip") or path.endswith(COMPRESSIONS):
        return True
    return "." in PurePath(path).name and names_language(last)


def _exists(path: str) -> bool:
    archive, member = split_archive(path) or (path, None)
    return os.path.isfile(archive) and (member is None or member in archive_members(archive))


def _stamp(*paths: str) -> tuple[int, ...]:
    """Return sizes and modification times of files that must be there, and the code that reads them."""
    stamp = [code_stamp("data", "reading")]
    for path in paths:
        if not _exists(path):
            raise ValueError(f"{path}: no such file")
        state = os.stat((split_archive(path) or [path])[0])
        stamp += [state.st_size, state.st_mtime_ns]
    return tuple(stamp)
