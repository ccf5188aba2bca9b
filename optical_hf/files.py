"""Paths as users write them, and files that are written whole or not at all."""

import errno
import os
import re
import tempfile
import unicodedata
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path

import regex

RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
"""Names that Windows keeps for devices, whatever their ending."""
NAME_BYTES = 150
"""Most file systems take names of 255 bytes; endings and numbers come on top."""


def expand_path(path: str | os.PathLike[str]) -> Path:
    """The path with `~` and `$VARIABLE`s put in, as a shell would.

    Args:
        path: a file or a folder, as it stands in a configuration, on a command line or in a call.

    Raises:
        ValueError: a variable that is not set.

    Example:
        >>> os.environ["DATA"] = "/data"
        >>> expand_path("$DATA/train.de").as_posix()
        '/data/train.de'
    """
    stated = Path(path)
    if any(os.path.lexists(part) for part in (stated, *stated.parents) if "$" in part.name or part == stated):
        return stated  # a name may hold a dollar sign
    expanded = os.path.expanduser(os.path.expandvars(os.fspath(path)))
    if unset := re.search(r"\$(\w+|\{[^}]*\})", expanded):
        raise ValueError(
            f"the path {str(path)!r} names {unset[0]}, which is not set: set the variable, or write the path out"
        )
    return Path(expanded)


def expand_name(name: str | os.PathLike[str]) -> str:
    """A hub id as it stands, or a path with `~` and `$VARIABLE`s put in.

    Args:
        name: what may be either.

    Raises:
        ValueError: a variable that is not set.

    Example:
        >>> expand_name("intfloat/multilingual-e5-small")
        'intfloat/multilingual-e5-small'
    """
    text = os.fspath(name)
    return str(expand_path(text)) if text.startswith("~") or "$" in text else text


def file_names(titles: Sequence[str]) -> list[str]:
    """A file's name for each title, without an ending: letters of any script stay, and no two names meet on any file system.

    Args:
        titles: what the files are about; equal ones, and such as differ in case or signs alone, get a number.

    Example:
        >>> file_names(["late MiniLM", "late-minilm", "学生", "../con?", "CON"])
        ['late-MiniLM', 'late-minilm-2', '学生', '_con', '_CON-2']
    """
    names: list[str] = []
    taken: set[str] = set()
    for title in titles:
        name = regex.sub(r"[^\p{L}\p{M}\p{N}_.]+", "-", unicodedata.normalize("NFC", title))
        name = name.encode()[:NAME_BYTES].decode(errors="ignore").strip("-.") or "untitled"
        name = f"_{name}" if RESERVED.fullmatch(name) else name
        numbered = (name if number == 1 else f"{name}-{number}" for number in count(1))
        names.append(next(one for one in numbered if _as_compared(one) not in taken))
        taken.add(_as_compared(names[-1]))
    return names


def _as_compared(name: str) -> str:
    """What is left of a name for a file system that looks at neither case nor how a letter is composed."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


def check_file(path: str | os.PathLike[str]) -> Path:
    """The path of a file that will be written, after trying that it can be: before the work and not after it.

    Args:
        path: of the file; it and its folder need not exist, and neither is made.

    Returns:
        The path with `~` and variables put in.

    Raises:
        OSError: a folder is there, a file that may not be written, or no folder that can be made or written to.
    """
    place = Path(os.path.realpath(expand_path(path)))
    if place.is_dir():
        raise _not_written(path, errno.EISDIR)
    _try_folder(place.parent, path)
    if place.exists() and not os.access(place, os.W_OK):
        raise _not_written(path, errno.EACCES)
    return expand_path(path)


def check_folder(path: str | os.PathLike[str]) -> Path:
    """The path of a folder that will be written to, after trying that it can be: before the work and not after it.

    Args:
        path: of the folder; it need not exist, and is not made.

    Returns:
        The path with `~` and variables put in.

    Raises:
        OSError: a file is there, or no folder that can be made or written to.
    """
    _try_folder(Path(os.path.realpath(expand_path(path))), path)
    return expand_path(path)


def check_new_folder(path: str | os.PathLike[str]) -> Path:
    """As `check_folder`, for a folder that must not be there yet, or hold nothing.

    Raises:
        ValueError: something is in it.
        OSError: as `check_folder`.
    """
    folder = check_folder(path)
    if folder.exists() and any(folder.iterdir()):
        raise ValueError(f"{str(folder)!r} is not an empty folder: name a new one, nothing is overwritten")
    return folder


def _try_folder(folder: Path, path: str | os.PathLike[str]) -> None:
    """Write into a folder, or into the one it would be made in."""
    while not folder.exists():
        folder = folder.parent
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise _not_written(path, error.errno or errno.EIO) from error


def _not_written(path: str | os.PathLike[str], number: int) -> OSError:
    return OSError(
        number,
        f"{os.strerror(number)}: {os.fspath(path)!r} cannot be written; nothing was done yet, name another place",
    )


def write_text(path: str | Path, text: str) -> None:
    """Write a text file whole or not at all: after a kill or on a full disk a reader finds the old one or the new one.

    Args:
        path: of the file; its folder is made where it is missing.
        text: all of it.

    Raises:
        OSError: where it cannot be written; a file that was there is as it was.
    """
    write_whole(path, lambda beside: beside.write_text(text, encoding="utf-8"))


def write_whole(path: str | Path, write: Callable[[Path], object]) -> None:
    """Let `write` make a file beside its place, flush it to the disk and move it there.

    Args:
        path: of the file; its folder is made where it is missing.
        write: writes the whole file at the path it is given.

    Raises:
        OSError: where it cannot be written; a file that was there is as it was.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> write_whole(folder / "numbers.bin", lambda beside: beside.write_bytes(bytes(3)))
        >>> [file.name for file in folder.iterdir()]
        ['numbers.bin']
    """
    path = Path(os.path.realpath(expand_path(path)))  # through a link, so that the link stays one
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        write(beside)
        with beside.open("rb+") as file:
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        if error.errno is None:
            raise
        message = f"{os.strerror(error.errno)}: {str(path)!r} was not written; what was there is as it was"
        raise OSError(error.errno, message) from error
    finally:
        beside.unlink(missing_ok=True)
