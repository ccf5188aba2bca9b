"""Finds single pairs of a bitext whose sides do not translate each other, wherever they stand in the file.

It needs no model and no knowledge of any language. A file is compared with itself: its sides are put together at random, and a
logistic regression learns to tell its pairs from those. It reads how well each side explains the other by what the rest of
the file teaches (`word_association`), lengths, numbers, names and question marks. Every pair is judged by tables learnt without
it, and so are the random ones; a wrong pair therefore looks like a random one. How many pairs look worse than the median
random pair says how many are wrong, and the share of wrong ones at each score says from where on a pair is rather wrong
than right.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.stats import beta

from optical_hf.data.quality.misalignment import BLOCK, MisalignedRun, check_sides
from optical_hf.data.quality.word_association import Side, explained, side_of, translation_tables

# Shape legend: N rows of a block, K features.
FEWEST = 500
"""Rows from which on a file teaches enough to judge its pairs."""
ALARM = 0.004
"""Share of wrong pairs that a file must exceed, with 97.5 % confidence, for any to be named. Clean files stay below."""
_FOLDS = 4  # a pair is judged by what the others teach
_RANDOM = 2  # random partners of each row
_LEARNT_FROM = 1_500_000  # pairs of units from which a table is learnt at most


class MismatchedPairs(NamedTuple):
    """How many pairs of a file look as if they had been put together at random.

    Attributes:
        pairs: pairs that were judged.
        share: estimated share of wrong pairs among them.
        low: lower end of its 95 % interval.
        high: upper end.
        rows: rows (from 1) that are rather wrong than right; none where `low` is not above `ALARM`.
        origin: the file, where it is known.
        language: the language, where it is known.
    """

    pairs: int
    share: float
    low: float
    high: float
    rows: tuple[int, ...]
    origin: str = ""
    language: str = ""

    def __str__(self) -> str:
        where = f"{self.origin}: " if self.origin else ""
        first = ", ".join(map(str, self.rows[:3])) + (", ..." if len(self.rows) > 3 else "")
        return (
            f"{where}about {self.share:.1%} ({self.low:.1%} to {self.high:.1%}) of {self.pairs:,} pairs look put together at "
            f"random; {len(self.rows):,} can be named, rows {first}"
        )


def find_mismatched_pairs(english: Sequence[str], foreign: Sequence[str]) -> MismatchedPairs:
    """Find the single pairs whose sides do not translate each other.

    Args:
        english: one side, `FEWEST` rows or more.
        foreign: the other side, row for row.

    Returns:
        The estimated share of wrong pairs with its interval, and the rows that are rather wrong than right.

    Raises:
        ValueError: the sides are not equally long, or too short to learn from.

    Example:
        >>> pairs = [(f"In {year} there were {year * 7 % 1013} houses.", f"Anno {year} domus {year * 7 % 1013}.")
        ...          for year in range(1000, 1900)]
        >>> english, foreign = map(list, zip(*pairs))
        >>> find_mismatched_pairs(english, foreign).rows
        ()
        >>> swapped = foreign[:]
        >>> swapped[100:200:5], swapped[700:800:5] = foreign[700:800:5], foreign[100:200:5]
        >>> 30 < len(find_mismatched_pairs(english, swapped).rows) <= 40
        True
    """
    check_sides(english, foreign)
    if len(english) < FEWEST:
        raise ValueError(f"expected {FEWEST} pairs or more to learn from, got {len(english)}")
    judge = PairJudge()
    for start in range(0, len(english), BLOCK):
        judge.add(english[start : start + BLOCK], foreign[start : start + BLOCK])
    found = judge.found()
    assert found is not None
    return found


class PairJudge:
    """The same for a file that comes block by block."""

    def __init__(self) -> None:
        self._before = self._pairs = self._bad = 0
        self._expected = 0.0  # pairs that would count as bad if all were wrong
        self._rows: list[int] = []

    def add(self, english: Sequence[str], foreign: Sequence[str], runs: Sequence[MisalignedRun] = ()) -> None:
        """Judge the next rows, up to `BLOCK` of them; those of runs of misalignment are neither learnt from nor judged."""
        before, self._before = self._before, self._before + len(english)
        left_out = np.array([not (one.strip() and other.strip()) for one, other in zip(english, foreign, strict=True)])
        for run in runs:
            left_out[max(0, run.first - 1 - before) : max(0, run.last - before)] = True
        rows = np.flatnonzero(~left_out).tolist()
        if len(rows) < FEWEST:
            return
        pairs_N, random = _scores([english[row] for row in rows], [foreign[row] for row in rows])
        median = np.median(random)
        bad, expected = int((pairs_N <= median).sum()), len(rows) * float((random <= median).mean())
        self._pairs, self._bad, self._expected = self._pairs + len(rows), self._bad + bad, self._expected + expected
        self._rows += [rows[place] + before + 1 for place in _rather_wrong(pairs_N, random, bad / expected)]

    def found(self) -> MismatchedPairs | None:
        """Return what was found; None where there was too little to learn from."""
        if not self._pairs:
            return None
        good = self._pairs - self._bad
        interval = (
            beta.ppf(0.025, self._bad, good + 1) if self._bad else 0.0,  # Clopper and Pearson
            beta.ppf(0.975, self._bad + 1, good) if good else 1.0,
        )
        found = [self._bad / self._pairs, *interval]
        share, low, high = (min(1.0, float(part) * self._pairs / self._expected) for part in found)
        return MismatchedPairs(self._pairs, share, low, high, tuple(self._rows) if low > ALARM else ())


def _rather_wrong(pairs_N: NDArray, random: NDArray, share: float) -> NDArray[np.int64]:
    """Return the rows up to the score at which most that can be gained is gained, a right row lost counting as a wrong one."""
    order = np.argsort(pairs_N, kind="stable")
    scores_N = pairs_N[order]
    as_bad_N = np.searchsorted(scores_N, scores_N, side="right")
    chance_N = np.searchsorted(np.sort(random), scores_N, side="right") / len(random)
    gain_N = 2 * min(1.0, share) * len(order) * chance_N - as_bad_N
    best = int(gain_N.argmax())
    return np.sort(order[: as_bad_N[best]]) if gain_N[best] > 0 else order[:0]


def _scores(english: Sequence[str], foreign: Sequence[str]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return how much each pair looks like a pair (N,), and how much random ones do."""
    block = _Block(side_of(english), side_of(foreign))
    generator = np.random.default_rng(0)
    fold_N = generator.permutation(len(english)) % _FOLDS
    rows, pairs, random = [], [], []
    for fold in range(_FOLDS):
        here, others = np.flatnonzero(fold_N == fold), generator.permutation(np.flatnonzero(fold_N != fold))
        partners = [here, *(generator.permutation(here) for _ in range(_RANDOM))]
        found, *shuffled = block.features(here, partners, others)
        rows.append(here)
        pairs.append(found)
        random += shuffled
    every_NK = np.concatenate([np.concatenate(pairs)[np.argsort(np.concatenate(rows))], *random])
    every_NK = (every_NK - every_NK.mean(axis=0)) / (every_NK.std(axis=0) + 1e-9)
    scores = _logistic(every_NK, np.arange(len(every_NK)) < len(english))
    return scores[: len(english)], scores[len(english) :]


