"""The plots of a study: the gap and low-resource R@1 against parameters and operations, R@1 against the number of pairs.

One line a system, its bootstrap intervals as bars; hits are averaged over seeds.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, NamedTuple

from optical_hf.evaluation.report.plot_style import (
    GREY,
    GRID,
    MARKERS,
    by_resources,
    language_label,
    legend,
    panels,
    percents,
    series_style,
)
from optical_hf.metrics.bootstrap import Estimate
from optical_hf.study.config.study_config import OWN_INDEX

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Against = Literal["parameters", "flops"]
AXIS: dict[Against, str] = {
    "parameters": "parameters of the backbone, without its vocabulary",
    "flops": "operations of closed form and training",
}
DOTTED = (":", "-.", (0, (5, 5)))
NUDGE, APART = 0.015, 1.3
"""Share by which lines stand apart at one place, and by which ticks must to be written."""


class Point(NamedTuple):
    """A condition in a plot: where it stands, and its figures."""

    system: str
    budget: str | None
    parameters: float
    flops: float
    gap: Estimate
    low: Estimate


class BitextPoint(NamedTuple):
    """R@1 of a system in a language with so many pairs of it."""

    system: str
    language: str
    pairs: int
    level: Estimate


class Bar(NamedTuple):
    """Re-indexing: the same for every student of a checkpoint."""

    name: str
    gap: Estimate
    low: Estimate


def plot_scale(
    points: Sequence[Point], against: Against, systems: Sequence[str], title: str, bars: Sequence[Bar] = ()
) -> "Figure":
    """The gap and the R@1 of the low-resource group, side by side, against size or cost; one line a system and budget.

    Args:
        points: conditions of one teacher, collection and bitext size.
        against: "parameters" or "flops"; a condition without operations (untrained) has no place on that axis.
        systems: in the order of the study, so that a system keeps its colour in every plot.
        title: above both.
        bars: horizontal lines.

    Raises:
        ValueError: no points.
    """
    shown = sorted(
        (point for point in points if getattr(point, against) > 0), key=lambda point: getattr(point, against)
    )
    if not shown:
        raise ValueError(f"nothing to plot: no run has {against}")
    figure, (left, right) = _panels(2, title)
    lines = sorted(
        {(point.system, point.budget or "") for point in shown}, key=lambda line: (systems.index(line[0]), line[1])
    )
    budgets = sorted({budget for _, budget in lines if budget})
    for number, (system, budget) in enumerate(lines):
        mine = [point for point in shown if (point.system, point.budget or "") == (system, budget)]
        shift = 1 + NUDGE * (number - (len(lines) - 1) / 2) if against == "parameters" else 1.0
        places = [getattr(point, against) * shift for point in mine]
        name = f"{system}, {budget}" if budget and len(budgets) > 1 else system
        dashed = len(budgets) > 1 and budget != budgets[0]
        for panel, levels in ((left, [point.gap for point in mine]), (right, [point.low for point in mine])):
            _line(panel, places, levels, systems.index(system), name, dashed)
    for number, bar in enumerate(bars):
        for panel, level in ((left, bar.gap), (right, bar.low)):
            _horizontal(panel, level, bar.name, number)
    left.set_ylabel("R@1 gap in points")
    left.axhline(0, color=GREY, linewidth=0.8)
    right.set_ylabel("R@1 of the low-resource group in percent")
    right.set_ylim(bottom=0)
    for panel in (left, right):
        _powers(panel, [getattr(point, against) for point in shown])
        panel.set_xlabel(AXIS[against])
    legend(figure, left, "outside lower left")
    return figure


def plot_pairs(
    points: Sequence[BitextPoint], systems: Sequence[str], title: str, bars: Mapping[str, Estimate] | None = None
) -> "Figure":
    """R@1 against the number of pairs, a panel a language, a line a system; languages without bitext stand at the left.

    Args:
        points: of one teacher and student.
        systems: in the order of the study.
        title: above all.
        bars: R@1 of re-indexing by language, as horizontal lines.

    Raises:
        ValueError: no points.
    """
    if not points:
        raise ValueError("nothing to plot: no trained run has figures by language")
    languages = by_resources([point.language for point in points])
    figure, made = _panels(len(languages), title, columns=3)
    counts = sorted({point.pairs for point in points if point.pairs})
    none = counts[0] / 4 if counts else 1.0
    for panel, code in zip(made, languages, strict=False):
        here = sorted((point for point in points if point.language == code), key=lambda point: point.pairs)
        for system in dict.fromkeys(point.system for point in points):
            mine, number = [point for point in here if point.system == system], systems.index(system)
            shift = 1 + NUDGE * (number - len(systems) / 2)
            places = [(point.pairs or none) * shift for point in mine]
            _line(panel, places, [point.level for point in mine], number, system)
        if bars and code in bars:
            _horizontal(panel, bars[code], OWN_INDEX)
        panel.set_title(language_label(code), fontsize=9, loc="left")
        panel.set_xscale("log")
        panel.minorticks_off()
        own = {point.pairs or none: f"{point.pairs:,}" if point.pairs else "none" for point in here}
        panel.set_xticks(list(own), list(own.values()), fontsize=7)  # languages run out of bitext at different sizes
        panel.set_xlim(none / 1.5, (counts[-1] if counts else none) * 1.5)
        panel.set_ylim(0, 100)
    for panel in made[len(languages) :]:
        panel.set_visible(False)
    figure.supylabel("R@1 in percent", fontsize=9)
    legend(figure, made[0], "outside lower left")
    return figure


def short_count(value: float) -> str:
    """A large number for people.

    Example:
        >>> short_count(21_300_000), short_count(3.2e12), short_count(950)
        ('21.3 M', '3.2 T', '950')
    """
    for size, letter in ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.1f} {letter}"
    return f"{value:.0f}"


def _panels(count: int, title: str, columns: int = 2) -> "tuple[Figure, list[Axes]]":
    rows = math.ceil(count / columns)
    figure, made = panels(9.0, 0.9 + (3.1 if columns == 2 else 2.1) * rows, rows, columns)
    figure.suptitle(title, x=0.01, ha="left", fontsize=10)
    for panel in made:
        panel.grid(color=GRID)
    return figure, made


def _line(
    panel: "Axes", places: list[float], levels: Sequence[Estimate], number: int, label: str, dashed: bool = False
) -> None:
    values, ends = percents(levels)
    panel.errorbar(
        places, values, yerr=ends, markersize=5, linewidth=1.4, elinewidth=0.9, label=label,
        linestyle="--" if dashed else "-", **series_style(number),
    )  # fmt: skip


def _horizontal(panel: "Axes", level: Estimate, label: str, number: int = 0) -> None:
    """A level that does not change along the axis, with its interval as a band."""
    (value,), ((below,), (above,)) = percents([level])
    panel.axhline(value, color=GREY, linewidth=1.2, linestyle=DOTTED[number % len(DOTTED)], label=label)
    panel.axhspan(value - below, value + above, color=GREY, alpha=0.12, linewidth=0)


def _powers(panel: "Axes", places: Sequence[float]) -> None:
    """A logarithmic axis whose ticks are the places themselves, where they are few and apart, and round numbers otherwise."""
    panel.set_xscale("log")
    panel.minorticks_off()
    ticks = sorted(set(places))
    if len(ticks) > len(MARKERS) or any(after / before <= APART for before, after in pairwise(ticks)):
        ticks = [tick for tick in _round_numbers(ticks[-1] * APART) if tick >= ticks[0] / APART]
    panel.set_xticks(ticks, [short_count(tick) for tick in ticks])
    panel.set_xlim(min(places) / APART, max(places) * APART)


def _round_numbers(most: float) -> Iterator[float]:
    """1, 2, 5, 10, 20, 50 and so on."""
    powers = range(math.ceil(math.log10(most)) + 1)
    yield from (digit * 10.0**power for power in powers for digit in (1, 2, 5) if digit * 10.0**power <= most)
