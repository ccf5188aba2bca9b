"""Opens text and binary files, plain, compressed or inside a zip archive, and reads their lines one at a time.

A member of an archive is written as a path through it: `opus.zip/Tatoeba.en-so.so`. Lines
end at a line feed and nowhere else: `str.splitlines` also splits at U+2028 and friends, which would shift a
line-aligned corpus.
"""

import bz2
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import PurePath
from typing import Any, BinaryIO

import pyarrow as pa

from optical_hf.reading.bad_rows import BadRecord

LINE_LIMIT = 2**20
"""Bytes that one line may have; a file without line feeds would fill the memory."""
# What the system, the compressions, zip archives (an encrypted one: RuntimeError) and Arrow raise at damage.
_DAMAGE = (EOFError, zlib.error, zipfile.BadZipFile, lzma.LZMAError, RuntimeError, OSError, pa.ArrowException)
_OPENED: dict[str, Callable[[Any], Any]] = {
    ".gz": lambda raw: gzip.GzipFile(fileobj=raw),
    ".bz2": bz2.BZ2File,
    ".xz": lzma.LZMAFile,
    ".zst": lambda raw: io.BufferedReader(pa.CompressedInputStream(pa.PythonFile(raw, mode="r"), "zstd")),
}
COMPRESSIONS = tuple(_OPENED)
"""Suffixes of compressed files that are read as they are."""


def split_archive(path: str) -> tuple[str, str] | None:
    """Return archive and member of a path through a zip archive, or None for any other path.

    Example:
        >>> split_archive("data/opus.zip/corpus.en-so.so")
        ('data/opus.zip', 'corpus.en-so.so')
    """
    archive, dot_zip, member = path.partition(".zip/")
    return (archive + ".zip", member) if dot_zip else None


def archive_members(archive: str) -> list[str]:
    """Return the names of the files in a zip archive.

    Raises:
        ValueError: it is damaged, or no zip archive.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            return [name for name in opened.namelist() if not name.endswith("/")]
    except zipfile.BadZipFile as error:
        raise ValueError(f"{archive}: no readable zip archive ({error}); is the file complete?") from None


def name_parts(path: str) -> list[str]:
    """Return the dotted parts of a file name without its suffixes of compression.

    Example:
        >>> name_parts("data/train.de.gz")
        ['train', 'de']
    """
    name = PurePath(path).name
    while PurePath(name).suffix in COMPRESSIONS:
        name = name.removesuffix(PurePath(name).suffix)
    return name.split(".")


def open_binary(path: str) -> BinaryIO:
    """Open a file for reading bytes, through the zip archive and the compression that its name states."""
    inside = split_archive(path)
    raw: Any = zipfile.ZipFile(inside[0]).open(inside[1]) if inside else open(path, "rb")  # noqa: SIM115
    suffix = PurePath(path).suffix
    return _OPENED[suffix](raw) if suffix in _OPENED else raw


def lines_of(
    path: str, max_line_bytes: int = LINE_LIMIT, keep_ends: bool = False
) -> Iterator[tuple[int, str | BadRecord]]:
    """Yield line number (from 1) and line, without a byte order mark; no more than `max_line_bytes` of one are held.

    Args:
        path: the file.
        max_line_bytes: a longer line is a `BadRecord`, and passed over piece by piece.
        keep_ends: keep the line feed at the end, and a carriage return before it.

    Raises:
        ValueError: the file is empty, or cannot be read to its end; file and line are named.
    """
    number = 0
    with named_damage(lambda: f"{path}:{number + 1}"), open_binary(path) as file:
        while raw := file.readline(max_line_bytes + 2):  # and a carriage return and a line feed
            number += 1
            if len(raw.removesuffix(b"\n").removesuffix(b"\r")) > max_line_bytes:
                yield number, BadRecord(too_long(max_line_bytes), path)
                while raw and not raw.endswith(b"\n"):
                    raw = file.readline(max_line_bytes)
                continue
            try:
                line = raw.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                reason = f"not UTF-8 ({error.reason} at byte {error.start} of the line)"
                yield number, BadRecord(f"{reason}; convert it first, for example with iconv -t utf-8", path)
                continue
            yield number, line if keep_ends else line.removesuffix("\n").removesuffix("\r")
    if number == 0:
        raise ValueError(f"{path}: the file is empty, expected at least one line")


def read_lines(path: str, max_line_bytes: int = LINE_LIMIT) -> Iterator[tuple[int, str]]:
    """Yield line number (from 1) and line, without its ending and without a byte order mark.

    Raises:
        ValueError: the file is empty, a line is too long or not UTF-8, or the compression is damaged; file and line are
            named.
    """
    for number, line in lines_of(path, max_line_bytes):
        if isinstance(line, BadRecord):
            raise ValueError(f"{path}:{number}: {line}")
        yield number, line


@contextmanager
def named_damage(where: Callable[[], str]) -> Iterator[None]:
    """Say in one line where a file cannot be read on.

    Raises:
        ValueError: for whatever the system, a compression or an archive raises, with the place that `where` names.
    """
    try:
        yield
    except _DAMAGE as error:
        advice = "" if isinstance(error, RuntimeError) else "; is the file complete?"
        raise ValueError(f"{where()}: cannot be read on from here ({first_line(error)}){advice}") from None


def first_line(error: BaseException) -> str:
    """The first line of an error, or its type where it says nothing."""
    return next(iter(str(error).splitlines()), type(error).__name__)


def too_long(max_line_bytes: int) -> str:
    """What is wrong with a line, a unit or a text above the bound."""
    return f"longer than {max_line_bytes:,} bytes, which max_line_bytes allows a line or a text"