class _Block:
    """Rows that are judged together."""

    def __init__(self, english: Side, foreign: Side) -> None:
        self.english, self.foreign = english, foreign
        common = sorted(name for name in {*english.names} & {*foreign.names} if len(name) > 3 or name.isdecimal())
        self.shared = [_columns(side, common) for side in (english, foreign)]
        rows = len(english.length_N)
        self.rarity = np.log(rows / np.maximum(1, np.asarray(self.shared[0].sum(axis=0)).ravel()))
        ratio_N = foreign.length_N - english.length_N
        self.ratio = np.median(ratio_N)
        self.spread = max(0.05, 1.5 * float(np.median(np.abs(ratio_N - self.ratio))))

    def features(self, here: NDArray, partners: list[NDArray], others: NDArray) -> list[NDArray[np.float64]]:
        """Return the features of rows with each list of partners (N, K), by tables that the other rows teach."""
        english, foreign = self.english, self.foreign
        there_NU, back_NU = english.units_NU, foreign.units_NU
        weight = np.cumsum(np.diff(there_NU.indptr)[others].astype(np.int64) * np.diff(back_NU.indptr)[others])
        there, back = translation_tables(english, foreign, others[: np.searchsorted(weight, _LEARNT_FROM) + 1])
        forward = explained(there_NU[here], there, [back_NU[other] for other in partners], foreign.chance_U)
        found = []
        for other, ahead in zip(partners, forward, strict=True):
            (behind,) = explained(back_NU[other], back, [there_NU[here]], english.chance_U)
            columns = []
            for total, met, count in (ahead.T, behind.T):
                count = np.maximum(count, 1)  # noqa: PLW2901
                columns += [total / count, total / np.sqrt(count), met / count]
            apart = np.minimum(np.abs(foreign.length_N[other] - english.length_N[here] - self.ratio) / self.spread, 6)
            common = np.asarray(self.shared[0][here].multiply(self.shared[1][other]) @ self.rarity).ravel()
            numbers = [(english.numbers[one], foreign.numbers[two]) for one, two in zip(here, other, strict=True)]
            same, unlike = [len(one & two) for one, two in numbers], [len(one ^ two) for one, two in numbers]
            columns += [apart, apart**2, np.minimum(common, 20), np.minimum(same, 4), np.minimum(unlike, 4)]
            found.append(np.stack([*columns, english.mark_N[here] != foreign.mark_N[other]], axis=1))
        return found


def _columns(side: Side, names: list[str]) -> csr_array:
    place = {name: number for number, name in enumerate(side.names)}
    return side.units_NU[:, [place[name] for name in names]].tocsr()


def _logistic(features_NK: NDArray, is_pair_N: NDArray) -> NDArray[np.float64]:
    """Return the log odds of each row being a pair, fitted on the same rows by Newton's method."""
    inputs = np.column_stack([np.ones(len(features_NK)), features_NK])
    weights, penalty = np.zeros(inputs.shape[1]), np.diag([0.0] + [1.0] * features_NK.shape[1])
    for _ in range(25):
        chance_N = 1 / (1 + np.exp(-np.clip(inputs @ weights, -30, 30)))
        slope = inputs.T @ (is_pair_N - chance_N) - penalty @ weights
        curve = (inputs * (chance_N * (1 - chance_N))[:, None]).T @ inputs + penalty
        step = np.linalg.solve(curve, slope)
        weights += step
        if np.abs(step).max() < 1e-4:
            break
    return inputs @ weights
