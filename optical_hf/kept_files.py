"""Which files on this machine hold texts or vectors of a user, and how they are removed: the caches of this package.

A cache is known by its layout and by what its files say of themselves, never by its name alone. Nothing else is touched. A link is
neither followed nor removed.
"""

import json
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple

import datasets
from safetensors import SafetensorError, safe_open

from optical_hf.files import expand_path
from optical_hf.tensor_files import CHECKSUM

Kind = Literal["table of texts", "vectors of texts", "tokens of texts"]
BUILDERS = ("bitext_builder", "document_builder")
"""Folders of the cache of `datasets` that this package fills."""
DIGEST = re.compile(r"[0-9a-f]{64}\.safetensors")
PIECE = re.compile(r"\d{12}\.safetensors")
IDENTITY, LOCK = "cache.json", "cache.lock"


class KeptFiles(NamedTuple):
    """A cache.

    Attributes:
        kind: what it holds.
        folder: where it is.
        files: that are its own, and no others of the folder.
        bytes: of all of them.
    """

    kind: Kind
    folder: Path
    files: tuple[Path, ...]
    bytes: int


def kept_files(folders: Iterable[str | Path] = (), *, tables: bool = True) -> list[KeptFiles]:
    """The caches of this package.

    Args:
        folders: that were given as `--cache`, `cache=`, `folder=` or to a token cache; searched with all that is in them.
        tables: list the tables that `load_bitext` and `load_documents` keep in the cache of `datasets` too.

    Raises:
        ValueError: a folder that does not exist, or is a link.
    """
    found = list(_tables(Path(datasets.config.HF_DATASETS_CACHE))) if tables else []
    for folder in folders:
        place = expand_path(folder)
        if place.is_symlink() or not place.is_dir():
            raise ValueError(f"{place}: expected a folder, and not a link to one")
        for inner, _, names in os.walk(place, followlinks=False):
            found += _caches_in(Path(inner), sorted(names))
    return sorted(found, key=lambda kept: str(kept.folder))


def remove_kept(kept: KeptFiles) -> None:
    """Remove the files of a cache, and its folder where nothing else is in it.

    Raises:
        OSError: what cannot be removed.
    """
    for file in kept.files:
        if not file.is_symlink():
            file.unlink(missing_ok=True)
    for folder in (kept.folder, *(kept.folder.parents[:1] if kept.kind == "table of texts" else ())):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def _tables(cache: Path) -> Iterator[KeptFiles]:
    for builder in BUILDERS:
        for info in sorted((cache / builder).glob("default-*/*/dataset_info.json")):
            folder = info.parent
            if _linked(folder, cache) or _said(info).get("builder_name") != builder:
                continue
            files = [path for path in folder.iterdir() if path.name == info.name or path.suffix == ".arrow"]
            yield _kept("table of texts", folder, files)


def _caches_in(folder: Path, names: list[str]) -> Iterator[KeptFiles]:
    files = [folder / name for name in names]
    if IDENTITY in names and {"weights", "tokenizer", "dtype"} <= set(_said(folder / IDENTITY)):
        shards = [file for file in files if DIGEST.fullmatch(file.name) and _metadata(file).get("key") == folder.name]
        yield _kept("tokens of texts", folder, [*shards, folder / IDENTITY, *(f for f in files if f.name == LOCK)])
        return
    vectors = [
        file for file in files if DIGEST.fullmatch(file.name) or (PIECE.fullmatch(file.name) and _named_so(folder))
    ]
    vectors = [file for file in vectors if CHECKSUM in _metadata(file)]
    if vectors:
        yield _kept("vectors of texts", folder, vectors)


def _named_so(folder: Path) -> bool:
    """Whether a folder is named as an encoding is: by a hash."""
    return re.fullmatch(r"[0-9a-f]{32}", folder.name) is not None


def _kept(kind: Kind, folder: Path, files: Iterable[Path]) -> KeptFiles:
    own = tuple(file for file in files if not file.is_symlink() and file.is_file())
    return KeptFiles(kind, folder, own, sum(file.stat().st_size for file in own))


def _linked(folder: Path, root: Path) -> bool:
    """Whether a folder is reached through a link below its root."""
    return any(part.is_symlink() for part in (folder, *folder.parents) if root in part.parents)


def _said(file: Path) -> dict[str, object]:
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def _metadata(file: Path) -> dict[str, str]:
    """What a file of tensors says of itself; nothing where it is no such file, or a link."""
    if file.is_symlink():
        return {}
    try:
        with safe_open(str(file), "pt") as opened:
            return opened.metadata() or {}
    except (SafetensorError, OSError):
        return {}
