"""The paired tests of a study: is one system better than another, and does a larger student change the gap?

Two conditions are compared on the seeds that both have. Tests that a reader sees side by side are corrected together (Holm): of
systems, all that have one teacher, student, bitext and budget; of sizes, every change of the gap in the study.

Shapes: Q queries, R rounds, L languages.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TypeVar

import numpy as np
import pandas as pd

from optical_hf.metrics.bootstrap import Estimate, linear_estimate, resampled_means
from optical_hf.metrics.observations import observe
from optical_hf.metrics.resource_groups import ResourceGroups
from optical_hf.metrics.seeds import over_seeds
from optical_hf.metrics.sign_test import SignTest
from optical_hf.metrics.significance import (
    LanguageChange,
    SystemComparison,
    compare_systems,
    gap_contrast,
    holm,
)
from optical_hf.study.config.grid import NO_STUDENT
from optical_hf.study.report.study_table import ALL, Condition, StudyTable, groups_of, labels


@dataclass(frozen=True)
class GapTest:
    """How the gap and R@1 of the low-resource group change from one condition to another, in one place.

    Args:
        collection: the place: one collection, or all.
        gap: of the condition.
        other_gap: of the one it is compared with.
        change: of the gap in these runs, with an interval over queries.
        p_value: of the change.
        test: how the p-value was computed.
        low_change: of the mean R@1 of the low-resource group.
        over_seeds: the change of the gap with an interval over seeds and queries; None with fewer than two common seeds.
        p_holm: the p-value corrected over the `family` of gap tests that are shown together.
        family: how many tests these are.
    """

    collection: str
    gap: float
    other_gap: float
    change: Estimate
    p_value: float
    test: SignTest
    low_change: Estimate
    over_seeds: Estimate | None
    p_holm: float = 1.0
    family: int = 1


@dataclass(frozen=True)
class SystemTest:
    """A system against a baseline, with the same teacher, student and bitext.

    Args:
        ours: the system.
        other: the baseline.
        languages: by (collection, language); p_holm is corrected over the `family` of tests that one table shows.
        gaps: of every place that has both groups of languages.
        family: how many tests the table shows.
    """

    ours: Condition
    other: Condition
    languages: dict[tuple[str, str], LanguageChange]
    gaps: list[GapTest]
    family: int = 1

    @property
    def setting(self) -> Condition:
        """What the systems of one table have in common: the condition without its system."""
        return self.ours._replace(system="")


@dataclass(frozen=True)
class SizeTest:
    """A larger student against a smaller one of the same family, with everything else equal."""

    larger: Condition
    smaller: Condition
    parameters: int
    other_parameters: int
    gaps: list[GapTest]


def system_tests(table: StudyTable) -> list[SystemTest]:
    """Every trained system against every baseline at the same teacher, student, bitext and budget.

    A baseline that takes no gradient step, or needs no student, is compared at every budget and with every student.

    Returns:
        The tests by setting, p-values corrected within each.
    """
    settings: dict[Condition, list[SystemTest]] = {}
    for ours in table.conditions:
        for other in table.conditions:
            if _comparable(table, ours, other):
                test = _system_test(table, ours, other)
                settings.setdefault(test.setting, []).append(test)
    return [test for family in settings.values() for test in _correct_gaps(_correct_languages(family))]


def _comparable(table: StudyTable, ours: Condition, other: Condition) -> bool:
    runs, others = table.conditions[ours], table.conditions[other]
    place, baseline = table.runs.at[runs[0], "baseline"], table.runs.at[others[0], "baseline"]
    return bool(
        baseline is not None
        and ours.system != other.system
        and table.trained(ours)
        and ours.teacher == other.teacher
        and other.student in (ours.student, NO_STUDENT)
        and other.size in (ours.size, None)
        and other.budget in (ours.budget, None)
        # of two baselines at one budget one test is enough
        and not (ours.budget == other.budget and place is not None and place > baseline)
        and table.one_code([*runs, *others])
        and set(table.collections(runs)) & set(table.collections(others))
    )


def _system_test(table: StudyTable, ours: Condition, other: Condition) -> SystemTest:
    there = table.collections(table.conditions[other])
    names = [name for name in table.collections(table.conditions[ours]) if name in there]
    hits = pd.concat([table.paired(ours, other, [name]) for name in names])
    groups, languages = groups_of(hits, table.resource_groups), {}
    if groups is not None:
        places = [
            f"{name}\t{code}" for name, code in zip(labels(hits, "collection"), labels(hits, "language"), strict=True)
        ]
        of = dict(zip(places, labels(hits, "language"), strict=True))
        sides = ResourceGroups(*(tuple(place for place, code in of.items() if code in group) for group in groups))
        changes = _compared(hits, places, sides, table.rounds).languages
        languages = {tuple(place.split("\t")): change for place, change in changes.items()}
    return SystemTest(ours, other, languages, list(gap_tests(table, ours, other)))


def _compared(hits: pd.DataFrame, languages: Sequence[str], groups: ResourceGroups, rounds: int) -> SystemComparison:
    ours, other = hits["ours"].to_numpy(), hits["other"].to_numpy()
    return compare_systems(ours, other, languages, **groups._asdict(), groups=labels(hits, "group"), rounds=rounds)


def size_tests(table: StudyTable) -> list[SizeTest]:
    """The smallest student of a family against the largest, and each against the next, with everything else equal.

    Returns:
        The tests, p-values of the gap corrected over all of them.
    """
    ladders: dict[tuple[Condition, str], dict[int, Condition]] = {}  # of equal sizes, the last
    for condition, runs in table.conditions.items():
        if condition.student != NO_STUDENT:
            family, parameters = table.runs.loc[runs[0], ["family", "backbone_parameters"]]
            ladders.setdefault((condition._replace(student=""), family), {})[parameters] = condition
    tests = []
    for ladder in ladders.values():
        steps = sorted(ladder.items())
        for smaller, larger in [*([(steps[0], steps[-1])] if len(steps) > 2 else []), *pairwise(steps)]:
            pair = larger[1], smaller[1]
            if table.one_code([run for condition in pair for run in table.conditions[condition]]):
                tests.append(SizeTest(*pair, larger[0], smaller[0], list(gap_tests(table, *pair))))
    return _correct_gaps(tests)


def gap_tests(table: StudyTable, ours: Condition, other: Condition) -> Iterator[GapTest]:
    """The change of the gap from `other` to `ours`, in every collection that both searched, and in all together."""
    there = set(table.collections(table.conditions[other]))
    places = {name: [name] for name in table.collections(table.conditions[ours]) if name in there}
    shared = table.shared_collections(table.conditions)
    if len(shared) > 1 and set(shared) <= there:
        places[ALL] = shared
    for name, collections in places.items():
        hits = table.paired(ours, other, collections)
        groups = groups_of(hits, table.resource_groups)
        if groups is None:
            continue
        tests = _compared(hits, labels(hits, "language"), groups, table.rounds)
        yield GapTest(
            name,
            tests.gap,
            tests.other_gap,
            tests.gap_change,
            tests.gap_p_value,
            tests.gap_test,
            _low_change(hits, groups, table.rounds),
            gap_change_over_seeds(table, ours, other, collections),
        )


def _low_change(hits: pd.DataFrame, groups: ResourceGroups, rounds: int) -> Estimate:
    """The change of the mean R@1 of the low-resource group, with its bootstrap interval by group."""
    pair = [hits["ours"].to_numpy(), hits["other"].to_numpy()]
    changes = observe(pair, labels(hits, "language"), labels(hits, "group")).difference()
    weights_L = np.isin(changes.languages, groups.low) / len(groups.low)
    return linear_estimate(changes, resampled_means(changes, rounds, seed=0)[:, 0], weights_L, 0.95)


def gap_change_over_seeds(
    table: StudyTable, ours: Condition, other: Condition, collections: Sequence[str]
) -> Estimate | None:
    """The change of the gap with its interval over seeds and queries; None without two seeds to compare on.

    Another seed may be luckier than those of the runs. A condition that learns nothing is the same for every seed: its one run
    stands against each of the others.
    """
    first, second = table.common_seeds(ours, other, collections)
    learns = table.trained(other)
    seeds = sorted(first.keys() & second.keys() if learns else first)
    if not table.trained(ours) or len(seeds) < 2 or not second:
        return None
    fixed = next(iter(second.values()))
    runs = [*(first[seed] for seed in seeds), *(second[seed] if learns else fixed for seed in seeds)]
    hits = table.hits_in(collections, runs)
    groups = groups_of(hits, table.resource_groups)
    assert groups is not None, "the gap itself was computed before its change over seeds"
    columns = list(hits.to_numpy().T)
    changes = observe(columns, labels(hits, "language"), labels(hits, "group")).difference()
    resampled = resampled_means(changes, table.rounds, seed=0)
    return over_seeds(changes, resampled, gap_contrast(changes.languages, groups)).estimate(0.95)


AnyTest = TypeVar("AnyTest", SizeTest, SystemTest)


def _correct_languages(tests: Sequence[SystemTest]) -> list[SystemTest]:
    p_holm = holm([change.p_value for test in tests for change in test.languages.values()]).tolist()
    family, left = len(p_holm), iter(p_holm)
    return [
        replace(
            test,
            languages={key: replace(change, p_holm=next(left)) for key, change in test.languages.items()},
            family=family,
        )
        for test in tests
    ]


def _correct_gaps(tests: Sequence[AnyTest]) -> list[AnyTest]:
    p_holm = holm([gap.p_value for test in tests for gap in test.gaps]).tolist()
    family, left = len(p_holm), iter(p_holm)
    return [replace(test, gaps=[replace(gap, p_holm=next(left), family=family) for gap in test.gaps]) for test in tests]
