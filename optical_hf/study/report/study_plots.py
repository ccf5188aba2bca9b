"""The pictures of a study: gap and low-tier R@1 against parameters and against operations, R@1 against the number of pairs.

One line a system, its bootstrap intervals as bars; seeds are put together by query. Knows cells of runs and their figures only.
Needs matplotlib (the extra `viz`).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from optical_hf.evaluation.report.report_plots import COLOURS, GREY, MARKERS
from optical_hf.languages import language_info
from optical_hf.metrics.bootstrap import Estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Against = Literal["parameters", "flops"]
AXIS = {
    "parameters": "parameters of the backbone, without its vocabulary",
    "flops": "operations of closed form and training",
}
NUDGE, APART = 0.015, 1.3
"""Share by which lines stand apart at one place, and by which ticks must to be written."""


@dataclass(frozen=True)
class Point:
    """A cell in a picture: where it stands, and its figures."""

    system: str
    budget: str | None
    parameters: float
    flops: float
    gap: Estimate
    low: Estimate


@dataclass(frozen=True)
class BitextPoint:
    """R@1 of a system in a language with so many pairs of it."""

    system: str
    language: str
    pairs: int
    level: Estimate


def plot_scale(points: Sequence[Point], against: Against, systems: Sequence[str], title: str) -> "Figure":
    """The gap and the R@1 of the low tier, side by side, against size or cost; one line a system (and budget).

    Args:
        points: cells of one teacher, collection and bitext size.
        against: "parameters" or "flops"; a cell without operations (untrained) has no place on that axis.
        systems: in the order of the study, so that a system keeps its colour in every picture.
        title: above both.

    Raises:
        ValueError: no points.
    """
    shown = [point for point in points if getattr(point, against) > 0]
    if not shown:
        raise ValueError(f"nothing to plot: no run has {against}")
    figure, panels = _panels(2, title)
    lines = list(dict.fromkeys((point.system, point.budget) for point in shown))
    budgets = sorted({point.budget for point in shown if point.budget})
    for panel, name, label in zip(
        panels, ("gap", "low"), ("R@1 gap in points", "R@1 of the low tier in percent"), strict=True
    ):
        for number, (system, budget) in enumerate(lines):
            mine = sorted(
                (p for p in shown if (p.system, p.budget) == (system, budget)), key=lambda p: getattr(p, against)
            )
            shift = 1 + NUDGE * (number - (len(lines) - 1) / 2) if against == "parameters" else 1.0
            colour = systems.index(system) if system in systems else len(systems)
            told = f"{system}, {budget}" if budget and len(budgets) > 1 else system
            _line(panel, [getattr(p, against) * shift for p in mine], [getattr(p, name) for p in mine], colour, told,
                  dashed=len(budgets) > 1 and budget != budgets[0])  # fmt: skip
        panel.set_ylabel(label)
        _powers(panel, [getattr(p, against) for p in shown])
        panel.set_xlabel(AXIS[against])
        if name == "low":
            panel.set_ylim(bottom=0)
        else:
            panel.axhline(0, color=GREY, linewidth=0.8)
    _legend(figure, panels[0])
    return figure


def plot_pairs(points: Sequence[BitextPoint], systems: Sequence[str], title: str) -> "Figure":
    """R@1 against the number of pairs, a panel a language, a line a system; languages without bitext stand at the left.

    Raises:
        ValueError: no points.
    """
    if not points:
        raise ValueError("nothing to plot: no trained run has figures by language")
    languages = sorted({p.language for p in points}, key=lambda code: (-language_info(code).tier, code))
    figure, panels = _panels(len(languages), title, columns=3)
    counts = sorted({p.pairs for p in points if p.pairs})
    none = counts[0] / 4 if counts else 1.0
    for panel, code in zip(panels, languages, strict=False):
        for system in dict.fromkeys(p.system for p in points):
            mine = sorted((p for p in points if p.language == code and p.system == system), key=lambda p: p.pairs)
            colour = systems.index(system)
            shift = 1 + NUDGE * (colour - len(systems) / 2)
            _line(panel, [(p.pairs or none) * shift for p in mine], [p.level for p in mine], colour, system)
        panel.set_title(f"{language_info(code).name} ({code})", fontsize=9, loc="left")
        panel.set_xscale("log")
        panel.minorticks_off()
        own = sorted({p.pairs for p in points if p.language == code})  # others run out of bitext at other sizes
        panel.set_xticks(
            [count or none for count in own], [f"{count:,}" if count else "none" for count in own], fontsize=7
        )
        panel.set_xlim(none / 1.5, (counts[-1] if counts else none) * 1.5)
        panel.set_ylim(0, 100)
    for panel in panels[len(languages) :]:
        panel.set_visible(False)
    figure.supylabel("R@1 in percent", fontsize=9)
    _legend(figure, panels[0])
    return figure


def _panels(count: int, title: str, columns: int = 2) -> "tuple[Figure, list[Axes]]":
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415 (an extra)
    except ImportError as error:
        raise ImportError('plots need matplotlib: pip install "optical-hf[viz]"') from error
    rows = math.ceil(count / columns)
    figure = Figure(figsize=(9.0, 0.9 + (3.1 if columns == 2 else 2.1) * rows), layout="constrained")
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    figure.suptitle(title, x=0.01, ha="left", fontsize=10)
    for panel in panels:
        panel.spines[["top", "right"]].set_visible(False)
        panel.grid(color="#e2e2e2")
        panel.set_axisbelow(True)
        panel.tick_params(labelsize=8)
    return figure, panels


def _line(
    panel: "Axes", places: list[float], levels: list[Estimate], number: int, label: str, dashed: bool = False
) -> None:
    values = [100 * level.value for level in levels]
    ends = [
        [100 * (level.value - level.low) for level in levels],
        [100 * (level.high - level.value) for level in levels],
    ]
    panel.errorbar(
        places, values, yerr=ends, color=COLOURS[number % len(COLOURS)], markersize=5,
        marker=MARKERS[(number + number // len(COLOURS)) % len(MARKERS)],
        linewidth=1.4, elinewidth=0.9, capsize=0, label=label, linestyle="--" if dashed else "-",
    )  # fmt: skip


def _powers(panel: "Axes", places: Sequence[float]) -> None:
    """A logarithmic axis whose ticks are the places themselves, where they are few and apart, and round numbers otherwise."""
    panel.set_xscale("log")
    panel.minorticks_off()
    distinct = sorted(set(places))
    apart = all(after / before > APART for before, after in pairwise(distinct))
    if not (apart and len(distinct) <= len(MARKERS)):
        powers = range(math.floor(math.log10(distinct[0])), math.ceil(math.log10(distinct[-1])) + 1)
        rounded = [digit * 10.0**power for power in powers for digit in (1, 2, 5)]
        distinct = [tick for tick in rounded if distinct[0] / APART <= tick <= distinct[-1] * APART]
    panel.set_xticks(distinct, [short_count(place) for place in distinct])
    panel.set_xlim(min(places) / APART, max(places) * APART)


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


def _legend(figure: "Figure", panel: "Axes") -> None:
    handles, labels = panel.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower left", ncols=4, frameon=False, fontsize=8)
