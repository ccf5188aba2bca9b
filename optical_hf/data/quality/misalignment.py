"""Finds runs of rows in a bitext where one side has slipped against the other, and by how many rows.

It needs no lexicon, no model and no knowledge of any language. For every row i and every offset d it compares two
chances: that row i + d of the other side is the translation of row i, and that it is any row nearby. There are two
signals: the lengths (Gale and Church 1993, "A Program for Aligning Sentences in Bilingual Corpora") and what
translations leave as it is, numbers and the beginnings of names and loan words. How often such a token survives is
estimated on the file itself. The most likely path of offsets, with a price on every change, is found by the Viterbi
algorithm; one more state, "no offset fits", catches rows that have nothing to do with each other.
"""

import itertools
import re
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

from optical_hf.data.quality.word_association import unit_matrix

# Shape legend: N rows of a block, S states (an offset each, and one for "no offset fits"), V tokens.
_NEAR = range(-10, 11)  # offsets that are searched everywhere
_IN_PLACE = _NEAR.index(0)  # the state of rows that translate each other
_PENALTY = 20.0  # nats that a change of offset costs
_NEIGHBOURHOOD = 201  # rows over which the usual length and length ratio are taken
_LENGTH_SPREAD = 0.3  # standard deviation of the log length ratio of true translations
_LENGTH_LIMIT = 3.0  # nats: no single row may say more than this by its length,
_TOKEN_LIMITS = (-5.0, 15.0)  # or less or more than this by its tokens
_TOKEN = re.compile(r"[^\W\d_]+|\d+")
_STEM = 5  # letters of a word that are compared; words under 4 letters are not
_WIDE, _WIDE_ROWS = 1_000, 300  # how far, and with how many rows, a run that fits nowhere near is searched for
BLOCK = 50_000
"""Rows that are looked at together; the memory needed does not grow beyond it."""


class MisalignedRun(NamedTuple):
    """Rows `first` to `last` (from 1, both included) of a file whose sides have slipped.

    Attributes:
        first: first row of the run.
        last: last row of the run.
        offset: the translation of row r stands in row r + offset; None where no offset fits.
        evidence: mean of log P(rows as found) - log P(rows as they stand), in nats a row.
        origin: the file, where it is known.
        language: the language, where it is known.
    """

    first: int
    last: int
    offset: int | None
    evidence: float
    origin: str = ""
    language: str = ""

    def __str__(self) -> str:
        where = f"{self.origin}: " if self.origin else ""
        found = (
            "match no row nearby"
            if self.offset is None
            else f"have their translation {abs(self.offset)} row"
            f"{'s' * (abs(self.offset) > 1)} {'later' if self.offset > 0 else 'earlier'}"
        )
        return f"{where}rows {self.first}-{self.last} {found} ({self.evidence:.1f} nats a row)"


def find_misaligned_runs(english: Sequence[str], foreign: Sequence[str]) -> list[MisalignedRun]:
    """Find the runs of rows whose translations stand in other rows.

    Offsets up to ten rows are searched everywhere; a long run that fits none of them is searched for up to 1,000 rows away.
    A run is reported where it fits better than the rows as they stand by 40 nats. That is about four rows with names and
    numbers, or dozens of short ones without.

    Args:
        english: one side, in the order of the file.
        foreign: the other side, row for row.

    Returns:
        The runs, in order; none for a clean file.

    Raises:
        ValueError: the sides are not equally long.

    Example:
        >>> english = [f"In {year} the town had {year * 7 % 1013} houses." for year in range(1900, 1960)]
        >>> foreign = [line.replace("In", "Anno").replace("houses", "domus") for line in english]
        >>> find_misaligned_runs(english, foreign)
        []
        >>> slipped = foreign[:20] + foreign[21:40] + ["Nihil."] + foreign[40:]
        >>> [run[:3] for run in find_misaligned_runs(english, slipped)]
        [(21, 40, -1)]
    """
    check_sides(english, foreign)
    finder = RunFinder()
    for start in range(0, len(english), BLOCK):
        finder.add(english[start : start + BLOCK], foreign[start : start + BLOCK])
    return finder.runs


