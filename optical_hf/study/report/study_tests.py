"""The questions of a study as paired tests: is one system better than another, and does a larger student change the gap?

Two cells are compared on the draws that both have. The tests are those of `optical_hf.metrics.significance`. Knows nothing about
tables or pictures.

Shapes: Q queries, R rounds, L languages.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from optical_hf.metrics.bootstrap import Estimate, linear_estimate, resampled_means
from optical_hf.metrics.observations import observe
from optical_hf.metrics.sign_test import SignTest
from optical_hf.metrics.significance import LanguageChange, SystemComparison, align_queries, compare_systems
from optical_hf.metrics.tiers import Tiers
from optical_hf.study.config.grid import NO_STUDENT
from optical_hf.study.config.study_config import StudentSpec, StudyConfig
from optical_hf.study.report.conditions import (
    Cell,
    Cells,
    collections_of,
    mean_hits,
    one_code,
    same_draws,
    searched,
    shared_collections,
)
from optical_hf.study.report.runs_table import ALL, FinishedRun, Hits, tiers_of
from optical_hf.study.report.seed_changes import gap_change_over_seeds


@dataclass(frozen=True)
class GapTest:
    """How the gap and the level of the low tier change from one cell to another, on one collection or on all.

    Args:
        change: of the runs at hand, with an interval over queries.
        p_holm: corrected over the `family` of gap tests that are shown together.
        over_seeds: the change with an interval over seeds and queries; None where two cells share fewer than two seeds.
    """

    collection: str
    gap: float
    other_gap: float
    change: Estimate
    p_value: float
    test: SignTest
    low_change: Estimate
    p_holm: float
    over_seeds: Estimate | None
    family: int = 1


@dataclass(frozen=True)
class SystemTest:
    """A system against a baseline, same teacher, student and bitext.

    Args:
        ours: the system.
        other: the baseline.
        languages: by (collection, language); p_holm is corrected over the `family` of tests that one table shows.
        gaps: of every collection that has both tiers.
    """

    ours: Cell
    other: Cell
    languages: dict[tuple[str, str], LanguageChange]
    gaps: list[GapTest]
    family: int


@dataclass(frozen=True)
class SizeTest:
    """A larger student against a smaller one of the same family, everything else equal."""

    larger: Cell
    smaller: Cell
    parameters: int
    other_parameters: int
    gaps: list[GapTest]


def system_tests(config: StudyConfig, cells: Cells) -> Iterator[SystemTest]:
    """Every trained system against every baseline of the study at the same teacher, student, bitext and budget.

    A baseline that takes no gradient step, or needs no student, is compared at every budget and with every student.
    """
    for ours in cells:
        for other in cells:
            fits = (
                other.system in config.baselines
                and ours.system != other.system
                and config.systems[ours.system].trained
                and ours.teacher == other.teacher
                and other.student in (ours.student, NO_STUDENT)
                and other.size in (ours.size, None)
                and other.budget in (ours.budget, None)
                and one_code(cells[ours], cells[other])
                and set(collections_of(cells[ours])) & set(collections_of(cells[other]))
            )
            if fits and not _twin_first(config, ours, other):
                yield _system_test(config, cells, ours, other)


def _twin_first(config: StudyConfig, ours: Cell, other: Cell) -> bool:
    """Whether two baselines at one budget will be tested the other way round: one test of them is enough."""
    order = config.baselines
    return ours.budget == other.budget and ours.system in order and order.index(ours.system) > order.index(other.system)


def _system_test(config: StudyConfig, cells: Cells, ours: Cell, other: Cell) -> SystemTest:
    names = [name for name in collections_of(cells[ours]) if searched(cells[other], [name])]
    languages: dict[tuple[str, str], LanguageChange] = {}
    parts = [(name, *_paired(cells[ours], cells[other], [name])) for name in names]
    labels = np.array([f"{name}\t{code}" for name, first, _ in parts for code in first.languages])
    hits = np.concatenate([first.hits for _, first, _ in parts])
    others = np.concatenate([other_hits for _, _, other_hits in parts])
    groups = np.array([f"{name}/{group}" for name, first, _ in parts for group in first.groups])
    codes = np.array([code for _, first, _ in parts for code in first.languages])
    tiers = tiers_of(config, Hits([], codes, groups, hits))
    if tiers is not None:
        high, low, middle = (sorted({x for x, c in zip(labels, codes, strict=True) if c in tier}) for tier in tiers)
        tests = compare_systems(
            hits,
            others,
            labels.tolist(),
            high=high,
            low=low,
            middle=middle,
            groups=groups.tolist(),
            rounds=config.rounds,
        )
        for label, change in tests.languages.items():
            collection, code = label.split("\t")
            languages[collection, code] = change
    return SystemTest(ours, other, languages, list(gap_tests(config, cells, ours, other)), len(languages))


def size_tests(config: StudyConfig, cells: Cells) -> Iterator[SizeTest]:
    """The smallest student of a family against the largest, and each against the next, with everything else equal."""
    for cell in cells:
        if cell.student == NO_STUDENT or not _smallest(config, cells, cell):
            continue
        ladder = _ladder(config, cells, cell)
        steps = [*([(ladder[0], ladder[-1])] if len(ladder) > 2 else []), *pairwise(ladder)]
        for smaller, larger in steps:
            if not one_code(cells[larger], cells[smaller]):
                continue
            yield SizeTest(
                larger,
                smaller,
                cells[larger][0].result.backbone_parameters,
                cells[smaller][0].result.backbone_parameters,
                list(gap_tests(config, cells, larger, smaller)),
            )


def _family(student: StudentSpec) -> tuple[str, bool, bool]:
    return student.path, student.random is not None, student.mixed_layers is not None


def _ladder(config: StudyConfig, cells: Cells, cell: Cell) -> list[Cell]:
    """Cells that differ from this one in the student alone, of its family, from the smallest to the largest."""
    family = _family(config.students[cell.student])
    same = [
        other
        for other in cells
        if other._replace(student=cell.student) == cell
        and other.student != NO_STUDENT
        and _family(config.students[other.student]) == family
    ]
    by_size = {cells[other][0].result.backbone_parameters: other for other in same}  # of equal sizes, the last
    return [by_size[size] for size in sorted(by_size)]


def _smallest(config: StudyConfig, cells: Cells, cell: Cell) -> bool:
    return _ladder(config, cells, cell)[0] == cell


def gap_tests(config: StudyConfig, cells: Cells, ours: Cell, other: Cell) -> Iterator[GapTest]:
    """The change of the gap from `other` to `ours`, on every collection that both have and that has both tiers, and on all."""
    runs, others = cells[ours], cells[other]
    there = {name: [name] for name in collections_of(runs) if searched(others, [name])}
    shared = shared_collections(cells)
    if len(shared) > 1 and searched(others, shared):
        there[ALL] = shared
    for name, collections in there.items():
        first, other_hits = _paired(runs, others, collections)
        tiers = tiers_of(config, first)
        if tiers is None:
            continue
        codes, groups = first.languages.tolist(), first.groups.tolist()
        tests: SystemComparison = compare_systems(
            first.hits, other_hits, codes, **tiers._asdict(), groups=groups, rounds=config.rounds
        )
        low = low_change(first, other_hits, tiers, config.rounds)
        yield GapTest(
            name,
            tests.gap,
            tests.other_gap,
            tests.gap_change,
            tests.gap_p_value,
            tests.gap_test,
            low,
            tests.gap_p_value,
            gap_change_over_seeds(runs, others, collections, tiers, config.rounds),
        )


def low_change(first: Hits, other_hits: NDArray[np.float64], tiers: Tiers, rounds: int) -> Estimate:
    """The change of the low-resource mean of R@1, with its bootstrap interval by group."""
    observations = observe([first.hits, other_hits], first.languages.tolist(), first.groups.tolist()).difference()
    resampled_RL = resampled_means(observations, rounds, seed=0)[:, 0]
    weights_L = np.isin(observations.languages, tiers.low) / len(tiers.low)
    return linear_estimate(observations, resampled_RL, weights_L, 0.95)


def _paired(
    runs: Sequence[FinishedRun], others: Sequence[FinishedRun], collections: Sequence[str]
) -> tuple[Hits, NDArray[np.float64]]:
    """Hits on these collections, and the others' by the same queries; of the draws both have, collection by collection."""
    both = ([done for done in cell if searched([done], collections)] for cell in (runs, others))
    first, second = (mean_hits(cell, collections) for cell in same_draws(*both))
    return first, second.hits[align_queries(first.ids, second.ids)]
