"""Goes once over a bitext table and notes for every row which rules it breaks.

Reports and dropped rows both start from what is found here. A few numbers a row stay in memory, of the texts no more than a
block of each file and the sample that the language detector looks at.
"""

from array import array
from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

import numpy as np
from datasets import Dataset, IterableDataset
from datasets.utils.tqdm import tqdm
from numpy.typing import NDArray

from optical_hf.bars import bars_shown
from optical_hf.data.bitext.pairs import left_out_of
from optical_hf.data.quality.misalignment import BLOCK, RunFinder
from optical_hf.data.quality.mismatch import FEWEST, PairJudge
from optical_hf.data.quality.quality_report import BitextReport
from optical_hf.data.quality.rules import RULES, Rule, key, length_ratio, pair_rules
from optical_hf.data.quality.wrong_language import LanguageSample, lingua_is_here
from optical_hf.tables import UNKNOWN_LANGUAGE, check_table

# Shape legend: N rows of the table.
_BATCH = 1_000
_LENGTH_FACTOR = 3.0  # a length ratio this many times off the median of its language stands out
_BIT: dict[Rule, int] = {rule: 1 << place for place, rule in enumerate(RULES)}


class Inspection(NamedTuple):
    """What was found: which language each row is in, which rules it breaks, and the report.

    Attributes:
        language_N: the place of the row's language in `report.pairs`.
        broken_N: one bit a rule.
        report: the counts.
    """

    language_N: NDArray[np.int64]
    broken_N: NDArray[np.int32]
    report: BitextReport

    def breaks(self, rule: Rule) -> NDArray[np.bool_]:
        """Return which rows break a rule (N,)."""
        return (self.broken_N & _BIT[rule]) != 0


def bitext_quality(
    bitext: Dataset | IterableDataset,
    *,
    rules: Collection[Rule] | None = None,
    evaluation: Dataset | IterableDataset | list[str] | None = None,
    language_rows: int | None = 1_000,
) -> BitextReport:
    """Count by language what looks wrong in a bitext.

    The rules: `empty` side; `duplicate` of an earlier pair (without case and punctuation); `copy` of the source;
    `length` ratio three times off the median of its language; `script` of most letters is not that of the language;
    `language` is another one (lingua); `numbers` differ between the sides; `leak`: a side stands in the evaluation set;
    `misaligned`: in a run of rows whose translations stand in other rows (`find_misaligned_runs`); `mismatched`: outside such
    runs, its sides look put together at random, where a file has more of those than a clean one (`find_mismatched_pairs`).

    Args:
        bitext: a table as `load_bitext` makes it, its rows in the order of the files; a streamed one is read once.
        rules: what to check; None checks all that can be checked here, and the report says what could not.
        evaluation: what must not be in the training data: a bitext table, or texts of either language.
        language_rows: pairs of each language that the language detector looks at, evenly spread; None looks at all
            (a millisecond or more a text).

    Returns:
        A `BitextReport`.

    Raises:
        ValueError: columns are missing, or a rule is unknown.
        ImportError: the rule `language` was named and lingua is not installed.

    Example:
        >>> from datasets import Dataset
        >>> rows = [{"source": "One of 7.", "target": "Mid ka mid ah 7.", "language": "so", "origin": "x"}] * 2
        >>> report = bitext_quality(Dataset.from_list(rows), rules=["duplicate", "numbers"])
        >>> report.broken["so"]["duplicate"], report.broken["so"]["numbers"]
        (1, 0)
    """
    return inspect_bitext(bitext, rules, evaluation, language_rows).report


def inspect_bitext(
    bitext: Dataset | IterableDataset, rules: Collection[Rule] | None, evaluation: Any, language_rows: int | None
) -> Inspection:
    """Find which rows break which rules; the arguments are those of `bitext_quality`."""
    check_table(bitext, ["source", "target"])
    wanted, not_checked = _checkable(rules, evaluation)
    follow, judge, detect = (
        ("misaligned" in wanted or "mismatched" in wanted),
        "mismatched" in wanted,
        "language" in wanted,
    )
    leaks = frozenset() if evaluation is None else _leaks_of(evaluation)
    numbers: dict[str, int] = {}
    language, broken, ratios, keys = array("i"), array("i"), array("f"), array("q")
    files: dict[tuple[str, str], _File] = {}
    samples: dict[str, LanguageSample] = {}
    for row, (english, foreign, code, origin) in enumerate(_texts(bitext)):
        language.append(numbers.setdefault(code, len(numbers)))
        broken.append(sum(_BIT[rule] for rule in pair_rules(english, foreign, code, leaks)))
        ratios.append(length_ratio(english, foreign))
        keys.append(key(code, english, foreign))
        if follow:
            file = files.get((origin, code)) or files.setdefault((origin, code), _File(judge))
            file.add(row, english, foreign)
        if detect:
            sample = samples.get(code) or samples.setdefault(code, LanguageSample(code, language_rows))
            sample.add(row, english, foreign)

    codes = sorted(numbers)
    language_N = np.array([codes.index(code) for code in numbers], dtype=int)[np.array(language)]
    broken_N = np.array(broken)
    _mark_unusual(broken_N, language_N, np.array(ratios), np.array(keys))
    for sample in samples.values():
        sample.detect()
        broken_N[sample.wrong] |= _BIT["language"]
    if strange := sorted(code for code, sample in samples.items() if sample.unknown):
        not_checked["language"] = f"the detector does not know {', '.join(strange)}"
    runs, mismatches = [], []
    for (origin, code), file in files.items():
        file.search()
        for run in file.finder.runs:
            broken_N[file.rows[run.first - 1 : run.last]] |= _BIT["misaligned"]
            runs.append(run._replace(origin=origin, language=code))
        if judge and (found := file.judge.found()):
            broken_N[[file.rows[row - 1] for row in found.rows]] |= _BIT["mismatched"]
            mismatches.append(found._replace(origin=origin, language=code))
    if judge and not mismatches:
        not_checked["mismatched"] = f"a file teaches enough from {FEWEST} pairs on"
    broken_N &= sum(_BIT[rule] for rule in wanted)
    here = {code: language_N == place for place, code in enumerate(codes)}
    report = BitextReport(
        pairs={code: int(here_N.sum()) for code, here_N in here.items()},
        broken={
            code: {rule: int((broken_N[here_N] & bit != 0).sum()) for rule, bit in _BIT.items()}
            for code, here_N in here.items()
        },
        runs=tuple(runs) if "misaligned" in wanted else (),
        looked_at={code: sample.looked_at for code, sample in samples.items() if sample.looked_at},
        not_checked=not_checked,
        mismatches=tuple(mismatches),
        left_out=left_out_of(bitext),
    )
    return Inspection(language_N, broken_N, report)


