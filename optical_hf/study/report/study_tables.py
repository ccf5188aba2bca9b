"""The tables of a study's report: R@1 by language, the gap, all measures, the tests, what the runs took, what failed."""

from collections.abc import Iterator, Sequence
from itertools import groupby

import pandas as pd

from optical_hf.evaluation.report.plot_style import by_resources, language_label
from optical_hf.evaluation.report.report_tables import (
    DASH,
    Table,
    caption_of_tests,
    corrected,
    percent,
    with_interval,
)
from optical_hf.metrics.bootstrap import Estimate, grouped_level
from optical_hf.study.report.findings import signed
from optical_hf.study.report.study_plots import short_count
from optical_hf.study.report.study_recovery import Recovery, recovery_tables
from optical_hf.study.report.study_table import ALL, Condition, StudyTable, labels
from optical_hf.study.report.study_tests import SystemTest

NAMES = ["student", "system", "bitext and budget"]


def study_tables(table: StudyTable, tests: Sequence[SystemTest], shares: Sequence[Recovery] = ()) -> list[Table]:
    """All tables of the report, in order."""
    made = [*_gaps(table), *recovery_tables(shares, table.rounds), *_recalls(table), *_measures(table), *_cost(table)]
    return [*made, *test_tables(tests, table.rounds), *_failures(table)]


def language_levels(hits: pd.Series, rounds: int) -> dict[str, Estimate]:
    """Mean R@1 of every language in these hits, with its bootstrap interval by group."""
    return {
        str(code): grouped_level(part.to_numpy(), labels(part, "group"), rounds=rounds)[0]
        for code, part in hits.groupby(level="language", sort=False)
    }


def _recalls(table: StudyTable) -> Iterator[Table]:
    """R@1 in percent: a table a teacher and collection, a row a condition, a column a language."""
    for teacher in dict.fromkeys(condition.teacher for condition in table.conditions):
        mine = {one: runs for one, runs in table.conditions.items() if one.teacher == teacher}
        for collection in table.collections([run for runs in mine.values() for run in runs]):
            hits = {one: table.mean_hits(one, [collection]) for one in mine}
            levels = {one: language_levels(part, table.rounds) for one, part in hits.items() if len(part)}
            languages = by_resources([code for found in levels.values() for code in found])
            rows = [
                [*_names(one), *(with_interval(found[code]) for code in languages)] for one, found in levels.items()
            ]
            title = f"{teacher}: R@1 in percent on {collection}, with 95 % intervals"
            yield Table(title, [*NAMES, *languages], rows, names=3)


def _gaps(table: StudyTable) -> Iterator[Table]:
    """R@1 of both groups of languages and the gap: a table a place, a row a condition."""
    for place, collections in table.places(table.conditions).items():
        gaps = {condition: table.gap(condition, collections) for condition in table.conditions}
        rows = [
            [one.teacher, *_names(one), *map(with_interval, (gap.high_mean, gap.low_mean, gap.gap)), gap.worst_language]
            for one, gap in gaps.items()
            if gap is not None
        ]
        if rows:
            where = f"all collections together ({', '.join(collections)})" if place == ALL else place
            heads = ["teacher", *NAMES, "high-resource", "low-resource", "gap", "worst"]
            yield Table(f"The R@1 gap on {where}, in percent and points", heads, rows, names=4)


def _measures(table: StudyTable) -> Iterator[Table]:
    """Means over languages and seeds of every measure of the evaluation: a table a collection, a row a condition."""
    of_languages = table.rows.dropna(subset=["language"])
    for collection, part in of_languages.groupby("collection", sort=False):
        measures = part["metric"].unique().tolist()
        rows = []
        for condition, runs in table.conditions.items():
            mine = part[part["run"].isin(runs)]
            if len(mine):
                means = mine.groupby("metric")["value"].mean()
                rows.append([condition.teacher, *_names(condition), *(percent(means.get(name)) for name in measures)])
        title = f"Means over the languages of {collection}, in percent"
        yield Table(title, ["teacher", *NAMES, *measures], rows, names=4)


def _cost(table: StudyTable) -> Iterator[Table]:
    """What each condition cost: the mean over its seeds, and the largest memory."""
    heads = [
        "teacher", *NAMES, "seeds", "parameters", "without vocabulary", "steps", "operations", "s fit", "s train", "s evaluate",
        "s total", "MiB",
    ]  # fmt: skip
    rows = []
    for condition, runs in table.conditions.items():
        mine = table.runs.loc[runs]
        flops = mine["flops"].mean()
        sizes = (mine[name].iloc[0] for name in ("parameters", "backbone_parameters"))
        seconds = (mine[f"seconds{part}"].mean() for part in ("_fit", "_train", "_evaluate", ""))
        rows.append(
            [
                condition.teacher, *_names(condition), f"{len(runs)}", *(short_count(size) if size else DASH for size in sizes),
                f"{mine['steps'].mean():.0f}", short_count(flops) if flops else DASH, *(f"{part:.0f}" for part in seconds),
                f"{mine['peak_memory_bytes'].max() / 2**20:,.0f}",
            ]
        )  # fmt: skip
    if rows:
        yield Table("What the runs took", heads, rows, names=4)


def test_tables(tests: Sequence[SystemTest], rounds: int) -> Iterator[Table]:
    """The paired tests by collection and language: a table a teacher, student, bitext and budget."""
    heads = ["systems", "collection", "language", "first", "second", "difference", "p (Holm)"]
    for setting, family in groupby(tests, lambda test: test.setting):
        rows = [
            [
                f"{test.ours.system} − {test.other.system}", collection, language_label(code), percent(change.mean),
                percent(change.other_mean), signed(change.difference), corrected(change.p_holm, change.test),
            ]
            for test in family
            for (collection, code), change in test.languages.items()
        ]  # fmt: skip
        named = ", ".join(part for part in (setting.teacher, setting.student, setting.setting) if part)
        if rows:
            note = caption_of_tests(len(rows), rounds)
            yield Table(f"{named}: R@1 of two systems", heads, rows, names=3, note=note)


def _failures(table: StudyTable) -> Iterator[Table]:
    """Runs that failed, and why."""
    failed = table.runs[table.runs["status"] == "failed"]
    if len(failed):
        yield Table("Runs that failed", ["run", "error"], failed[["label", "error"]].to_numpy().tolist(), names=2)


def _names(condition: Condition) -> list[str]:
    return [condition.student, condition.system, condition.setting or DASH]
