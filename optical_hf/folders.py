"""A folder that replaces another as a whole: a reader finds the old one or the new one, after a kill too.

Where the system can let two folders change names at once (Linux), that is what happens. Elsewhere the parts are moved one by one,
and a save that was killed on the way is finished by the next `mend`.
"""

import ctypes
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from optical_hf.files import check_new_folder

# How far a folder beside its place has come: it is being written; it is whole, and what was there goes; that is gone, and its parts
# are moved. Without a mark it was exchanged, and holds what was there before.
MARKS = WRITING, CLEARING, PLACING = ".writing", ".clearing", ".placing"


@dataclass(frozen=True)
class WholeFolder:
    """A folder that is written as a whole.

    Args:
        path: of the folder; it need not exist.
        owned: whether a name at its top belongs to what is written, and goes when it is written anew. All else stays.
        opened_by: those of them that readers begin with: the first to go, in this order, and the last to come.
    """

    path: Path
    owned: Callable[[str], bool]
    opened_by: tuple[str, ...]

    def write(self, fill: Callable[[Path], object]) -> None:
        """Let `fill` write into an empty folder, flush it to the disk and put it in place.

        Raises:
            OSError: where it cannot be written; what was there before is as it was.
        """
        self.mend()
        place = self._place
        place.parent.mkdir(parents=True, exist_ok=True)
        beside = self._new_beside()
        with FileLock(beside / WRITING):
            try:
                fill(beside)
                flush(beside)
            except BaseException:
                _remove(beside)
                raise
            if _may_go(place) and (_renamed(beside, place) or exchange(beside, place)):
                if beside.exists():
                    self._bring_back(beside)
                (place / WRITING).unlink(missing_ok=True)
            else:
                os.rename(beside / WRITING, beside / CLEARING)
                self._move_in(beside)

    def mend(self) -> None:
        """Finish, or clear away, what saves that were killed left."""
        place = self._place
        for beside, inside in self._left_over():
            with suppress(Timeout, FileNotFoundError), _nobody_writes(beside, place):
                if (beside / CLEARING).exists() or (beside / PLACING).exists():
                    self._move_in(beside)
                elif inside or (beside / WRITING).exists():
                    _remove(beside)
                else:
                    self._bring_back(beside)
        if (place / WRITING).exists():
            with suppress(Timeout), _nobody_writes(place, place):
                (place / WRITING).unlink(missing_ok=True)

    @property
    def _place(self) -> Path:
        return Path(os.path.realpath(self.path))  # through a link, so that the link stays one

    def _left_over(self) -> list[tuple[Path, bool]]:
        place = self._place
        own = re.compile(rf"\.saving-{re.escape(place.name)}-[0-9a-f]{{8}}")
        beside = [path for path in _listed(place.parent) if own.fullmatch(path.name)]
        inside = [path for path in _listed(place) if path.name.startswith(".saving-")]
        return [*((path, False) for path in beside), *((path, True) for path in inside)]

    def _new_beside(self) -> Path:
        """A folder in the same file system; in the folder itself where that is all there is of it."""
        place = self._place
        name = f".saving-{place.name}-{secrets.token_hex(4)}"
        whole = not place.exists() or place.stat().st_dev == place.parent.stat().st_dev
        made = (place.parent if whole and os.access(place.parent, os.W_OK) else place) / name
        made.mkdir()
        if place.is_dir():
            shutil.copymode(place, made)
        return made

    def _rank(self, path: Path) -> int:
        return self.opened_by.index(path.name) if path.name in self.opened_by else len(self.opened_by)

    def _goes(self, path: Path) -> bool:
        return path.is_file() and self.owned(path.name)

    def _bring_back(self, beside: Path) -> None:
        """Give back what stays of the folder that was there before."""
        for left in beside.iterdir():
            if not self._goes(left):
                _give_back(left, self._place / left.name)
        _remove(beside)

    def _move_in(self, beside: Path) -> None:
        """Move the parts one by one; until the last one is there, nothing opens the folder."""
        place = self._place
        place.mkdir(exist_ok=True)
        if (beside / CLEARING).exists():
            for path in sorted(filter(self._goes, place.iterdir()), key=self._rank):
                path.unlink()
            os.rename(beside / CLEARING, beside / PLACING)
        parts = [part for part in beside.iterdir() if part.name != PLACING]
        for part in sorted(parts, key=self._rank, reverse=True):
            _move(part, place / part.name)
        flush(place, deep=False)
        _remove(beside)


def write_folder(path: str | os.PathLike[str], fill: Callable[[Path], object]) -> None:
    """Let `fill` write into an empty folder, and put it in place when it is whole.

    Args:
        path: of the folder; it must not exist, or be empty.
        fill: fills the folder at the path it is given.

    Raises:
        ValueError: something is in the folder.
        OSError: where it cannot be written; nothing is left then.
    """
    WholeFolder(check_new_folder(path), lambda name: True, ()).write(fill)


def _renamed(beside: Path, place: Path) -> bool:
    """Move to where nothing is, or an empty folder."""
    try:
        os.rename(beside, place)
    except OSError:
        return False
    return True


def exchange(one: Path, other: Path) -> bool:
    """Let two files or folders of one file system change names at once; False where the system cannot."""
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError, TypeError):
        return False
    here, change = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    return rename(here, os.fsencode(one), here, os.fsencode(other), change) == 0


def flush(folder: Path, deep: bool = True) -> None:
    """Have the disk hold what is in a folder, and its names."""
    for path in [*(folder.rglob("*") if deep else ()), folder]:
        if os.name == "posix" or path.is_file():  # only there a folder can be opened
            handle = os.open(path, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)


@contextmanager
def _nobody_writes(beside: Path, place: Path) -> Iterator[None]:
    """Hold the lock of a save, where it left one.

    Raises:
        Timeout: where it still goes on.
    """
    marks = [mark for mark in (*(beside / name for name in MARKS), place / WRITING) if mark.exists()]
    with FileLock(marks[0], timeout=0) if marks else nullcontext():
        yield


def _may_go(place: Path) -> bool:
    """Not a folder that this process works in: it, and its shell, would be left in one that is not there any more."""
    here = Path.cwd()
    return place != here and place not in here.parents


def _remove(beside: Path) -> None:
    """Remove a folder, its mark last."""
    for path in sorted(beside.iterdir(), key=lambda path: path.name in MARKS):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    beside.rmdir()


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _move(part: Path, place: Path) -> None:
    if part.is_dir():
        place.mkdir(exist_ok=True)
        for inner in part.iterdir():
            _move(inner, place / inner.name)
    else:
        os.replace(part, place)


def _give_back(left: Path, place: Path) -> None:
    if not os.path.lexists(place):
        os.rename(left, place)
    elif left.is_dir() and not left.is_symlink() and place.is_dir():
        for inner in left.iterdir():
            _give_back(inner, place / inner.name)
