"""Recovery in a study: what share of re-indexing's R@1 a student reaches in the teacher's index, by group of languages.

Hits are averaged over seeds. The interval resamples student and re-indexing together, by group of queries. Where there are
several seeds, there is also one over seeds and queries.

Shapes: Q queries, N seeds, L languages.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from optical_hf.evaluation.report.report_tables import DASH, Table, caption_of_tests, corrected, percent, with_interval
from optical_hf.metrics.bootstrap import Estimate, resampled_means
from optical_hf.metrics.observations import observe
from optical_hf.metrics.paired_level import LEAST, PairedLevel, paired_level
from optical_hf.metrics.seeds import ratio_over_seeds
from optical_hf.metrics.significance import holm
from optical_hf.study.config.grid import NO_STUDENT
from optical_hf.study.config.study_config import OWN_INDEX
from optical_hf.study.report.study_table import ALL, Condition, StudyTable, labels

Group = Literal["high", "low"]


@dataclass(frozen=True)
class Recovery:
    """A student against re-indexing by the checkpoint that it was made from.

    Args:
        condition: the student.
        place: the collection, or `ALL` of them together.
        collections: those of the place.
        group: of languages.
        level: the paired figures; no ratio where re-indexing is below `LEAST`.
        over_seeds: the ratio with its interval over seeds and queries; None without two seeds.
        p_holm: corrected over the tests of the place.
    """

    condition: Condition
    place: str
    collections: tuple[str, ...]
    group: Group
    level: PairedLevel
    over_seeds: Estimate | None
    p_holm: float = 1.0


def recoveries(table: StudyTable) -> list[Recovery]:
    """Every student in every place that re-indexing searched too, p-values corrected within each place."""
    students = [one for one in table.conditions if one.student != NO_STUDENT and one.system != OWN_INDEX]
    found = []
    for place, collections in table.places(students).items():
        tests = [test for one in students for test in _of_condition(table, one, place, collections)]
        p_holm = holm([test.level.p_value for test in tests]).tolist()
        found += [replace(test, p_holm=p) for test, p in zip(tests, p_holm, strict=True)]
    return found


def recovery_tables(tests: Sequence[Recovery], rounds: int) -> Iterator[Table]:
    """R@1 of each student beside that of re-indexing, and its share of it: a table a place."""
    heads = ["teacher", "student", "system", "bitext and budget", "group", "R@1", OWN_INDEX, "recovery"]
    for place in dict.fromkeys(test.place for test in tests):
        here = [test for test in tests if test.place == place]
        rows = [
            [
                test.condition.teacher, test.condition.student, test.condition.system, test.condition.setting or DASH, test.group,
                percent(test.level.mean), percent(test.level.other_mean),
                *(DASH if share is None else with_interval(share) for share in (test.level.ratio, test.over_seeds)),
                corrected(test.p_holm, test.level.test),
            ]
            for test in here
        ]  # fmt: skip
        where = f"all collections together ({', '.join(here[0].collections)})" if place == ALL else place
        title = f"Recovery on {where}, in percent: R@1 in the teacher's index as a share of R@1 of re-indexing"
        note = f"No share where re-indexing is below {100 * LEAST:g} %. {caption_of_tests(len(rows), rounds)}"
        yield Table(title, [*heads, "over seeds and queries", "p (Holm)"], rows, names=5, note=note)


def _of_condition(table: StudyTable, one: Condition, place: str, collections: Sequence[str]) -> Iterator[Recovery]:
    own = table.own_index(one)
    if own is None or not all(set(collections) <= set(table.collections(table.conditions[c])) for c in (one, own)):
        return
    runs = [*table.common_seeds(one, own, collections)[0].values(), table.conditions[own][0]]
    hits = table.hits_in(collections, runs)
    for group in ("high", "low"):
        mine = hits[hits.index.get_level_values("language").isin(getattr(table.resource_groups, group))]
        if len(mine):
            columns_SQ, languages, groups = mine.to_numpy().T, labels(mine, "language"), labels(mine, "group")
            level = paired_level(columns_SQ[:-1].mean(axis=0), columns_SQ[-1], languages, groups, rounds=table.rounds)
            seeds = None
            if len(runs) > 2 and level.ratio is not None and level.ratio.low is not None:
                seen = observe(list(columns_SQ), languages, groups, least=1)
                weights_L = np.full(len(seen.languages), 1 / len(seen.languages))
                resampled_RSL = resampled_means(seen, table.rounds, seed=0)
                seeds = ratio_over_seeds(seen, resampled_RSL, weights_L).estimate(0.95)
            yield Recovery(one, place, tuple(collections), group, level, seeds)
