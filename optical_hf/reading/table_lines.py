"""Reads tables of text line by line: TSV and CSV, each row with the number of the line it begins in.

A row that cannot be read is a `BadRecord` in its place.
"""

import csv
from collections.abc import Iterator
from typing import TypeAlias

from optical_hf.reading.bad_rows import BadRecord
from optical_hf.reading.line_files import LINE_LIMIT, lines_of

Row: TypeAlias = "tuple[int, list[str] | BadRecord]"


def tsv_rows(path: str, max_line_bytes: int = LINE_LIMIT) -> Iterator[Row]:
    """Yield the rows of a file with tabs between its columns; a quote is a letter like any other."""
    for number, line in lines_of(path, max_line_bytes):
        yield number, line if isinstance(line, BadRecord) else line.split("\t")


def csv_rows(path: str, max_line_bytes: int = LINE_LIMIT) -> Iterator[Row]:
    """Yield the rows of a file with commas between its columns, quoted as RFC 4180 says."""
    fault: BadRecord | None = None

    def texts() -> Iterator[str]:
        nonlocal fault
        for _, line in lines_of(path, max_line_bytes, keep_ends=True):
            fault = line if isinstance(line, BadRecord) else fault
            yield "\n" if isinstance(line, BadRecord) else line

    reader = csv.reader(texts(), strict=True)
    while True:
        begin, fault = reader.line_num + 1, None
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            lines = f"lines {begin} to {reader.line_num}" if reader.line_num > begin else "the line"
            fault = BadRecord(f"not CSV ({error}), so {lines} cannot be read; is a quote not closed?")
            row = []
        yield begin, fault or row
