"""Goes over a bitext table once or twice and notes for every row which rules it breaks.

Knows nothing about reports or about dropping rows, which both start from what is found here. The first pass judges
every pair alone, in several processes if wanted; the second follows the files row by row, for runs of
misalignment, and has the detector look at a sample of texts. A few numbers a row stay in memory, never the texts.
"""

from array import array
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from datasets import Dataset, Features, IterableDataset, Value
from datasets.fingerprint import Hasher
from datasets.utils.tqdm import tqdm
from numpy.typing import NDArray

from optical_hf.bars import bars_shown
from optical_hf.data.bitext.bitext_rows import BITEXT_FEATURES
from optical_hf.data.quality.misalignment import MisalignedRun, RunFinder
from optical_hf.data.quality.mismatch import FEWEST, MismatchedPairs, PairJudge
from optical_hf.data.quality.quality_language import lingua_is_here, wrong_language
from optical_hf.data.quality.quality_rules import RULES, Rule, key, leak_keys, length_ratio, pair_rules
from optical_hf.source_code import code_stamp
from optical_hf.tables import UNKNOWN_LANGUAGE, check_table

# Shape legend: N rows of the table.
_BATCH = 1_000
_LENGTH_FACTOR = 3.0  # a length ratio this many times off the median of its language stands out
_NOTES = Features(
    {"language": Value("string"), "broken": Value("int32"), "ratio": Value("float32"), "key": Value("int64")}
)


@dataclass(frozen=True)
class Inspection:
    """What was found, row by row.

    Attributes:
        codes: the languages of the table.
        language_N: which of them each row is in.
        broken_N: for each row one bit a rule, in the order of `RULES`.
        runs: runs of misalignment, file by file.
        mismatches: how many single pairs look wrong, file by file.
        looked_at: number of pairs a language that the detector looked at.
        not_checked: why a rule was not checked, for all or for some languages.
    """

    codes: tuple[str, ...]
    language_N: NDArray[np.int64]
    broken_N: NDArray[np.int32]
    runs: tuple[MisalignedRun, ...]
    mismatches: tuple[MismatchedPairs, ...]
    looked_at: dict[str, int]
    not_checked: dict[Rule, str]

    def breaks(self, rule: Rule) -> NDArray[np.bool_]:
        """Return which rows break a rule (N,)."""
        return (self.broken_N & _bit(rule)) != 0


def inspect_bitext(
    bitext: Dataset | IterableDataset,
    rules: Collection[Rule] | None,
    evaluation: Any,
    language_rows: int | None,
    num_proc: int | None,
) -> Inspection:
    """Find which rows break which rules; the arguments are those of `bitext_quality`."""
    _check_arguments(bitext, rules)
    bitext = _completed(bitext)
    wanted = set(RULES if rules is None else rules)
    not_checked: dict[Rule, str] = {}
    if evaluation is None and "leak" in wanted:
        not_checked["leak"] = "no evaluation set was given"
        wanted.discard("leak")
    if rules is None and not lingua_is_here():
        not_checked["language"] = 'needs lingua: pip install "optical-hf[quality]"'
        wanted.discard("language")
    leaks = frozenset() if evaluation is None else _leaks_of(evaluation)
    code_N, broken_N, ratio_N, key_N = _first_pass(bitext, leaks, num_proc)
    codes, language_N = np.unique(code_N, return_inverse=True)
    if len(key_N):
        _, first = np.unique(key_N, return_index=True)
        repeated_N = np.ones(len(key_N), dtype=bool)
        repeated_N[first] = False
        empty_N = (broken_N & _bit("empty")) != 0
        broken_N[repeated_N & ~empty_N] |= _bit("duplicate")
        for place in range(len(codes)):
            here_N = (language_N == place) & ~empty_N
            middle = np.median(ratio_N[here_N]) if here_N.any() else 0.0
            broken_N[here_N & (np.abs(ratio_N - middle) > np.log(_LENGTH_FACTOR))] |= _bit("length")
    second = _SecondPass(
        bool({"misaligned", "mismatched"} & wanted),
        _sample(codes, language_N, language_rows) if "language" in wanted else None,
    )
    if second.needed:
        second.go_over(bitext, broken_N)
    if second.unknown:
        not_checked["language"] = f"the detector does not know {', '.join(sorted(second.unknown))}"
    if "mismatched" in wanted and not second.mismatches:
        not_checked["mismatched"] = f"a file teaches enough from {FEWEST} pairs on"
    broken_N &= sum(_bit(rule) for rule in wanted)
    return Inspection(
        tuple(codes.tolist()),
        language_N,
        broken_N,
        tuple(second.runs) if "misaligned" in wanted else (),
        tuple(second.mismatches),
        dict(second.looked_at),
        not_checked,
    )


