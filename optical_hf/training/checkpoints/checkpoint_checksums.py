"""What the files of a checkpoint held when it was complete, so that one cut off or damaged is known from a whole one.

A kill leaves a checkpoint without some files; a disk that lost power may keep their names and sizes alone.
"""

import json
from pathlib import Path

import xxhash

from optical_hf.files import write_text
from optical_hf.folders import flush

CHECKSUMS = "checksums.json"
BLOCK = 2**22


def write_checksums(checkpoint: Path) -> None:
    """Flush a complete checkpoint to the disk, and note what each of its files holds."""
    flush(checkpoint)
    names = (path.relative_to(checkpoint) for path in sorted(checkpoint.rglob("*")) if path.is_file())
    kept = [name for name in names if not any(part.startswith(".") for part in name.parts)]
    sums = {name.as_posix(): _checksum(checkpoint / name) for name in kept}
    write_text(checkpoint / CHECKSUMS, json.dumps(sums, indent=2) + "\n")


def other_content(checkpoint: Path, skipped: tuple[str, ...] = ()) -> str | None:
    """The first file that is missing or does not hold what it held, as the end of a sentence.

    Args:
        checkpoint: the folder.
        skipped: how the names of files begin that do not matter.

    Returns:
        None where all files are as they were, and for a checkpoint without checksums, as version 0.1 wrote them.
    """
    if not (checkpoint / CHECKSUMS).is_file():
        return None
    try:
        sums = json.loads((checkpoint / CHECKSUMS).read_text(encoding="utf-8"))
    except ValueError:
        return f"{CHECKSUMS} is cut off or damaged"
    for name, written in sums.items():
        if name.startswith(skipped):
            continue
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
