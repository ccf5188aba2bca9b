"""Finds single pairs of a bitext whose sides do not translate each other, wherever they stand in the file.

Knows nothing about any language and needs no model. A file is compared with itself: its sides are put together at random, and a
logistic regression learns to tell its pairs from those. It reads how well each side explains the other by what the rest of
the file teaches (`quality_association`), lengths, numbers, names and question marks. Every pair is judged by tables learnt without
it, and so are the random ones; a wrong pair therefore looks like a random one. How many pairs look worse than the median
random pair says how many are wrong, and the share of wrong ones at each score says from where on a pair is rather wrong
than right.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.stats import beta

from optical_hf.data.quality.misalignment import BLOCK, MisalignedRun
from optical_hf.data.quality.quality_association import Side, explained, side_of, translation_tables, units

# Shape legend: N rows of a block, K features.
FEWEST = 500
"""Rows from which on a file teaches enough to judge its pairs."""
ALARM = 0.004
"""Share of wrong pairs that a file must exceed, with 97.5 % confidence, for any to be named. Clean files stay below."""
_FOLDS = 4  # a pair is judged by what the others teach
_RANDOM = 2  # random partners of each row
_LEARNT_FROM = 1_500_000  # pairs of units from which a table is learnt at most
_QUESTIONS, _EXCLAMATIONS, _CLOSING = frozenset("?？؟፧՞"), frozenset("!！"), " \"'”’»)）」』"


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
    if len(english) != len(foreign):
        raise ValueError(f"expected two sides of equal length, got {len(english)} and {len(foreign)} rows")
    if len(english) < FEWEST:
        raise ValueError(f"expected {FEWEST} pairs or more to learn from, got {len(english)}")
    judge = PairJudge()
    for pair in zip(english, foreign, strict=True):
        judge.add(*pair)
    found = judge.finish()
    assert found is not None
    return found


class PairJudge:
    """The same on rows that come one after the other, with no more than a block of them in memory.

    Args:
        runs: the runs of misalignment found so far; their rows are neither learnt from nor judged.
    """

    def __init__(self, runs: Callable[[], Sequence[MisalignedRun]] = tuple) -> None:
        self._runs = runs
        self._english: list[str] = []
        self._foreign: list[str] = []
        self._before = self._pairs = self._bad = 0
        self._expected = 0.0  # pairs that would count as bad if all were wrong
        self._rows: list[int] = []

    def add(self, english: str, foreign: str) -> None:
        """Take the next row."""
        self._english.append(english)
        self._foreign.append(foreign)
        if len(self._english) == BLOCK:
            self._judge()

    def finish(self) -> MismatchedPairs | None:
        """Return what was found; None where there was too little to learn from."""
        self._judge()
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

    def _judge(self) -> None:
        english, foreign, before = self._english, self._foreign, self._before
        self._english, self._foreign, self._before = [], [], before + len(english)
        slipped = np.zeros(len(english), dtype=bool)
        for run in self._runs():
            slipped[max(0, run.first - 1 - before) : max(0, run.last - before)] = True
        empty = np.array([not (one.strip() and other.strip()) for one, other in zip(english, foreign, strict=True)])
        rows = np.flatnonzero(~(slipped | empty)) if len(english) else np.zeros(0, dtype=int)
        if len(rows) < FEWEST:
            return
        pairs_N, random = _scores([english[row] for row in rows], [foreign[row] for row in rows])
        median = np.median(random)
        bad, expected = int((pairs_N <= median).sum()), len(rows) * float((random <= median).mean())
        self._pairs, self._bad, self._expected = self._pairs + len(rows), self._bad + bad, self._expected + expected
        self._rows += (rows[_rather_wrong(pairs_N, random, bad / expected)] + before + 1).tolist()


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
    block = _Block(english, foreign)
    generator = np.random.default_rng(0)
    fold_N = generator.permutation(len(english)) % _FOLDS
    pairs_NK, random_NK = np.zeros((len(english), _Block.FEATURES)), []
    for fold in range(_FOLDS):
        here, others = np.flatnonzero(fold_N == fold), generator.permutation(np.flatnonzero(fold_N != fold))
        partners = [here, *(generator.permutation(here) for _ in range(_RANDOM))]
        pairs_NK[here], *shuffled = block.features(here, partners, others)
        random_NK += shuffled
    every_NK = np.concatenate([pairs_NK, *random_NK])
    every_NK = (every_NK - every_NK.mean(axis=0)) / (every_NK.std(axis=0) + 1e-9)
    scores = _logistic(every_NK, np.arange(len(every_NK)) < len(english))
    return scores[: len(english)], scores[len(english) :]


class _Block:
    """Rows that are judged together."""

    FEATURES = 12

    def __init__(self, english: Sequence[str], foreign: Sequence[str]) -> None:
        words = [[units(text) for text in side] for side in (english, foreign)]
        self.english, self.foreign = map(side_of, words)
        common = sorted(
            {name for name in set(self.english.names) & set(self.foreign.names) if len(name) > 3 or name.isdecimal()}
        )
        self.shared = [_columns(side, common) for side in (self.english, self.foreign)]
        self.rarity = np.log(len(english) / np.maximum(1, np.asarray(self.shared[0].sum(axis=0)).ravel()))
        self.numbers = [[{unit for unit in row if unit.isdecimal()} for row in side] for side in words]
        self.mark_N, self.foreign_mark_N = (np.array([_mark(text) for text in side]) for side in (english, foreign))
        self.length_N, self.foreign_length_N = (
            np.log(np.array([len(text) + 10.0 for text in side])) for side in (english, foreign)
        )
        ratio_N = self.foreign_length_N - self.length_N
        self.ratio = np.median(ratio_N)
        self.spread = max(0.05, 1.5 * float(np.median(np.abs(ratio_N - self.ratio))))

    def features(self, here: NDArray, partners: list[NDArray], others: NDArray) -> list[NDArray[np.float64]]:
        """Return the features of rows with each list of partners (N, K), by tables that the other rows teach."""
        there_NU, back_NU = self.english.units_NU, self.foreign.units_NU
        weight = np.cumsum(np.diff(there_NU.indptr)[others].astype(np.int64) * np.diff(back_NU.indptr)[others])
        there, back = translation_tables(
            self.english, self.foreign, others[: np.searchsorted(weight, _LEARNT_FROM) + 1]
        )
        forward = explained(there_NU[here], there, [back_NU[other] for other in partners], self.foreign.chance_U)
        found = []
        for other, ahead in zip(partners, forward, strict=True):
            (behind,) = explained(back_NU[other], back, [there_NU[here]], self.english.chance_U)
            columns = []
            for total, met, count in (ahead.T, behind.T):
                count = np.maximum(count, 1)  # noqa: PLW2901
                columns += [total / count, total / np.sqrt(count), met / count]
            apart = np.abs(self.foreign_length_N[other] - self.length_N[here] - self.ratio) / self.spread
            common = np.asarray(self.shared[0][here].multiply(self.shared[1][other]) @ self.rarity).ravel()
            pairs = list(zip(here, other, strict=True))
            same = [len(self.numbers[0][one] & self.numbers[1][two]) for one, two in pairs]
            unlike = [len(self.numbers[0][one] ^ self.numbers[1][two]) for one, two in pairs]
            columns += [np.minimum(apart, 6), np.minimum(apart, 6) ** 2, np.minimum(common, 20)]
            columns += [np.minimum(same, 4), np.minimum(unlike, 4), self.mark_N[here] != self.foreign_mark_N[other]]
            found.append(np.stack(columns, axis=1))
        return found


def _columns(side: Side, names: list[str]) -> csr_array:
    place = {name: number for number, name in enumerate(side.names)}
    return side.units_NU[:, [place[name] for name in names]].tocsr()


def _mark(text: str) -> int:
    last = text.rstrip(_CLOSING)[-1:]
    return 1 if last in _QUESTIONS else 2 if last in _EXCLAMATIONS else 0


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