def _check_arguments(bitext: Any, rules: Collection[Rule] | None) -> None:
    check_table(bitext, ["source", "target"])
    if isinstance(rules, str):
        raise ValueError(f"expected a list of rules, got the one string {rules!r}; write [{rules!r}]")
    if unknown := sorted(set(rules or ()) - set(RULES)):
        raise ValueError(f"unknown rules {unknown}; the rules are {', '.join(RULES)}")


def _completed(bitext: Dataset | IterableDataset) -> Dataset | IterableDataset:
    """Fill in the columns that bitext may do without."""
    columns = bitext.column_names or list(BITEXT_FEATURES)
    for name, value in (("language", UNKNOWN_LANGUAGE), ("origin", "")):
        if name not in columns and isinstance(bitext, Dataset):
            bitext = bitext.add_column(name, [value] * len(bitext))
        elif name not in columns:
            bitext = bitext.map(partial(_with, name, value))
    return bitext


def _with(name: str, value: str, row: dict[str, Any]) -> dict[str, Any]:
    return {**row, name: value}


def _leaks_of(evaluation: Any) -> frozenset[int]:
    """Return the keys of a bitext table, or of a list of texts of which either side may be a copy."""
    check_table(evaluation, ["source", "target"], "evaluation")
    if isinstance(evaluation, Dataset | IterableDataset):
        sides = [
            [row[side] for row in evaluation.select_columns(["source", "target"])] for side in ("source", "target")
        ]
        return leak_keys(*sides)
    texts = list(evaluation)
    if texts and not isinstance(texts[0], str):
        raise ValueError(
            f"evaluation: expected a bitext table or a list of texts, got a list of {type(texts[0]).__name__}"
        )
    return leak_keys(texts, texts)


class _Notes(NamedTuple):
    code_N: NDArray[np.str_]
    broken_N: NDArray[np.int32]
    ratio_N: NDArray[np.float32]
    key_N: NDArray[np.int64]


def _first_pass(bitext: Dataset | IterableDataset, leaks: frozenset[int], num_proc: int | None) -> _Notes:
    """Judge every pair alone."""
    options: dict[str, Any] = {
        "batched": True,
        "batch_size": _BATCH,
        "input_columns": ["source", "target", "language"],
        "remove_columns": bitext.column_names or list(BITEXT_FEATURES),
        "features": _NOTES,
        "fn_kwargs": {"leaks": leaks},
    }
    notes: Dataset | IterableDataset
    if isinstance(bitext, Dataset):
        notes = bitext.map(
            _examine,
            num_proc=num_proc,
            keep_in_memory=num_proc is None,
            new_fingerprint=Hasher.hash((bitext._fingerprint, sorted(leaks), code_stamp("data"))),
            desc="Checking pairs",
            **options,
        )
    else:
        notes = bitext.map(_examine, **options)
    languages: list[str] = []
    broken, ratios, keys = array("i"), array("f"), array("q")
    for batch in notes.iter(batch_size=_BATCH):
        languages += batch["language"]
        broken.extend(batch["broken"])
        ratios.extend(batch["ratio"])
        keys.extend(batch["key"])
    return _Notes(
        np.array(languages, dtype=str),
        np.array(broken, dtype=np.int32),
        np.array(ratios, dtype=np.float32),
        np.array(keys, dtype=np.int64),
    )


