"""What goes with what in the two languages of a file, learnt from its own pairs.

It needs no model and no knowledge of any language. Words are compared by their beginnings, as endings vary, and by pairs of
characters where words are not set apart. The tables are those of IBM Model 1 with an empty word (Brown et al. 1993, "The
Mathematics of Statistical Machine Translation", Computational Linguistics 19), in both directions.
"""

import unicodedata
from collections import Counter
from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np
import regex
from numpy.typing import NDArray
from scipy.sparse import csr_array

# Shape legend: N rows; U units of one side, W of the other; C all pairs of units that stand in one row.
_WORD = regex.compile(r"[\p{L}\p{M}\p{N}]+")
_UNSPACED = regex.compile(r"[\p{sc=Hani}\p{sc=Hira}\p{sc=Kana}\p{sc=Thai}\p{sc=Laoo}\p{sc=Khmr}\p{sc=Mymr}\p{sc=Tibt}]")
_STEM = 5  # letters of a word that are compared
_ROUNDS = 4
_EMPTY = 0.1  # how much of a sentence the empty word explains
_SMOOTHING = 1.0  # occurrences that a table gives to what it has not seen
_LEAST = 0.005  # what a table keeps
_CHUNK = 4_000
_MARKS = dict.fromkeys("?？؟፧՞", 1) | dict.fromkeys("!！", 2)
_CLOSING = " \"'”’»)）」』"


class Side(NamedTuple):
    """One side of a file.

    Attributes:
        units_NU: which row has which unit, as ones.
        names: the units, sorted.
        chance_U: share of each unit among all.
        numbers: the numbers in each row.
        mark_N: 1 where a row ends in a question mark, 2 where in an exclamation mark.
        length_N: log of the number of characters and ten more.
    """

    units_NU: csr_array
    names: list[str]
    chance_U: NDArray[np.float64]
    numbers: list[set[str]]
    mark_N: NDArray[np.int64]
    length_N: NDArray[np.float64]


def units(text: str) -> set[str]:
    """Return what is compared of a text: numbers, beginnings of words, pairs of characters.

    Example:
        >>> sorted(units("Kumi na 12 wanafunzi")), sorted(units("水很冷"))
        (['12', 'kumi', 'na', 'wanaf'], ['很冷', '水很'])
    """
    found: set[str] = set()
    for word in _WORD.findall(unicodedata.normalize("NFKC", text).casefold()):
        if word.isdecimal():
            found.add(word.lstrip("0") if word.isascii() else "".join(str(int(digit)) for digit in word).lstrip("0"))
        elif word[0] >= "\u0e00" and _UNSPACED.match(word):
            found.update(word[place : place + 2] for place in range(max(1, len(word) - 1)))
        else:
            found.add(word[:_STEM])
    return found


def side_of(texts: Sequence[str]) -> Side:
    """Return the side with these texts; a unit that stands in one row alone teaches nothing and is left out."""
    rows = [units(text) for text in texts]
    counts = Counter(unit for row in rows for unit in row)
    names = sorted(unit for unit, count in counts.items() if count > 1)
    units_NU = unit_matrix(rows, names)
    return Side(
        units_NU,
        names,
        np.bincount(units_NU.indices, minlength=len(names)) / max(1, units_NU.nnz),
        [{unit for unit in row if unit.isdecimal()} for row in rows],
        np.array([_MARKS.get(text.rstrip(_CLOSING)[-1:], 0) for text in texts]),
        np.log(np.array([len(text) + 10.0 for text in texts])),
    )


def unit_matrix(rows: Sequence[Collection[str]], names: Sequence[str]) -> csr_array:
    """Return which row has which of the named units (N, U), as ones."""
    number = {unit: place for place, unit in enumerate(names)}
    places = [[number[unit] for unit in row if unit in number] for row in rows]
    ends = np.cumsum([0, *map(len, places)])
    columns = np.fromiter((place for row in places for place in row), dtype=np.int32, count=int(ends[-1]))
    return csr_array((np.ones(len(columns), dtype=np.float32), columns, ends), shape=(len(rows), len(names)))


