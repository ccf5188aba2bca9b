"""Reads bitext that is kept in lines: two columns with a tab between, or two files with one sentence a line (Moses).

Knows nothing about languages. Strict: a line that does not fit is an error with its number, as one line lost on one
side puts every later pair out of step and nothing in a training loss would show it.
"""

from collections.abc import Iterator
from itertools import zip_longest

from optical_hf.data.readers.files import read_lines
from optical_hf.data.readers.pairs import BitextFile, Pair


def read_tsv(file: BitextFile) -> Iterator[Pair]:
    """Yield the pairs of a file with exactly two columns."""
    for number, line in read_lines(file.path):
        columns = line.split("\t")
        if len(columns) != 2:
            raise ValueError(
                f"{file.path}:{number}: expected exactly two columns with a tab between them, got {len(columns)}; "
                "taking the first two might pair a sentence with an id or a score"
            )
        english, foreign = columns if file.english_first else reversed(columns)
        yield Pair(number, english, foreign)


def read_moses(file: BitextFile) -> Iterator[Pair]:
    """Yield the pairs of two files whose lines belong together."""
    assert file.english_path is not None
    for foreign, english in zip_longest(read_lines(file.path), read_lines(file.english_path)):
        if foreign is None or english is None:
            short, long = (file.path, file.english_path) if foreign is None else (file.english_path, file.path)
            number = (foreign or english)[0]
            raise ValueError(
                f"{short}:{number}: the file ends here but {long} goes on; line-aligned files must have equally many "
                "lines, and where they differ the pairs before the end may be out of step too"
            )
        yield Pair(english[0], english[1], foreign[1])
