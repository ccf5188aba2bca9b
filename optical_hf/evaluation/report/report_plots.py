"""The plots of a report: R@1 by language with intervals, the gap of each system, R@1 against the amount of bitext.

Languages are rows, from the most to the least resources: sixty fit as well as ten, and names are read without turning the
head. Names of languages are English, so any font will do.
"""

import math
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from optical_hf.evaluation.report.plot_style import GREY, GRID, language_label, legend, panels, percents, series_style
from optical_hf.evaluation.report.retrieval_report import RetrievalReport
from optical_hf.files import expand_path, write_whole
from optical_hf.languages import by_canonical_language
from optical_hf.metrics.bootstrap import Estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 7.5
MANY = 25
"""From so many languages on, labels are smaller, a scatter plot is taller, and a long plot has its scale at both ends."""


def plot_recall(report: RetrievalReport) -> "Figure":
    """R@1 of every language with its interval, one series a system, ordered by resource class.

    Example:
        >>> plot_recall(report).savefig("recall.png")  # doctest: +SKIP
    """
    languages, count = report.languages, len(report.systems)
    figure, axes = _plot(len(languages) * (0.13 + 0.08 * count) + 1.2)
    for number, (name, system) in enumerate(report.systems.items()):
        offset = (number - (count - 1) / 2) * 0.7 / count
        values, ends = percents([system.languages[code].recall_at_1 for code in languages])
        axes.errorbar(
            values, [row + offset for row in range(len(languages))], xerr=ends, linestyle="none", markersize=4.5,
            elinewidth=1.1, label=name, clip_on=False, zorder=3, **series_style(number),
        )  # fmt: skip
    axes.set_yticks(range(len(languages)), [language_label(code) for code in languages], fontsize=8)
    axes.set_ylim(len(languages) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    for row, code in enumerate(languages):
        if row % 2:
            axes.axhspan(row - 0.5, row + 0.5, color="#f5f5f5", zorder=0)
        if report.resource_groups is not None:
            place = {"transform": axes.get_yaxis_transform(), "va": "center", "fontsize": 7, "color": GREY}
            axes.text(1.01, row, report.resource_groups.group_of(code), **place)
    _percent_scale(axes, f"R@1 in percent, {100 * report.settings['confidence']:g} % bootstrap intervals by group")
    if len(languages) > MANY:
        axes.tick_params(axis="x", top=True, labeltop=True)
    legend(figure, axes)
    return figure


def plot_gap(report: RetrievalReport) -> "Figure":
    """The gap of every system: R@1 of the low-resource group at one end of a bar, of the high-resource group at the other.

    Raises:
        ValueError: for a report without a gap, with the reason.
    """
    gaps = {name: system.gap for name, system in report.systems.items() if system.gap is not None}
    if not gaps:
        raise ValueError(f"nothing to plot: the report has no gap ({report.no_gap})")
    figure, axes = _plot(0.55 * len(gaps) + 1.4)
    rows, middle = range(len(gaps)), []
    for number, key, label in ((1, "low_mean", "low-resource group"), (0, "high_mean", "high-resource group")):
        values, ends = percents([Estimate(**gap[key]) for gap in gaps.values()])
        axes.errorbar(
            values, rows, xerr=ends, linestyle="none", markersize=7, elinewidth=1.6, label=label, zorder=3,
            clip_on=False, **series_style(number),
        )  # fmt: skip
        middle.append(values)
    for row, (low, high, gap) in enumerate(zip(*middle, gaps.values(), strict=True)):
        axes.plot([low, high], [row, row], color=GREY, linewidth=7, alpha=0.25, zorder=2, solid_capstyle="butt")
        value, below, above = (100 * gap["gap"][part] for part in ("value", "low", "high"))
        axes.annotate(
            f"gap {value:.1f} [{below:.1f}, {above:.1f}]", ((low + high) / 2, row), xytext=(0, 9),
            textcoords="offset points", ha="center", fontsize=8, annotation_clip=False,
        )  # fmt: skip
    axes.set_yticks(rows, list(gaps))
    axes.set_ylim(len(gaps) - 0.4, -0.7)
    _percent_scale(axes, "mean R@1 of the group of languages in percent")
    legend(figure, axes)
    return figure


def plot_bitext(report: RetrievalReport, pairs: Mapping[str, int]) -> "Figure":
    """R@1 of every language against the bitext pairs the student was trained on, on a logarithmic scale.

    Args:
        report: the report.
        pairs: bitext pairs by language; a language that is not named, or has none, stands at the left as "none".

    Raises:
        ValueError: when no language of the report has pairs.
    """
    counts = {code: count for code, count in by_canonical_language(pairs).items() if count > 0}
    seen = [counts[code] for code in report.languages if code in counts]
    if not seen:
        raise ValueError(
            f"none of the languages {', '.join(report.languages)} has bitext pairs; given are {', '.join(pairs) or 'none'}"
        )
    nothing = min(seen) / 4
    places = {code: counts.get(code, nothing) for code in report.languages}
    many = len(places) > MANY
    figure, axes = _plot(6.5 if many else 4.2)
    for number, (name, system) in enumerate(report.systems.items()):
        values, ends = percents([system.languages[code].recall_at_1 for code in places])
        shift = 1.05 ** (number - (len(report.systems) - 1) / 2)  # so that no system hides another
        axes.errorbar(
            [place * shift for place in places.values()], values, yerr=ends, linestyle="none", markersize=4 if many else 6,
            elinewidth=0.5 if many else 1.1, label=name, clip_on=False, zorder=3, **series_style(number),
        )  # fmt: skip
    first = next(iter(report.systems.values()))
    points = {code: (place, first.languages[code].recall_at_1.value) for code, place in places.items()}
    for (x, y), codes in _close_together(points).items():
        axes.annotate(
            ", ".join(codes), (x, 100 * y), xytext=(4, 2) if many else (6, 3), textcoords="offset points",
            fontsize=6.5 if many else 8, zorder=4,
        )  # fmt: skip
    axes.set_xscale("log")
    axes.minorticks_off()
    axes.set_xlim(nothing / 1.6, max(seen) * 2)
    if nothing in places.values():
        ticks = [tick for tick in (10**power for power in range(1, 10)) if nothing * 2 < tick < max(seen) * 2]
        axes.set_xticks([nothing, *ticks], ["none", *(f"{tick:,}" for tick in ticks)])
        axes.axvline(nothing * 2, color=GREY, linewidth=0.8, linestyle=":")
    axes.set_ylim(0, 100)
    axes.set_xlabel("bitext pairs in training")
    axes.set_ylabel("R@1 in percent")
    axes.grid(color=GRID)
    legend(figure, axes)
    return figure


def plots(report: RetrievalReport, pairs: Mapping[str, int] | None = None) -> "dict[str, Figure]":
    """Every plot of a report by its heading: R@1, the gap where there is one, the bitext where pairs are given."""
    figures = {"R@1 by language": plot_recall(report)}
    if report.resource_groups is not None:
        figures["The gap"] = plot_gap(report)
    if pairs is not None:
        figures["R@1 against bitext"] = plot_bitext(report, pairs)
    return figures


def save_plots(
    report: RetrievalReport, folder: str | Path, *, kind: Literal["png", "svg", "pdf"] = "png",
    pairs: Mapping[str, int] | None = None,
) -> list[Path]:  # fmt: skip
    """Write every plot of a report to a folder: `recall`, `gap` where there is one, `bitext` where pairs are given.

    Args:
        report: the report.
        folder: where to; made where it is missing.
        kind: format of the files.
        pairs: bitext pairs by language, as for `plot_bitext`.

    Returns:
        The files.

    Example:
        >>> save_plots(report, "figures", kind="svg")  # doctest: +SKIP
        [PosixPath('figures/recall.svg'), PosixPath('figures/gap.svg')]
    """
    files = {"R@1 by language": "recall", "The gap": "gap", "R@1 against bitext": "bitext"}
    written = []
    for heading, figure in plots(report, pairs).items():
        written.append(expand_path(folder) / f"{files[heading]}.{kind}")
        write_whole(written[-1], partial(figure.savefig, format=kind, dpi=200))
    return written


def _plot(height: float) -> "tuple[Figure, Axes]":
    figure, (axes,) = panels(WIDTH, max(2.2, height))
    return figure, axes


def _percent_scale(axes: "Axes", label: str) -> None:
    axes.set_xlim(0, 100)
    axes.set_xlabel(label)
    axes.grid(axis="x", color=GRID)


def _close_together(points: Mapping[str, tuple[float, float]]) -> dict[tuple[float, float], list[str]]:
    """Labels by the place where they are written; points too close for two labels share one."""
    places: dict[tuple[float, float], list[str]] = {}
    for code, (x, y) in sorted(points.items(), key=lambda item: item[1]):
        near = (place for place in places if abs(math.log(x / place[0])) < 0.15 and abs(y - place[1]) < 0.04)
        places.setdefault(next(near, (x, y)), []).append(code)
    return places