def translation_tables(english: Side, foreign: Side, rows: NDArray[np.int64]) -> tuple[csr_array, csr_array]:
    """Learn p(foreign unit | English unit) (U, W) and p(English unit | foreign unit) (W, U) from some rows."""
    left, right = english.units_NU[rows], foreign.units_NU[rows]
    left_N, right_N = np.diff(left.indptr), np.diff(right.indptr)
    row_C = np.repeat(np.arange(len(rows)), left_N * right_N)
    within_C = np.arange(len(row_C)) - np.repeat(np.cumsum(left_N * right_N) - left_N * right_N, left_N * right_N)
    behind_C, before_C = np.divmod(within_C, np.maximum(left_N, 1)[row_C])
    left_C, right_C = left.indptr[row_C] + before_C, right.indptr[row_C] + behind_C  # which unit of which row
    width = len(foreign.names)
    key_C = left.indices[left_C].astype(np.int64) * max(1, width) + right.indices[right_C]
    keys, kind_C = np.unique(key_C, return_inverse=True)
    from_K, to_K = np.divmod(keys, max(1, width))
    there = _maximised(kind_C, right_C, from_K, to_K, foreign.chance_U, left_N.repeat(right_N), right.indices)
    back = _maximised(kind_C, left_C, to_K, from_K, english.chance_U, right_N.repeat(left_N), left.indices)
    shape = len(english.names), width
    return _table(there, from_K, to_K, shape), _table(back, to_K, from_K, shape[::-1])


def _maximised(
    kind_C: NDArray, slot_C: NDArray, from_K: NDArray, to_K: NDArray, chance: NDArray, beside: NDArray, unit: NDArray
) -> NDArray[np.float64]:
    """Return p(to | from) for every pair of units that was seen (K,), by expectation maximisation.

    A slot is a unit of a row that is to be explained.
    """
    table_K, empty = np.ones(len(from_K)), _EMPTY * beside * chance[unit]
    for number in range(_ROUNDS):
        weight_C = table_K[kind_C]
        explained = np.bincount(slot_C, weight_C, minlength=len(unit)) + (empty if number else 0)
        count_K = np.bincount(kind_C, weight_C / explained[slot_C], minlength=len(from_K))
        total = np.bincount(from_K, count_K)
        table_K = (count_K + _SMOOTHING * chance[to_K]) / (total[from_K] + _SMOOTHING)
    return np.where(table_K > np.maximum(_LEAST, 3 * chance[to_K]), table_K, 0.0)


def _table(value_K: NDArray, from_K: NDArray, to_K: NDArray, shape: tuple[int, int]) -> csr_array:
    kept = np.flatnonzero(value_K)
    return csr_array((value_K[kept].astype(np.float32), (from_K[kept], to_K[kept])), shape=shape)


def explained(
    given: csr_array, table: csr_array, asked: Sequence[csr_array], chance: NDArray
) -> list[NDArray[np.float64]]:
    """Say how much likelier the units of some rows are as translations of the rows beside them than by themselves.

    Args:
        given: the rows that are translated (N, U).
        table: p(unit | given unit) (U, W).
        asked: rows of the other side (N, W), as often as wanted.
        chance: share of each unit of that side (W,).

    Returns:
        For each of `asked` (N, 3): the sum of log likelihood ratios, how many units are explained, how many there are.
    """
    found: list[list[NDArray[np.float64]]] = [[] for _ in asked]
    for start in range(0, given.shape[0], _CHUNK):
        part = given[start : start + _CHUNK]
        beside_N, expected = np.maximum(np.diff(part.indptr), 1), part @ table
        for side, answers in zip(asked, found, strict=True):
            rows = side[start : start + _CHUNK]
            met = rows.multiply(expected).tocsr()
            row = np.repeat(np.arange(rows.shape[0]), np.diff(met.indptr))
            gain = np.log((1 - _EMPTY) * met.data / beside_N[row] / chance[met.indices] + _EMPTY)
            count_N = np.diff(rows.indptr)
            total_N = np.bincount(row, gain - np.log(_EMPTY), minlength=len(count_N)) + count_N * np.log(_EMPTY)
            answers.append(np.stack([total_N, np.bincount(row, gain > 1, minlength=len(count_N)), count_N], axis=1))
    return [np.concatenate(answers) for answers in found]
