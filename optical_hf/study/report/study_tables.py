"""The tables of a study's report: R@1 by language, the gap, the tests, what it cost, what failed.

Cells of text, rendered elsewhere. Knows cells of runs and tests.
"""

from collections.abc import Iterator, Sequence
from itertools import chain, groupby

import numpy as np

from optical_hf.evaluation.report.report_tables import DASH, Table, caption_of_tests, corrected, percent
from optical_hf.languages import language_info
from optical_hf.metrics.bootstrap import Estimate, grouped_level
from optical_hf.metrics.gap import GapReport, cross_lingual_gap
from optical_hf.study.config.study_config import StudyConfig
from optical_hf.study.report.conditions import Cell, Cells, collections_of, mean_hits, places, searched
from optical_hf.study.report.corrections import setting_of
from optical_hf.study.report.findings import signed
from optical_hf.study.report.runs_table import ALL, FinishedRun, Hits, tiers_of
from optical_hf.study.report.study_plots import short_count
from optical_hf.study.report.study_tests import SystemTest
from optical_hf.study.run.launching import RunFolder


def level(hits: Hits, rounds: int) -> Estimate:
    """Mean R@1 of these queries, with its bootstrap interval by group."""
    estimate, _ = grouped_level(hits.hits, hits.groups, rounds=rounds)
    return estimate if estimate.low is not None else Estimate(*[estimate.value] * 3)


def of_language(hits: Hits, code: str) -> Hits:
    """The queries of one language."""
    mine = hits.languages == code
    ids = [key for key, chosen in zip(hits.ids, mine, strict=True) if chosen]
    return Hits(ids, hits.languages[mine], hits.groups[mine], hits.hits[mine])


def gap_of(config: StudyConfig, runs: Sequence[FinishedRun], collections: Sequence[str]) -> GapReport | None:
    """The gap of a cell on these collections; None where it has none."""
    hits = mean_hits(runs, collections)
    tiers = tiers_of(config, hits)
    if tiers is None:
        return None
    return cross_lingual_gap(
        hits.hits, hits.languages.tolist(), **tiers._asdict(), groups=hits.groups.tolist(), rounds=config.rounds
    )


def recall_tables(config: StudyConfig, cells: Cells) -> Iterator[Table]:
    """R@1 in percent: a table a teacher and collection, a row a cell, a column a language."""
    for teacher in dict.fromkeys(cell.teacher for cell in cells):
        mine = {cell: runs for cell, runs in cells.items() if cell.teacher == teacher}
        for collection in collections_of(chain.from_iterable(mine.values())):
            there = {c: mean_hits(runs, [collection]) for c, runs in mine.items() if searched(runs, [collection])}
            codes = dict.fromkeys(code for hits in there.values() for code in hits.languages.tolist())
            languages = sorted(codes, key=lambda code: (-language_info(code).tier, code))
            rows = [
                [*_cell_names(cell), *(_shown(level(of_language(hits, code), config.rounds)) for code in languages)]
                for cell, hits in there.items()
            ]
            title = f"{teacher}: R@1 in percent on {collection}, with 95 % intervals"
            yield Table(title, ["student", "system", "bitext and budget", *languages], rows)


def gap_table(config: StudyConfig, cells: Cells) -> Iterator[Table]:
    """High tier, low tier and gap: a table a collection that has both tiers, a row a cell."""
    for place, collections in places(cells).items():
        rows = []
        for cell, runs in cells.items():
            gap = gap_of(config, runs, collections) if searched(runs, collections) else None
            if gap is not None:
                shown = [_shown(part) for part in (gap.high_mean, gap.low_mean, gap.gap)]
                rows.append([cell.teacher, *_cell_names(cell), *shown, gap.worst_language])
        if rows:
            where = f"all collections together ({', '.join(collections)})" if place == ALL else place
            heads = ["teacher", "student", "system", "bitext and budget", "high tier", "low tier", "gap", "worst"]
            yield Table(f"The R@1 gap on {where}, in percent and points", heads, rows)


