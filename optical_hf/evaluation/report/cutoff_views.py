"""One cut-off for all languages, as a table and as a plot."""

from typing import TYPE_CHECKING

from optical_hf.evaluation.report.plot_style import COLOURS, GREY, GRID, language_label, legend, panels
from optical_hf.evaluation.report.report_tables import DASH, Table, percent
from optical_hf.evaluation.report.retrieval_report import RetrievalReport

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH = 7.5


def cutoff_tables(report: RetrievalReport) -> list[Table]:
    """For each student: scores of right answers by language, and what one cut-off for all languages gives each."""
    return [_table(report, name) for name in report.cutoffs]


def _table(report: RetrievalReport, name: str) -> Table:
    kept = report.cutoffs[name]
    cutoff, wanted = kept["cutoff"], 100 * kept["precision"]
    rows = []
    for code in report.languages:
        row = kept["languages"][code]
        low, middle, high = (f"{value:.3f}" for value in row["right"]) if row["right"] else (DASH,) * 3
        correct = percent(*(row["correct"][part] for part in ("value", "low", "high"))) if row["correct"] else DASH
        own = DASH if row["own_cutoff"] is None else f"{row['own_cutoff']:.3f}"
        rows.append(
            [
                language_label(code),
                low,
                middle,
                high,
                percent(row["answered"]),
                correct,
                own,
                percent(row["own_answered"]),
            ]
        )
    heads = ["language", "10 %", "median", "90 %", "answered", "right", "own cut-off", "answered"]
    if cutoff is None:
        note = f"No cut-off makes {wanted:g} % of the answers of all languages right."
    else:
        note = (
            f"Quantiles of the score of first documents that are right. With the one cut-off {cutoff:.3f}, the lowest that makes "
            f"{wanted:g} % of all answers right: share of queries that get an answer, and how many of these are right, in percent. "
            f"{verdict(report, name)} Own: the same for a cut-off of each language. All are chosen on these very queries."
        )
    return Table(f"One cut-off for all languages? Scores of {name}", heads, rows, note=note)


def verdict(report: RetrievalReport, name: str) -> str:
    """A sentence: in which languages the answers are wrong more often than wanted, as far as the intervals tell."""
    kept = report.cutoffs[name]
    there = {code: row["correct"] for code, row in kept["languages"].items() if row["correct"]}
    worse = [code for code in report.languages if code in there and there[code]["high"] < kept["precision"]]
    silent = [code for code in report.languages if code not in there]
    said = f"It does not serve {', '.join(worse)}." if worse else "No language is shown to be below that."
    return f"{said} {', '.join(silent)} gets no answer." if silent else said


def plot_cutoffs(report: RetrievalReport, name: str) -> "Figure":
    """Scores of right and wrong first documents by language, 10 % to 90 %, with the one cut-off.

    Args:
        report: the report.
        name: of a student with cut-offs.

    Example:
        >>> plot_cutoffs(report, "student").savefig("cutoff.png")  # doctest: +SKIP
    """
    kept = report.cutoffs[name]
    languages = report.languages
    figure, (axes,) = panels(WIDTH, max(2.2, 0.26 * len(languages) + 1.2))
    for shift, kind, colour in ((-0.14, "right", COLOURS[0]), (0.14, "wrong", COLOURS[1])):
        drawn = [
            (row + shift, spread) for row, code in enumerate(languages) if (spread := kept["languages"][code][kind])
        ]
        for label, (place, (low, middle, high)) in enumerate(drawn):
            axes.plot([low, high], [place, place], color=colour, linewidth=2.5, alpha=0.6, solid_capstyle="butt")
            axes.plot(middle, place, "o", color=colour, markersize=4, label=None if label else f"first document {kind}")
    if kept["cutoff"] is not None:
        axes.axvline(
            kept["cutoff"], color=GREY, linestyle="--", linewidth=1, label=f"cut-off for {kept['precision']:.0%}"
        )
    axes.set_yticks(range(len(languages)), [language_label(code) for code in languages], fontsize=8)
    axes.set_ylim(len(languages) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(f"score of the first document ({name}), 10 % to 90 % of the queries, dot at the median")
    axes.grid(axis="x", color=GRID)
    legend(figure, axes)
    return figure
