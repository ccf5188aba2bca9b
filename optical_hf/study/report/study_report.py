"""The report of a study: table, pictures, tests and sentences, as Parquet, SVG, Markdown and one HTML page.

Written anew from the runs that are done; a report of half a study says so. Knows how to put parts together; the parts are made
elsewhere.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment

from optical_hf.evaluation.report.report_page import STYLE, svg_of
from optical_hf.evaluation.report.report_tables import Table, table_markdown
from optical_hf.files import file_names, write_text
from optical_hf.study.config.grid import NO_STUDENT
from optical_hf.study.config.study_config import StudyConfig
from optical_hf.study.report.conditions import (
    Cells,
    cells_of,
    mean_hits,
    one_code,
    places,
    searched,
    shared_collections,
)
from optical_hf.study.report.corrections import correct_sizes, correct_systems
from optical_hf.study.report.findings import size_sentences, system_sentences
from optical_hf.study.report.runs_table import ALL, finished, write_table
from optical_hf.study.report.study_plots import Against, BitextPoint, Point, plot_pairs, plot_scale
from optical_hf.study.report.study_tables import (
    cost_table,
    failure_table,
    gap_of,
    gap_table,
    level,
    measures_tables,
    of_language,
    recall_tables,
    test_tables,
)
from optical_hf.study.report.study_tests import SizeTest, SystemTest, size_tests, system_tests
from optical_hf.study.run.launching import RunFolder

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title>
<style>{{ style }}</style>
</head>
<body>
<h1>{{ title }}</h1>
<p class="about">{{ about }}</p>
{% for heading, sentences in findings %}<h2>{{ heading }}</h2>
<ul>{% for sentence in sentences %}<li>{{ sentence }}</li>
{% endfor %}</ul>
{% endfor %}{% for name, svg in pictures %}<figure id="{{ name }}">{{ svg | safe }}</figure>
{% endfor %}{% for table in tables %}<h2>{{ table.title }}</h2>
<div class="wide"><table><thead><tr>{% for head in table.heads %}<th>{{ head }}</th>{% endfor %}</tr></thead>
<tbody>{% for row in table.rows %}<tr>{% for cell in row %}{% set value, bracket, rest = cell.partition(" [") %}<td>{{ value }}
{%- if bracket %}<span class="interval">[{{ rest }}</span>{% endif %}</td>{% endfor %}</tr>
{% endfor %}</tbody></table></div>
{% endfor %}</body>
</html>
"""
NOTHING = "Nothing to compare yet."


@dataclass(frozen=True)
class Findings:
    """The tests of a study, and the sentences they say."""

    sizes: list[SizeTest]
    systems: list[SystemTest]

    def sections(self) -> list[tuple[str, list[str]]]:
        """Sentences by heading."""
        sizes = [sentence for test in self.sizes for sentence in size_sentences(test)]
        systems = [sentence for test in self.systems for sentence in system_sentences(test)]
        return [
            ("Does a larger student narrow the gap?", sizes or [NOTHING]),
            ("Systems against the baselines", systems or [NOTHING]),
        ]


def write_study(config: StudyConfig, entries: Sequence[RunFolder]) -> Path:
    """Write runs.parquet, plots/, report.md and report.html into the study's folder.

    Returns:
        The HTML page.
    """
    output = Path(config.output)
    write_table(config, entries, output / "runs.parquet")
    cells = cells_of(finished(entries))
    findings = Findings(
        correct_sizes(list(size_tests(config, cells))), correct_systems(list(system_tests(config, cells)))
    )
    pictures = {name: svg_of(figure) for name, figure in figures(config, cells)}
    for name, text in pictures.items():
        write_text(output / "plots" / f"{name}.svg", text)
    tables = list(_tables(config, cells, findings, entries))
    about = describe(config, entries)
    write_text(output / "report.md", _markdown(config, about, findings, list(pictures), tables))
    page = Environment(autoescape=True).from_string(PAGE)
    html = page.render(
        title=config.name, style=STYLE, about=about, findings=findings.sections(), tables=tables,
        pictures=[(name, text[text.index("<svg") :]) for name, text in pictures.items()],
    )  # fmt: skip
    write_text(output / "report.html", html)
    return output / "report.html"


def describe(config: StudyConfig, entries: Sequence[RunFolder]) -> str:
    """One paragraph: how much of the study is done, and how it was measured."""
    done = finished(entries)
    failed = sum(entry.status == "failed" for entry in entries)
    told = f"{len(done)} of {len(entries)} runs are done"
    told += f", {failed} failed (below, with their errors)" if failed else ""
    queries = {name: len(report.queries.ids) for run in done for name, report in run.reports.items()}
    sets = ", ".join(f"{name} ({count:,} queries)" for name, count in queries.items())
    if done and not one_code(done):
        told += (
            ", by more than one version of this package's code: only runs of one version are tested against each other"
        )
    versions = sorted({f"{name} {version}" for run in done for name, version in run.result.versions.items()})
    return (
        f"{told}. Collections: {sets or 'none yet'}. Ties count against the system. Intervals are of {config.rounds:,} bootstrap "
        f"rounds by group, tests are paired sign tests by group, of the runs at hand; seeds are put together by query. Tiers: "
        f"{_tiers_told(config)}. "
        f"Versions: {', '.join(versions) or 'none yet'}."
    )


