"""Readers of bitext, one function a format. Knows nothing about `datasets`."""

from collections.abc import Callable, Iterator

from optical_hf.data.bitext.bad_rows import BadRows
from optical_hf.data.bitext.bitext_records import read_arrow, read_jsonl, read_parquet
from optical_hf.data.bitext.lines import read_csv, read_moses, read_tsv
from optical_hf.data.bitext.pairs import BitextFile, Format, Pair
from optical_hf.data.bitext.tmx import read_tmx

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
