"""Files by the image id in their name, from a folder, a zip archive or a tar archive.

Nothing is ever unpacked to disk, so names like `../../x` and links have no
power; a member larger than its limit is refused before it is read, so a small archive cannot fill the memory.
"""

import hashlib
import os
import tarfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import cached_property, partial
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import IO
from zipfile import BadZipFile, ZipFile

from optical_hf.source_code import code_stamp

TEXT_LIMIT = 4 << 20


class DamagedFileError(ValueError):
    """A file that is there and cannot be read as what it should be; a build may leave its image out."""


class Members(ABC):
    """Files of a folder or archive, looked up by the stem of their name.

    Args:
        location: the folder or archive.
        suffixes: which files count.
        limit: the most bytes that one of them may have.
        folder: only files directly in a folder of this name.
    """

    def __init__(self, location: Path, suffixes: tuple[str, ...], limit: int, folder: str | None = None) -> None:
        self.location, self.suffixes, self.limit, self.folder = location, suffixes, limit, folder

    @abstractmethod
    def _listed(self) -> Iterable[str]:
        """The names of the files."""

    @abstractmethod
    def _open(self, name: str) -> IO[bytes]:
        """The file of a name."""

    def get(self, key: str) -> bytes | None:
        """The content of the file of an id, or None where there is none."""
        return self._content(key) if key in self._names else None

    def walk(self, keys: Collection[str]) -> Iterator[tuple[str, Callable[[], bytes]]]:
        """Yield (id, what reads its content now) of those ids that there is a file for, in an order that suits the archive.

        Raises:
            ValueError: where the archive itself cannot be read on.
            DamagedFileError: from the reading of one file, so that the caller may go on with the next.
        """
        for key in keys:
            if key in self._names:
                yield key, partial(self._content, key)

    def where(self, key: str) -> str:
        """What messages call the file of an id."""
        return f"{self.location}/{self.folder + '/' if self.folder else ''}{key}{self.suffixes[0]}"

    @cached_property
    def _names(self) -> dict[str, str]:
        """The name of the file of each id."""
        found: dict[str, str] = {}
        for name in self._listed():
            if (key := self._key(name)) is not None:
                self._once(found, key, name)
        return found

    def _key(self, name: str) -> str | None:
        """The id that a member's name stands for; None for other files (`__MACOSX/._1.xml` among them)."""
        path = PurePosixPath(name)
        fits = path.suffix.lower() in self.suffixes and not path.name.startswith(".")
        return path.stem if fits and (self.folder is None or path.parent.name == self.folder) else None

    def _once(self, found: dict[str, str], key: str, name: str) -> None:
        """Note the file of an id, unless another one has it."""
        if found.setdefault(key, name) != name:
            raise ValueError(
                f"{self.location} has two files for the id {key}, {' and '.join(sorted((found[key], name)))}: which one is "
                "meant is not known. To fix this, take one of them out"
            )

    def _content(self, key: str) -> bytes:
        try:
            with self._open(self._names[key]) as file:
                return self._read(file, key)
        except (BadZipFile, RuntimeError, NotImplementedError) as error:  # damaged, encrypted, unknown compression
            raise DamagedFileError(f"{self.location}/{self._names[key]} cannot be read ({error})") from error

    def _read(self, file: IO[bytes], key: str) -> bytes:
        content = file.read(self.limit + 1)
        if len(content) > self.limit:
            raise ValueError(
                f"{self.where(key)} is larger than {self.limit:,} bytes: refused, it would fill the memory"
            )
        return content


class FolderMembers(Members):
    """Files of a folder."""

    def _listed(self) -> Iterable[str]:
        with os.scandir(self.location / (self.folder or "")) as entries:
            return [f"{self.folder or '.'}/{entry.name}" for entry in entries if entry.is_file()]

    def _open(self, name: str) -> IO[bytes]:
        return open(self.location / name, "rb")


class ZipMembers(Members):
    """Files of a zip archive."""

    @cached_property
    def _archive(self) -> ZipFile:
        return ZipFile(self.location)

    def _listed(self) -> Iterable[str]:
        return self._archive.namelist()

    def _open(self, name: str) -> IO[bytes]:
        return self._archive.open(name)


class TarMembers(Members):
    """Files of a tar archive, compressed or not: read once from front to back, in the archive's order."""

    def walk(self, keys: Collection[str]) -> Iterator[tuple[str, Callable[[], bytes]]]:
        """Yield (id, what gives its content) in the order of the archive."""
        wanted, given = set(keys), dict[str, str]()
        try:
            with tarfile.open(self.location, "r|*") as archive:
                for member in archive:
                    key = self._key(member.name)
                    if key in wanted and member.isfile() and (file := archive.extractfile(member)) is not None:
                        self._once(given, key, member.name)
                        content = self._read(file, key)
                        yield key, partial(bytes, content)  # of bytes that is no copy
        except (tarfile.TarError, EOFError, OSError) as error:
            raise ValueError(f"{self.location} cannot be read on ({error}); is the archive complete?") from error

    def _listed(self) -> Iterable[str]:
        with tarfile.open(self.location, "r|*") as archive:
            return [member.name for member in archive if member.isfile()]

    @cached_property
    def _contents(self) -> dict[str, bytes]:
        return {self._names[key]: read() for key, read in self.walk(self._names)}

    def _open(self, name: str) -> IO[bytes]:
        """One of all the files, which the first call reads: for small ones only."""
        return BytesIO(self._contents[name])


def open_members(
    location: str | os.PathLike[str], suffixes: tuple[str, ...], limit: int, folder: str | None = None
) -> Members:
    """Files of a folder or an archive, by what the location is; the arguments are those of `Members`.

    Args:
        location: a folder, a .zip file, or a .tar file (.tar.gz, .tgz, .tar.bz2, .tar.xz).
        suffixes: which files count.
        limit: the most bytes that one of them may have.
        folder: only files directly in a folder of this name.

    Raises:
        ValueError: when there is no such folder or archive.
    """
    path = Path(location)
    if path.is_dir() and (folder is None or (path / folder).is_dir()):
        return FolderMembers(path, suffixes, limit, folder)
    if path.is_file() and path.suffix == ".zip":
        return ZipMembers(path, suffixes, limit, folder)
    if path.is_file() and (".tar" in path.suffixes or path.suffix == ".tgz"):
        return TarMembers(path, suffixes, limit, folder)
    inside = f" with a folder {folder}" if folder else ""
    raise ValueError(f"expected a folder{inside}, a .zip or a .tar archive at {path}, there is none")


def stamp(path: Path) -> tuple[int, ...]:
    """What is made of a file or of a folder's files is known by: names, sizes and times, and the code that reads them."""
    files = sorted(entry for entry in path.rglob("*") if entry.is_file()) if path.is_dir() else [path]
    states = [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    digest = hashlib.blake2b(repr(states).encode("utf-8", "surrogateescape"), digest_size=7).digest()
    return len(files), int.from_bytes(digest, "big"), code_stamp("data", "reading")
