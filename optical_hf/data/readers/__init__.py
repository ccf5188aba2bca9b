"""Readers of bitext, one function a format. Knows nothing about `datasets`."""

from collections.abc import Callable, Iterator

from optical_hf.data.readers.lines import read_moses, read_tsv
from optical_hf.data.readers.pairs import BitextFile, Format, Pair

__all__ = ["READERS", "BitextFile", "Format", "Pair"]

READERS: dict[Format, Callable[[BitextFile], Iterator[Pair]]] = {"tsv": read_tsv, "moses": read_moses}
"""The reader of each format."""
