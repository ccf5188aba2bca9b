"""Opens text and binary files, plain, compressed or inside a zip archive, and reads their lines one at a time.

Knows nothing about bitext. A member of an archive is written as a path through it: `opus.zip/Tatoeba.en-so.so`. Lines
end at a line feed and nowhere else: `str.splitlines` also splits at U+2028 and friends, which would shift a
line-aligned corpus.
"""

import bz2
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import PurePath
from typing import IO, BinaryIO, cast

import pyarrow as pa

COMPRESSIONS = (".gz", ".bz2", ".xz", ".zst")
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
    raw: IO[bytes] = zipfile.ZipFile(inside[0]).open(inside[1]) if inside else open(path, "rb")  # noqa: SIM115
    match PurePath(path).suffix:
        case ".gz":
            raw = cast(IO[bytes], gzip.GzipFile(fileobj=raw))
        case ".bz2":
            raw = bz2.BZ2File(raw)
        case ".xz":
            raw = lzma.LZMAFile(raw)  # noqa: SIM115  the caller closes all of them
        case ".zst":
            raw = io.BufferedReader(pa.CompressedInputStream(pa.PythonFile(raw, mode="r"), "zstd"))
    return cast(BinaryIO, raw)


def read_lines(path: str) -> Iterator[tuple[int, str]]:
    """Yield line number (from 1) and line, without its ending and without a byte order mark.

    Raises:
        ValueError: the file is empty, is not UTF-8, or its compression is damaged; file and line are named.
    """
    number = 0
    try:
        with open_binary(path) as file:
            for raw in file:
                number += 1
                line = raw.decode("utf-8-sig" if number == 1 else "utf-8").removesuffix("\n").removesuffix("\r")
                yield number, line
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path}:{number}: not UTF-8 ({error.reason} at byte {error.start} of the line); "
            "convert it first, for example with iconv -t utf-8"
        ) from None
    except (EOFError, zlib.error, zipfile.BadZipFile, lzma.LZMAError, OSError) as error:
        raise ValueError(f"{path}:{number + 1}: cannot be read on from here ({error}); is the file complete?") from None
    if number == 0:
        raise ValueError(f"{path}: the file is empty, expected at least one line")