def _examine(
    sources: list[str], targets: list[str], languages: list[str], leaks: frozenset[int]
) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {name: [] for name in _NOTES}
    for english, foreign, stated in zip(sources, targets, languages, strict=True):
        language = stated or UNKNOWN_LANGUAGE
        columns["language"].append(language)
        columns["broken"].append(sum(map(_bit, pair_rules(english, foreign, language, leaks))))
        columns["ratio"].append(length_ratio(english, foreign))
        columns["key"].append(key(language, english, foreign))
    return columns


def _sample(codes: NDArray, language_N: NDArray, most: int | None) -> NDArray[np.bool_]:
    """Choose at most so many rows of each language, evenly spread (N,)."""
    chosen_N = np.zeros(len(language_N), dtype=bool)
    for place in range(len(codes)):
        rows = np.flatnonzero(language_N == place)
        few = len(rows) if most is None else min(most, len(rows))
        chosen_N[rows[np.linspace(0, len(rows) - 1, few).astype(int)] if few else rows[:0]] = True
    return chosen_N


class _SecondPass:
    """Follows every file row by row, and lets the detector look at the chosen rows."""

    def __init__(self, follow: bool, chosen_N: NDArray[np.bool_] | None) -> None:
        self.follow, self.chosen_N = follow, chosen_N
        self.runs: list[MisalignedRun] = []
        self.mismatches: list[MismatchedPairs] = []
        self.unknown: set[str] = set()
        self.looked_at: dict[str, int] = defaultdict(int)
        self._files: dict[tuple[str, str], tuple[RunFinder, PairJudge]] = {}
        self._rows: dict[tuple[str, str], array] = defaultdict(lambda: array("q"))

    @property
    def needed(self) -> bool:
        return self.follow or self.chosen_N is not None

    def go_over(self, bitext: Dataset | IterableDataset, broken_N: NDArray[np.int32]) -> None:
        """Add the bits of the rules `misaligned`, `mismatched` and `language`."""
        rows = tqdm(self._texts(bitext), total=len(broken_N), desc="Following the files", disable=not bars_shown())
        waiting: dict[str, list[tuple[int, str, str]]] = defaultdict(list)
        for row, (english, foreign, stated, origin) in enumerate(rows):
            language = stated or UNKNOWN_LANGUAGE
            if self.follow:
                for reader in self._file(origin, language):
                    reader.add(english, foreign)
                self._rows[origin, language].append(row)
            if self.chosen_N is not None and self.chosen_N[row]:
                waiting[language].append((row, english, foreign))
                if len(waiting[language]) == _BATCH:
                    self._detect(language, waiting.pop(language), broken_N)
        for language, pairs in waiting.items():
            self._detect(language, pairs, broken_N)
        for (origin, language), (finder, judge) in self._files.items():
            places = np.array(self._rows[origin, language])
            for run in finder.finish():
                self.runs.append(run._replace(origin=origin, language=language))
                broken_N[places[run.first - 1 : run.last]] |= _bit("misaligned")
            if (found := judge.finish()) is not None:
                self.mismatches.append(found._replace(origin=origin, language=language))
                broken_N[places[np.array(found.rows, dtype=int) - 1]] |= _bit("mismatched")

    def _file(self, origin: str, language: str) -> tuple[RunFinder, PairJudge]:
        """What follows a file; runs come first, as their rows are not judged one by one."""
        if (origin, language) not in self._files:
            finder = RunFinder()
            self._files[origin, language] = finder, PairJudge(lambda: finder.runs)
        return self._files[origin, language]

    def _texts(self, bitext: Dataset | IterableDataset) -> Iterator[tuple[str, str, str, str]]:
        columns = ["source", "target", "language", "origin"]
        for batch in bitext.select_columns(columns).iter(batch_size=_BATCH):
            yield from zip(*(batch[name] for name in columns), strict=True)

    def _detect(self, language: str, pairs: list[tuple[int, str, str]], broken_N: NDArray[np.int32]) -> None:
        rows, english, foreign = zip(*pairs, strict=True)
        wrong = wrong_language(foreign, language)
        if wrong is None:
            self.unknown.add(language)
            return
        self.looked_at[language] += len(rows)
        for row, one, other in zip(rows, wrong, wrong_language(english, "en") or wrong, strict=True):
            if one or other:
                broken_N[row] |= _bit("language")


def _bit(rule: Rule) -> int:
    return 1 << RULES.index(rule)