def check_sides(english: Sequence[str], foreign: Sequence[str]) -> None:
    """Raise ValueError where two sides are not equally long."""
    if len(english) != len(foreign):
        raise ValueError(f"expected two sides of equal length, got {len(english)} and {len(foreign)} rows")


class RunFinder:
    """The same search on a file that comes block by block.

    Attributes:
        runs: those found so far.
    """

    def __init__(self) -> None:
        self.runs: list[MisalignedRun] = []
        self._rows_before, self._state = 0, _IN_PLACE

    def add(self, english: Sequence[str], foreign: Sequence[str]) -> None:
        """Search the next rows, up to `BLOCK` of them."""
        found, self._state = _Block(english, foreign).runs(self._state)
        for run in found:
            moved = run._replace(first=run.first + self._rows_before, last=run.last + self._rows_before)
            before = self.runs[-1] if self.runs else None
            if before and before.last + 1 == moved.first and before.offset == moved.offset:
                moved = moved._replace(first=self.runs.pop().first)
            self.runs.append(moved)
        self._rows_before += len(english)


class _Block:
    """Rows that are searched together, with what is learnt of them."""

    def __init__(self, english: Sequence[str], foreign: Sequence[str]) -> None:
        self.rows = len(english)
        sides = [[_tokens(text) for text in side] for side in (english, foreign)]
        shared = sorted(set().union(*sides[0]) & set().union(*sides[1]))
        self.english_NV, self.foreign_NV = (unit_matrix(side, shared).astype(float) for side in sides)
        self.is_number_V = np.array([token.isdigit() for token in shared], dtype=bool)
        self.english_length_N, self.foreign_length_N = (
            np.log1p(np.array([len(text) for text in side], dtype=float)) for side in (english, foreign)
        )
        self.usual_ratio_N = _smooth(self.foreign_length_N - self.english_length_N)
        self.usual_length_N = _smooth(self.foreign_length_N)
        variance_N = _smooth(self.foreign_length_N**2) - self.usual_length_N**2
        self.length_spread_N = np.sqrt(np.maximum(variance_N, _LENGTH_SPREAD**2))

    def runs(self, state: int) -> tuple[list[MisalignedRun], int]:
        """Return the runs of this block and the state of its last row, given the state of the row before it."""
        path_N = np.full(self.rows, _IN_PLACE)
        for _ in range(2):  # what survives translation is estimated on the rows as they stand, then as they were found
            self._learn(path_N)
            scores_NS = np.stack([*map(self._scores, _NEAR), np.zeros(self.rows)], axis=1)
            path_N = _viterbi(scores_NS, state)
        runs: list[MisalignedRun] = []
        edges = [0, *(np.flatnonzero(np.diff(path_N)) + 1).tolist(), self.rows]
        for first, last in itertools.pairwise(edges):
            place = int(path_N[first])
            if place == _IN_PLACE:
                continue
            found = [(first, last, _NEAR[place])] if place < len(_NEAR) else self._far(first, last)
            for start, stop, offset in found:
                gain = scores_NS[start:stop, place].mean() - scores_NS[start:stop, _IN_PLACE].mean()
                runs.append(MisalignedRun(start + 1, stop, offset, float(gain)))
        return runs, int(path_N[-1])

    def _learn(self, path_N: NDArray) -> None:
        """Learn the log likelihood ratios of a token of row i being, and not being, in its translation (V,) each."""
        left, right = self._inside(np.flatnonzero(path_N < len(_NEAR)), path_N - _IN_PLACE)
        count_V = self.english_NV[left].sum(axis=0)
        kept_V = (self.english_NV[left] * self.foreign_NV[right]).sum(axis=0)
        chance_V = np.clip(self.foreign_NV.sum(axis=0) / self.rows, 0.5 / self.rows, 0.9)
        survival_V = np.empty_like(chance_V)
        for kind_V in (self.is_number_V, ~self.is_number_V):  # each kind has its own prior, worth two occurrences
            prior = (kept_V[kind_V].sum() + 1) / (count_V[kind_V].sum() + 2)
            survival_V[kind_V] = (kept_V[kind_V] + 2 * prior) / (count_V[kind_V] + 2)
        survival_V = np.clip(survival_V, chance_V, 0.95)
        self.surviving_V, self.missing_V = np.log(survival_V / chance_V), np.log((1 - survival_V) / (1 - chance_V))

    def _inside(self, left: NDArray, offset_N: NDArray) -> tuple[NDArray, NDArray]:
        """Return rows and the rows that far from them, where those are in the block."""
        right = left + offset_N[left]
        inside = (right >= 0) & (right < self.rows)
        return left[inside], right[inside]

    def _scores(self, offset: int, rows: slice = slice(None)) -> NDArray[np.float64]:
        """Return log P(row i + offset | translates row i) - log P(it | does not) of each row (N,), 0 past the ends."""
        scores_N = np.zeros(self.rows)
        left, right = self._inside(np.arange(self.rows)[rows], np.full(self.rows, offset))
        shared = (self.english_NV[left] * self.foreign_NV[right]) @ (self.surviving_V - self.missing_V)
        tokens = np.clip(self.english_NV[left] @ self.missing_V + shared, *_TOKEN_LIMITS)
        # Lengths: a normal around the usual ratio against the spread of the neighbourhood's lengths.
        length, spread = self.foreign_length_N[right], self.length_spread_N[right]
        error = (length - self.english_length_N[left] - self.usual_ratio_N[left]) / _LENGTH_SPREAD
        chance = (length - self.usual_length_N[right]) / spread
        ratio = 0.5 * (chance**2 - error**2) + np.log(spread / _LENGTH_SPREAD)
        scores_N[left] = np.clip(ratio, -_LENGTH_LIMIT, _LENGTH_LIMIT) + tokens
        return scores_N

    def _far(self, first: int, last: int) -> list[tuple[int, int, int | None]]:
        """Split a run that fits nowhere near into stretches that fit somewhere in this block, and what fits nowhere."""
        if first == last:
            return []
        rows = slice(first, min(last, first + _WIDE_ROWS))
        reach = range(max(-_WIDE, -first), min(_WIDE, self.rows - first) + 1)
        totals = [self._scores(offset, rows)[rows].sum() for offset in reach]
        best = int(np.argmax(totals))
        if totals[best] <= 2 * _PENALTY:
            return [(first, last, None)]
        scores = self._scores(reach[best], slice(first, last))[first:last]
        sums = np.cumsum(np.concatenate([[0.0], scores]))
        stop = int(np.argmax(sums - np.minimum.accumulate(sums)))  # the stretch with the largest sum
        start = int(np.argmin(sums[: stop + 1]))
        before: list[tuple[int, int, int | None]] = [(first, first + start, None)] if start else []
        return [*before, (first + start, first + stop, reach[best]), *self._far(first + stop, last)]