def _tiers_told(config: StudyConfig) -> str:
    if config.high is None and config.low is None:
        return "by the classes of Joshi et al. 2020"
    high, low = (", ".join(tier) if tier is not None else "the others" for tier in (config.high, config.low))
    return f"high {high}; low {low}"


def figures(config: StudyConfig, cells: Cells) -> "Iterator[tuple[str, Figure]]":
    """Every picture with the name of its file."""
    found = list(_titled_figures(config, cells))
    names = file_names([title for title, _ in found])
    yield from zip(names, (figure for _, figure in found), strict=True)


def _titled_figures(config: StudyConfig, cells: Cells) -> "Iterator[tuple[str, Figure]]":
    ran = {cell.system for cell in cells}  # of a long list only those: there are few colours
    systems = [system for system in config.systems if system in ran]
    for teacher in dict.fromkeys(cell.teacher for cell in cells):
        for size in dict.fromkeys(cell.size for cell in cells if cell.size is not None) or [None]:
            mine = {
                cell: runs
                for cell, runs in cells.items()
                if cell.teacher == teacher and cell.student != NO_STUDENT and cell.size in (size, None)
            }
            for collection, together in places(mine).items():
                points = _points(config, mine, together)
                for against in _axes(points):
                    where = "all collections" if collection == ALL else collection
                    pairs = "" if size is None else f", {size:,} pairs a language"
                    title = f"{teacher}, {where}{pairs}"
                    name = f"{teacher} {where} {size or ''} {against}".lower()
                    yield name, plot_scale(points, against, systems, title)
        for student in dict.fromkeys(cell.student for cell in cells if cell.teacher == teacher):
            found = _bitext_points(config, cells, teacher, student)
            if found:
                yield (
                    f"{teacher} {student} pairs".lower(),
                    plot_pairs(found, systems, f"{teacher}, {student}: R@1 against the bitext pairs of the language"),
                )


def _axes(points: Sequence[Point]) -> list[Against]:
    axes: list[Against] = ["parameters", "flops"]
    return [against for against in axes if any(getattr(point, against) > 0 for point in points)]


def _points(config: StudyConfig, cells: Cells, collections: Sequence[str]) -> list[Point]:
    points = []
    for cell, runs in cells.items():
        gap = gap_of(config, runs, collections) if searched(runs, collections) else None
        if gap is not None:
            results = [done.result for done in runs]
            flops = sum(sum(result.flops.values()) for result in results) / len(results)
            points.append(Point(cell.system, cell.budget, results[0].backbone_parameters, flops, gap.gap, gap.low_mean))
    return points


def _bitext_points(config: StudyConfig, cells: Cells, teacher: str, student: str) -> list[BitextPoint]:
    """R@1 by language over the collections they share: of the trained cells of a student at the study's first budget, and of
    dictionaries, which need none."""
    first = next(iter(config.budgets), None)
    mine = {
        cell: runs
        for cell, runs in cells.items()
        if cell.teacher == teacher
        and cell.student in (student, NO_STUDENT)
        and cell.budget in (first, None)
        and config.systems[cell.system].trained
    }
    shared = shared_collections(mine)
    points = []
    for cell, runs in mine.items() if shared else ():
        hits = mean_hits(runs, shared)
        for code in dict.fromkeys(hits.languages.tolist()):
            pairs = runs[0].result.pairs.get(code, 0)
            points.append(BitextPoint(cell.system, code, pairs, level(of_language(hits, code), config.rounds)))
    return points


def _tables(config: StudyConfig, cells: Cells, findings: Findings, entries: Sequence[RunFolder]) -> Iterator[Table]:
    yield from gap_table(config, cells)
    yield from recall_tables(config, cells)
    if cells:
        yield from measures_tables(cells)
        yield cost_table(cells)
    yield from test_tables(findings.systems, config.rounds)
    failures = failure_table(entries)
    if failures is not None:
        yield failures


def _markdown(
    config: StudyConfig, about: str, findings: Findings, pictures: Sequence[str], tables: Sequence[Table]
) -> str:
    parts = [f"# {config.name}", about]
    for heading, sentences in findings.sections():
        parts += [f"## {heading}", "\n".join(f"- {sentence}" for sentence in sentences)]
    parts += [f"![{name}](plots/{name}.svg)" for name in pictures]
    parts += [table_markdown(table) for table in tables]
    return "\n\n".join(parts) + "\n"
