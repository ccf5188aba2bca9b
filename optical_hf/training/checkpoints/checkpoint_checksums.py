"""What the files of a student held when a checkpoint was written: a disk that lost power may keep their names and sizes alone.

Files of `torch.save` carry checksums of their own, safetensors files do not. Knows nothing about what else a checkpoint is.
"""

import json
from pathlib import Path

import xxhash

from optical_hf.files import write_text
from optical_hf.models.student_folder import student_folder

CHECKSUMS = "checksums.json"
BLOCK = 2**22


def write_checksums(checkpoint: Path) -> None:
    """Note what the files of the student in a checkpoint hold."""
    owned = student_folder(checkpoint).owned
    folders = [entry["path"] for entry in json.loads((checkpoint / "modules.json").read_text(encoding="utf-8"))]
    files = [path for path in checkpoint.iterdir() if path.is_file() and owned(path.name)]
    files += [path for name in folders if name for path in (checkpoint / name).rglob("*") if path.is_file()]
    sums = {path.relative_to(checkpoint).as_posix(): _checksum(path) for path in sorted(files)}
    write_text(checkpoint / CHECKSUMS, json.dumps(sums, indent=2) + "\n")


def other_content(checkpoint: Path) -> str | None:
    """The first file that is missing or does not hold what it held, as the end of a sentence; None also without checksums.

    A checkpoint of version 0.1 has none.
    """
    if not (checkpoint / CHECKSUMS).is_file():
        return None
    for name, written in json.loads((checkpoint / CHECKSUMS).read_text(encoding="utf-8")).items():
        if not (checkpoint / name).is_file():
            return f"it has no {name}"
        if _checksum(checkpoint / name) != written:
            return f"{name} does not hold what was written (its checksum differs)"
    return None


def _checksum(path: Path) -> str:
    found = xxhash.xxh3_128()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            found.update(block)
    return found.hexdigest()
