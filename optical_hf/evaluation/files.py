"""Text files, written whole or not at all. Knows nothing about what is in them."""

from pathlib import Path


def write_text(path: Path, text: str) -> None:
    """Write beside, then rename: nobody reads half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".partial")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)
