"""Finds out what the user's bitext sources are: which format, which language, which column is English.

Knows nothing about reading them or about `datasets`. It looks at names, never into files: what a name does not say
is an error that tells how to say it, as a wrong guess would swap languages or columns without anybody noticing.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any

from optical_hf.data.readers import BitextFile, Format
from optical_hf.data.readers.files import COMPRESSIONS, archive_members, name_parts, split_archive
from optical_hf.data.readers.pairs import code_of
from optical_hf.files import expand_name
from optical_hf.languages import canonical_language

_FORMATS: dict[str, Format] = {
    "tsv": "tsv",
    "tmx": "tmx",
    "jsonl": "jsonl",
    "ndjson": "jsonl",
    "json": "jsonl",
    "parquet": "parquet",
    "arrow": "arrow",
}
_NO_LANGUAGES = frozenset({"bin", "bpe", "csv", "doc", "ids", "low", "raw", "tok", "tsv", "txt", "xml"})  # codes, too
_ENGLISH_NAMES = ("en", "eng", "eng_Latn", "en_XX", "EN", "english")
_CODE = r"[a-z]{2,3}(?:[_-][A-Z][A-Za-z]{1,3})?"
_PAIR = re.compile(rf"(?<![A-Za-z0-9])({_CODE})[-_]({_CODE})(?![A-Za-z0-9])")
_STATED = re.compile(r"([A-Za-z]{2,3}(?:[_-][A-Za-z0-9]+)*)=(.+)")


def resolve_sources(sources: Any) -> Iterator[tuple[str | None, Any]]:
    """Flatten what a user may pass as sources into (stated language, one source) pairs.

    Args:
        sources: a source, a list of sources, or a mapping from language to a source, a list of sources or a tuple
            (path of the foreign file, path of the English file); a string may state its language, `"mr=path.tsv.gz"`.

    Yields:
        The canonical code of the stated language or None, and a path, a tuple of two paths, or whatever object it was.

    Raises:
        ValueError: an unknown language code, or no source at all.
    """
    items: list[tuple[str | None, Any]]
    if isinstance(sources, Mapping):
        items = [(canonical_language(code), value) for code, value in sources.items()]
    elif isinstance(sources, list):
        items = [(None, value) for value in sources]
    else:
        items = [(None, sources)]
    if not items:
        raise ValueError("no bitext sources were given: expected a path, a list of paths or a mapping {language: path}")
    for language, value in items:
        if isinstance(value, Mapping):
            yield from resolve_sources(value)
            continue
        for source in value if isinstance(value, list) else [value]:
            path = os.fspath(source) if isinstance(source, os.PathLike) else source
            stated = _STATED.fullmatch(path) if isinstance(path, str) and not os.path.exists(path) else None
            if stated and language is None:
                yield canonical_language(stated[1]), expand_name(stated[2])
            else:
                yield language, _expanded(path)


def _expanded(source: Any) -> Any:
    """Paths with `~` and `$VARIABLE`s put in; a table as it is."""
    if isinstance(source, tuple):
        return tuple(map(_expanded, source))
    return expand_name(source) if isinstance(source, (str, os.PathLike)) else source


def bitext_files(path: str | tuple[Any, Any], language: str | None = None) -> list[BitextFile]:
    """Find out what a file holds from its name.

    Args:
        path: a file, or (foreign file, English file); a zip archive stands for all the bitext in it.
        language: canonical code of the foreign language where it was stated.

    Returns:
        One `BitextFile`, or several for a zip archive.

    Raises:
        ValueError: the file is missing, or its name does not say enough.
    """
    if isinstance(path, tuple):
        if len(path) != 2:
            raise ValueError(f"expected a tuple (foreign file, English file), got {path}")
        foreign, english = (os.fspath(part) for part in path)
        if language is None:
            raise ValueError(
                f"{foreign}: two line-aligned files need their language: {{'so': ({foreign!r}, {english!r})}}"
            )
        return [BitextFile(foreign, "moses", language, english, stamp=_stamp(foreign, english))]
    if path.endswith(".zip"):
        return _archived(path, language)
    stamp = _stamp(path)
    parts = name_parts(path)
    if (form := _FORMATS.get(parts[-1].lower())) and form != "tsv":
        return [BitextFile(path, form, language or _language_of(parts), stamp=stamp)]
    pair = pair_in_name(PurePath(path).name)
    if form == "tsv" or (parts[-1] == "txt" and pair):
        if pair is None and language is None:
            raise ValueError(
                f"{path}: the name does not say which languages the columns are in; name it like mar-eng.tsv "
                f"(Marathi first, then English) or state the language of the first column: mr={path}"
            )
        foreign, english_first = pair or (None, False)
        return [BitextFile(path, "tsv", language or foreign, english_first=english_first, stamp=stamp)]
    return [_moses(path, language, parts)]


def _moses(path: str, language: str | None, parts: list[str]) -> BitextFile:
    """Find the English file beside a foreign one: the same name with one dotted part replaced."""
    named = [(place, part) for place, part in enumerate(parts) if _known(part)]
    for place, part in reversed(named):
        for english in _ENGLISH_NAMES:
            name = ".".join([*parts[:place], english, *parts[place + 1 :]])
            for suffix in ("", *COMPRESSIONS):
                beside = str(PurePath(path).with_name(name + suffix))
                if part != english and _exists(beside):
                    found = language or canonical_language(part)
                    return BitextFile(path, "moses", found, beside, stamp=_stamp(path, beside))
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


def _archived(path: str, language: str | None) -> list[BitextFile]:
    """Find the bitext in a zip archive; what is not bitext (a licence, a README, scores) is passed over."""
    _stamp(path)
    members = archive_members(path)
    found = [bitext_files(f"{path}/{member}", language) for member in members if _may_be_bitext(member)]
    if not found:
        raise ValueError(f"{path}: no bitext among its files {members}")
    return [file for files in found for file in files]


def _may_be_bitext(member: str) -> bool:
    """Tell by the name: a format, columns of a pair, or foreign lines (`X.en-so.so`, but not `X.en-so.ids`)."""
    last = name_parts(member)[-1]
    pair = pair_in_name(PurePath(member).name)
    if last.lower() in _FORMATS or (last == "txt" and pair):
        return True
    return _known(last) and code_of(last) != "en" and (pair is None or code_of(last) == pair[0])


def pair_in_name(name: str) -> tuple[str, bool] | None:
    """Return foreign language and whether English comes first, where a name states a pair with English."""
    for match in _PAIR.finditer(name):
        first, second = match.groups()
        if _known(first) and _known(second):
            codes = canonical_language(first), canonical_language(second)
            if (codes[0] == "en") != (codes[1] == "en"):
                return (codes[1], True) if codes[0] == "en" else (codes[0], False)
    return None


def known_suffix(path: str) -> bool:
    """Return whether a name ends like a file of bitext: in a format, a compression or a language code."""
    last = name_parts(path)[-1]
    return (
        last in _FORMATS
        or last in ("txt", "zip")
        or path.endswith(COMPRESSIONS)
        or ("." in PurePath(path).name and _known(last))
    )


def _language_of(parts: Sequence[str]) -> str | None:
    """Return the language that a name of records states: by a pair, or by its last dotted part that is a code."""
    if pair := pair_in_name(".".join(parts)):
        return pair[0]
    codes = [canonical_language(part) for part in parts[1:-1] if _known(part)]
    return codes[-1] if codes and codes[-1] != "en" else None


def _known(part: str) -> bool:
    return part not in _NO_LANGUAGES and re.fullmatch(_CODE, part) is not None and code_of(part) is not None


def _exists(path: str) -> bool:
    inside = split_archive(path)
    if inside is None:
        return os.path.isfile(path)
    if not os.path.isfile(inside[0]):
        return False
    return inside[1] in archive_members(inside[0])


def _stamp(*paths: str) -> tuple[int, ...]:
    """Return sizes and modification times of files that must be there."""
    stamp: list[int] = []
    for path in paths:
        if not _exists(path):
            raise ValueError(f"{path}: no such file")
        inside = split_archive(path)
        state = os.stat(inside[0] if inside else path)
        stamp += [state.st_size, state.st_mtime_ns]
    return tuple(stamp)
