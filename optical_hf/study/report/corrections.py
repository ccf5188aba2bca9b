"""Which tests of a study are corrected together: those that a reader sees side by side (Holm).

Of systems against baselines, all that have one teacher, student, bitext and budget: one table of the report, and the changes
of the gap likewise. Of sizes, every change of the gap in the study. Knows p-values and cells; nothing of queries.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from optical_hf.metrics.significance import holm
from optical_hf.study.report.conditions import Cell
from optical_hf.study.report.study_tests import SizeTest, SystemTest

AnyTest = TypeVar("AnyTest", SizeTest, SystemTest)


def setting_of(test: SystemTest) -> Cell:
    """What the systems of one table have in common: the cell without its system."""
    return test.ours._replace(system="")


def correct_systems(tests: Sequence[SystemTest]) -> list[SystemTest]:
    """The tests by setting, p corrected within each: over languages of all pairs of systems, and over gaps of all pairs."""
    settings = dict.fromkeys(setting_of(test) for test in tests)
    families = ([test for test in tests if setting_of(test) == setting] for setting in settings)
    return [test for family in families for test in _correct_gaps(_correct_languages(family))]


def correct_sizes(tests: Sequence[SizeTest]) -> list[SizeTest]:
    """The tests, p of the gap corrected over all of them."""
    return _correct_gaps(tests)


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
