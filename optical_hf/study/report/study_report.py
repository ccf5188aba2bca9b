"""The report of a study, from its table: plots, tests, sentences and tables, as SVG, Markdown and one HTML page.

It is written anew from the runs that are done; a report of half a study says so.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from optical_hf.evaluation.report.html_page import Picture, Sentences, svg_of, write_page
from optical_hf.evaluation.report.report_tables import table_markdown
from optical_hf.files import file_names, write_text
from optical_hf.metrics.bootstrap import Estimate
from optical_hf.study.config.grid import NO_STUDENT
from optical_hf.study.config.study_config import OWN_INDEX, StudyConfig
from optical_hf.study.report.findings import recovery_sentences, size_sentences, system_sentences
from optical_hf.study.report.runs_table import read_table, write_table
from optical_hf.study.report.study_plots import AXIS, Bar, BitextPoint, Point, plot_pairs, plot_scale
from optical_hf.study.report.study_recovery import Recovery, recoveries
from optical_hf.study.report.study_table import ALL, Condition, StudyTable
from optical_hf.study.report.study_tables import language_levels, study_tables
from optical_hf.study.report.study_tests import SizeTest, SystemTest, size_tests, system_tests
from optical_hf.study.run.launching import RunFolder

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NOTHING = "Nothing to compare yet."


def write_study(config: StudyConfig, entries: Sequence[RunFolder]) -> Path:
    """Write runs.parquet, plots/, report.md and report.html into the study's folder.

    Returns:
        The HTML page.
    """
    output = Path(config.output)
    table = read_table(config, entries)
    write_table(table, output / "runs.parquet")
    write_report(table, output)
    return output / "report.html"


def write_report(table: StudyTable, output: Path) -> None:
    """Write plots/, report.md and report.html from the table of a study."""
    pictures = {name: svg_of(figure) for name, figure in figures(table)}
    for name, svg in pictures.items():
        write_text(output / "plots" / f"{name}.svg", svg)
    tests, shares, about = system_tests(table), recoveries(table), describe(table)
    findings, tables = sections(size_tests(table), tests, shares), study_tables(table, tests, shares)
    markdown = [f"# {table.title}", about]
    for heading, sentences in findings:
        markdown += [f"## {heading}", "\n".join(f"- {sentence}" for sentence in sentences)]
    markdown += [f"![{name}](plots/{name}.svg)" for name in pictures]
    markdown += [table_markdown(part) for part in tables]
    write_text(output / "report.md", "\n\n".join(markdown) + "\n")
    parts = [*findings, *(Picture("", svg) for svg in pictures.values()), *tables]
    write_page(output / "report.html", table.title, about, parts)


def sections(
    sizes: Sequence[SizeTest], systems: Sequence[SystemTest], shares: Sequence[Recovery] = ()
) -> list[Sentences]:
    """What the tests say, in sentences by heading."""
    of_sizes = [sentence for test in sizes for sentence in size_sentences(test)]
    of_systems = [sentence for test in systems for sentence in system_sentences(test)]
    return [
        Sentences("Does a larger student narrow the gap?", of_sizes or [NOTHING]),
        Sentences("Systems against the baselines", of_systems or [NOTHING]),
        Sentences("What share of re-indexing does the old index reach?", list(recovery_sentences(shares)) or [NOTHING]),
    ]


def describe(table: StudyTable) -> str:
    """One paragraph: how much of the study is done, and how it was measured."""
    statuses = table.runs["status"].value_counts()
    done = table.runs.index[table.runs["status"] == "done"].tolist()
    progress = f"{len(done)} of {len(table.runs)} runs are done"
    progress += f", {statuses['failed']} failed (below, with their errors)" if "failed" in statuses else ""
    if done and not table.one_code(done):
        progress += (
            ", by more than one version of this package's code: only runs of one version are tested against each other"
        )
    queries = table.hits.groupby(level="collection", sort=False).size()
    sets = ", ".join(f"{name} ({count:,} queries)" for name, count in queries.items())
    groups = "; ".join(f"{name} {', '.join(codes)}" for name, codes in table.resource_groups._asdict().items() if codes)
    return (
        f"{progress}. Collections: {sets or 'none yet'}. Ties count against the system. Intervals are of {table.rounds:,} "
        "bootstrap rounds by group. Tests are paired sign tests by group, of these runs; hits are averaged over seeds. "
        f"{_about_own_index(table)}Groups of languages by resources: {groups or 'none yet'}. "
        f"Versions: {', '.join(table.versions()) or 'none yet'}."
    )


def _about_own_index(table: StudyTable) -> str:
    """What re-indexing is here, and for whom and where it is not."""
    students = [one for one in table.conditions if one.student != NO_STUDENT and one.system != OWN_INDEX]
    own = [run for one, runs in table.conditions.items() if one.system == OWN_INDEX for run in runs]
    lacking = dict.fromkeys(one.student for one in students if table.own_index(one) is None)
    searched = table.collections([run for one in students for run in table.conditions[one]])
    places = [name for name in searched if name not in table.collections(own)] if own else []
    parts = []
    if own:
        parts.append(
            f"{OWN_INDEX} is re-indexing: the whole checkpoint that students were made from, untrained, reads the documents too, "
            "behind the better of its prompts. It is a run of its own, and no other run is charged for it."
        )
    if lacking:
        parts.append(f"No re-indexing of {', '.join(lacking)}: random weights, not run, or run by other code.")
    if places:
        parts.append(f"No re-indexing on {', '.join(places)}: not run there yet.")
    return "".join(f"{part} " for part in parts)


def figures(table: StudyTable) -> "Iterator[tuple[str, Figure]]":
    """Every plot with the name of its file."""
    made = list(_titled_figures(table))
    names = file_names([title for title, _ in made])
    yield from zip(names, (figure for _, figure in made), strict=True)


def _titled_figures(table: StudyTable) -> "Iterator[tuple[str, Figure]]":
    conditions = table.conditions
    systems = list(dict.fromkeys(condition.system for condition in conditions if condition.system != OWN_INDEX))
    for teacher in dict.fromkeys(condition.teacher for condition in conditions):
        of_teacher = [condition for condition in conditions if condition.teacher == teacher]
        for size in dict.fromkeys(one.size for one in conditions if one.size is not None) or [None]:
            mine = [one for one in of_teacher if one.student != NO_STUDENT and one.size in (size, None)]
            mine = [one for one in mine if one.system != OWN_INDEX]
            for place, collections in table.places(mine).items():
                points, bars = _points(table, mine, collections), _bars(table, mine, collections)
                for against in AXIS:
                    if any(getattr(point, against) > 0 for point in points):
                        where = "all collections" if place == ALL else place
                        pairs = "" if size is None else f", {size:,} pairs a language"
                        name = f"{teacher} {where} {size or ''} {against}".lower()
                        yield name, plot_scale(points, against, systems, f"{teacher}, {where}{pairs}", bars)
        for student in dict.fromkeys(one.student for one in of_teacher if one.system != OWN_INDEX):
            if levels := bitext_points(table, teacher, student):
                title = f"{teacher}, {student}: R@1 against the bitext pairs of the language"
                bars = _language_bars(table, teacher, student)
                yield f"{teacher} {student} pairs".lower(), plot_pairs(levels, systems, title, bars)


def _points(table: StudyTable, conditions: Sequence[Condition], collections: Sequence[str]) -> list[Point]:
    points = []
    for condition in conditions:
        gap = table.gap(condition, collections)
        if gap is not None:
            runs = table.runs.loc[table.conditions[condition]]
            place = runs["backbone_parameters"].iloc[0], runs["flops"].mean()
            points.append(Point(condition.system, condition.budget, *place, gap.gap, gap.low_mean))
    return points


def _bars(table: StudyTable, conditions: Sequence[Condition], collections: Sequence[str]) -> list[Bar]:
    """Re-indexing by the checkpoints of these students."""
    own = dict.fromkeys(one for one in map(table.own_index, conditions) if one is not None)
    gaps = {one: table.gap(one, collections) for one in own}
    return [Bar(f"{OWN_INDEX}, {one.student}", gap.gap, gap.low_mean) for one, gap in gaps.items() if gap is not None]


def _language_bars(table: StudyTable, teacher: str, student: str) -> dict[str, Estimate]:
    """R@1 of re-indexing by language, over the collections of `bitext_points`."""
    mine, shared = _learners(table, teacher, student)
    own = next((one for one in map(table.own_index, mine) if one is not None), None)
    if own is None or not shared or not set(shared) <= set(table.collections(table.conditions[own])):
        return {}
    return language_levels(table.mean_hits(own, shared), table.rounds)


def bitext_points(table: StudyTable, teacher: str, student: str) -> list[BitextPoint]:
    """R@1 by language over the collections that all share, of the trained conditions of a student at the study's first budget,
    and of dictionaries, which need no student."""
    mine, shared = _learners(table, teacher, student)
    points = []
    for condition in mine if shared else ():
        rows = table.rows[table.rows["run"] == table.conditions[condition][0]].dropna(subset=["language"])
        pairs = dict(zip(rows["language"], rows["language_pairs"], strict=True))
        levels = language_levels(table.mean_hits(condition, shared), table.rounds)
        points += [BitextPoint(condition.system, code, pairs.get(code, 0), level) for code, level in levels.items()]
    return points


def _learners(table: StudyTable, teacher: str, student: str) -> tuple[list[Condition], list[str]]:
    """The conditions of a plot against bitext, and the collections that all of them share."""
    first = next((condition.budget for condition in table.conditions if condition.budget), None)
    mine = [
        one
        for one in table.conditions
        if one.teacher == teacher
        and one.student in (student, NO_STUDENT)
        and one.budget in (first, None)
        and table.trained(one)
    ]
    return mine, table.shared_collections(mine)