def measures_tables(cells: Cells) -> Iterator[Table]:
    """Means over languages of every measure that the evaluation gave: a table a collection, a row a cell."""
    for collection in collections_of(chain.from_iterable(cells.values())):
        found = {cell: _measures(runs, collection) for cell, runs in cells.items() if searched(runs, [collection])}
        measures = list(dict.fromkeys(name for values in found.values() for name in values))
        rows = [
            [cell.teacher, *_cell_names(cell), *(percent(values[m]) if m in values else DASH for m in measures)]
            for cell, values in found.items()
        ]
        heads = ["teacher", "student", "system", "bitext and budget", *measures]
        yield Table(f"Means over the languages of {collection}, in percent", heads, rows)


def _measures(runs: Sequence[FinishedRun], collection: str) -> dict[str, float]:
    values: dict[str, list[float]] = {}
    for done in (done for done in runs if collection in done.reports):
        graded = done.result.measures.get(collection, {})
        for code, language in done.found(collection).languages.items():
            for measure, value in {**language.measures, **graded.get(code, {})}.items():
                values.setdefault(measure, []).append(value)
    return {measure: float(np.mean(found)) for measure, found in values.items()}


def cost_table(cells: Cells) -> Table:
    """What each cell cost: the mean over its seeds, and the largest memory."""
    rows = []
    for cell, runs in cells.items():
        results = [done.result for done in runs]
        flops = float(np.mean([sum(result.flops.values()) for result in results]))
        parts = [
            float(np.mean([r.seconds.get(part, 0.0) for r in results]))
            for part in ("fit", "train", "evaluate", "total")
        ]
        rows.append(
            [
                cell.teacher,
                *_cell_names(cell),
                f"{len(runs)}",
                short_count(results[0].parameters) if results[0].parameters else DASH,
                short_count(results[0].backbone_parameters) if results[0].backbone_parameters else DASH,
                f"{np.mean([result.steps for result in results]):.0f}",
                short_count(flops) if flops else DASH,
                *(f"{seconds:.0f}" for seconds in parts),
                f"{max(result.peak_memory_bytes for result in results) / 2**20:,.0f}",
            ]
        )
    heads = [
        "teacher", "student", "system", "bitext and budget", "seeds", "parameters", "without vocabulary", "steps", "operations",
        "s fit", "s train", "s evaluate", "s total", "MiB",
    ]  # fmt: skip
    return Table("What the runs took", heads, rows)


def test_tables(tests: Sequence[SystemTest], rounds: int) -> Iterator[Table]:
    """The paired tests by collection and language: a table a teacher, student, bitext and budget."""
    for setting, family in groupby(tests, setting_of):
        rows = [
            [
                f"{test.ours.system} − {test.other.system}",
                collection,
                f"{language_info(code).name} ({code})",
                percent(change.mean),
                percent(change.other_mean),
                signed(change.difference),
                corrected(change.p_holm, change.test),
            ]
            for test in family
            for (collection, code), change in test.languages.items()
        ]
        named = ", ".join(part for part in (setting.teacher, setting.student, setting.setting) if part)
        heads = ["systems", "collection", "language", "first", "second", "difference", "p (Holm)"]
        if rows:
            yield Table(f"{named}: R@1 of two systems; {caption_of_tests(len(rows), rounds)}", heads, rows)


def failure_table(entries: Sequence[RunFolder]) -> Table | None:
    """Runs that failed, and why; None where none did."""
    rows = [[entry.run.label, entry.error] for entry in entries if entry.status == "failed"]
    return Table("Runs that failed", ["run", "error"], rows) if rows else None


def _cell_names(cell: Cell) -> list[str]:
    return [cell.student, cell.system, cell.setting or DASH]


def _shown(estimate: Estimate) -> str:
    return percent(estimate.value, estimate.low, estimate.high)
