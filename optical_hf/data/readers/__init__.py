"""Readers of bitext, one function a format. Knows nothing about `datasets`."""

from collections.abc import Callable, Iterator

from optical_hf.data.readers.bad_rows import BadRows
from optical_hf.data.readers.lines import read_csv, read_moses, read_tsv
from optical_hf.data.readers.pairs import BitextFile, Format, Pair
from optical_hf.data.readers.records import read_arrow, read_jsonl, read_parquet
from optical_hf.data.readers.tmx import read_tmx

__all__ = ["READERS", "BitextFile", "Format", "Pair"]

READERS: dict[Format, Callable[[BitextFile, BadRows], Iterator[Pair]]] = {
    "tsv": read_tsv,
    "csv": read_csv,
    "moses": read_moses,
    "tmx": read_tmx,
    "jsonl": read_jsonl,
    "parquet": read_parquet,
    "arrow": read_arrow,
}
"""The reader of each format."""