def _viterbi(scores_NS: NDArray, state: int) -> NDArray[np.int64]:
    """Return the path of states (N,) with the largest sum of scores less the price of every change."""
    rows, states = scores_NS.shape
    here_S = np.arange(states)
    best_S = np.where(here_S == state, 0.0, -_PENALTY) + scores_NS[0]
    came_NS = np.empty((rows, states), dtype=np.int32)
    for row in range(1, rows):
        top = int(best_S.argmax())
        changed = best_S[top] - _PENALTY
        came_NS[row] = np.where(best_S >= changed, here_S, top)
        best_S = np.maximum(best_S, changed) + scores_NS[row]
    path_N = np.empty(rows, dtype=np.int64)
    path_N[-1] = best_S.argmax()
    for row in range(rows - 1, 0, -1):
        path_N[row - 1] = came_NS[row, path_N[row]]
    return path_N


def _tokens(text: str) -> set[str]:
    """Return what a translation may leave as it is: numbers in ASCII digits, and the beginnings of words."""
    words = _TOKEN.findall(unicodedata.normalize("NFKC", text).lower())
    return {str(int(word)) if word.isdecimal() else word[:_STEM] for word in words if word.isdecimal() or len(word) > 3}


def _smooth(values_N: NDArray) -> NDArray[np.float64]:
    return uniform_filter1d(values_N, _NEIGHBOURHOOD, mode="reflect")