def _checkable(rules: Collection[Rule] | None, evaluation: Any) -> tuple[set[Rule], dict[Rule, str]]:
    """Return the rules that are wanted and can be checked here, and why others cannot."""
    if isinstance(rules, str):
        raise ValueError(f"expected a list of rules, got the one string {rules!r}; write [{rules!r}]")
    if unknown := sorted(set(rules or ()) - set(RULES)):
        raise ValueError(f"unknown rules {unknown}; the rules are {', '.join(RULES)}")
    not_checked: dict[Rule, str] = {rule: "not asked for" for rule in RULES if rules is not None and rule not in rules}
    if evaluation is None:
        not_checked.setdefault("leak", "no evaluation set was given")
    if rules is None and not lingua_is_here():
        not_checked["language"] = 'needs lingua: pip install "optical-hf[quality]"'
    return set(RULES) - not_checked.keys(), not_checked


def _leaks_of(evaluation: Any) -> frozenset[int]:
    """Return the keys of a bitext table, or of a list of texts of which either side may be a copy."""
    check_table(evaluation, ["source", "target"], "evaluation")
    if isinstance(evaluation, Dataset | IterableDataset):
        rows = evaluation.select_columns(["source", "target"])
        return frozenset(stood for row in rows for stood in (key("en", row["source"]), key("other", row["target"])))
    texts = list(evaluation)
    if texts and not isinstance(texts[0], str):
        raise ValueError(
            f"evaluation: expected a bitext table or a list of texts, got a list of {type(texts[0]).__name__}"
        )
    return frozenset(key(side, text) for text in texts for side in ("en", "other"))


def _texts(bitext: Dataset | IterableDataset) -> Iterator[tuple[str, str, str, str]]:
    """Yield English, foreign text, language and file of each row; a table may lack the last two."""
    if bitext.column_names:
        columns = ("source", "target", "language", "origin")
        bitext = bitext.select_columns([name for name in columns if name in bitext.column_names])
    total = len(bitext) if isinstance(bitext, Dataset) else None
    with tqdm(total=total, desc="Checking pairs", disable=not bars_shown()) as bar:
        for batch in bitext.iter(batch_size=_BATCH):
            rows = len(batch["source"])
            codes = (code or UNKNOWN_LANGUAGE for code in batch.get("language", [""] * rows))
            yield from zip(batch["source"], batch["target"], codes, batch.get("origin", [""] * rows), strict=True)
            bar.update(rows)


def _mark_unusual(broken_N: NDArray, language_N: NDArray, ratio_N: NDArray, key_N: NDArray) -> None:
    """Add the bits of the rules that need the whole table: `duplicate` and `length`."""
    _, first = np.unique(key_N, return_index=True)
    full_N = (broken_N & _BIT["empty"]) == 0
    repeated_N = full_N.copy()
    repeated_N[first] = False
    broken_N[repeated_N] |= _BIT["duplicate"]
    for language in np.unique(language_N[full_N]):
        here_N = full_N & (language_N == language)
        unusual_N = np.abs(ratio_N - np.median(ratio_N[here_N])) > np.log(_LENGTH_FACTOR)
        broken_N[here_N & unusual_N] |= _BIT["length"]


class _File:
    """The rows of one file and language, searched block by block."""

    def __init__(self, judged: bool) -> None:
        self.finder, self.judge, self._judged = RunFinder(), PairJudge(), judged
        self.rows = array("q")
        self._english: list[str] = []
        self._foreign: list[str] = []

    def add(self, row: int, english: str, foreign: str) -> None:
        self.rows.append(row)
        self._english.append(english)
        self._foreign.append(foreign)
        if len(self._english) == BLOCK:
            self.search()

    def search(self) -> None:
        """Search what was added since the last time."""
        english, foreign = self._english, self._foreign
        self._english, self._foreign = [], []
        if english:
            self.finder.add(english, foreign)
        if english and self._judged:
            self.judge.add(english, foreign, self.finder.runs)
