"""The pictures of a report: R@1 by language with intervals, the gap as a dumbbell, R@1 against the amount of bitext.

Languages are rows, from the most to the least resources, so that sixty fit as well as ten and names are read without
turning the head. Knows the report only. Needs matplotlib (the extra `viz`); names are English, so any font will do.
"""

import math
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from optical_hf.evaluation.report.retrieval_report import RetrievalReport
from optical_hf.files import expand_path, write_whole
from optical_hf.languages import by_canonical_language, language_info

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito 2008: told apart by colour-blind readers too; the markers differ as well."""
MARKERS = "osD^vPX"
GREY = "#8a8a8a"
WIDTH = 7.5
MANY = 25
"""From so many languages on, labels are smaller, a scatter plot is taller, and a long plot has its scale at both ends."""


def plot_recall(report: RetrievalReport) -> "Figure":
    """R@1 of every language with its interval, one series a system, ordered by resource class.

    Example:
        >>> plot_recall(report).savefig("recall.png")  # doctest: +SKIP
    """
    languages, systems = report.languages, report.systems
    figure, axes = _figure(len(languages) * (0.13 + 0.08 * len(systems)) + 1.2)
    step = 0.7 / max(1, len(systems))
    for number, (name, system) in enumerate(systems.items()):
        offset = (number - (len(systems) - 1) / 2) * step
        levels = [system.languages[code].recall_at_1 for code in languages]
        rows = [row + offset for row in range(len(languages))]
        values = [100 * level.value for level in levels]
        lower = [
            value - 100 * level.low if level.low is not None else 0 for value, level in zip(values, levels, strict=True)
        ]
        upper = [
            100 * level.high - value if level.high is not None else 0
            for value, level in zip(values, levels, strict=True)
        ]
        axes.errorbar(
            values,
            rows,
            xerr=[lower, upper],
            fmt=MARKERS[number % len(MARKERS)],
            color=_colour(number),
            markersize=4.5,
            elinewidth=1.1,
            capsize=0,
            label=name,
            clip_on=False,
            zorder=3,
        )
    _language_rows(axes, languages)
    _tier_bands(axes, report, languages)
    axes.set_xlim(0, 100)
    axes.set_xlabel(f"R@1 in percent, {100 * report.settings['confidence']:g} % bootstrap intervals by group")
    if len(languages) > MANY:
        axes.tick_params(axis="x", top=True, labeltop=True)
    _legend(figure, axes)
    return figure


def plot_gap(report: RetrievalReport) -> "Figure":
    """The gap of every system as a dumbbell: R@1 of the low tier at one end, of the high tier at the other.

    Raises:
        ValueError: for a report without a gap, with the reason.
    """
    gaps = {name: system.gap for name, system in report.systems.items() if system.gap is not None}
    if not gaps:
        raise ValueError(f"nothing to plot: the report has no gap ({report.no_gap})")
    figure, axes = _figure(0.55 * len(gaps) + 1.4)
    for row, gap in enumerate(gaps.values()):
        ends = {
            key: {part: 100 * value for part, value in gap[key].items()} for key in ("low_mean", "high_mean", "gap")
        }
        low, high = ends["low_mean"], ends["high_mean"]
        axes.plot([low["value"], high["value"]], [row, row], color=GREY, linewidth=2.5, zorder=2, solid_capstyle="butt")
        for end, number, label in ((low, 1, "low tier"), (high, 0, "high tier")):
            axes.plot([end["low"], end["high"]], [row, row], color=_colour(number), linewidth=7, alpha=0.25, zorder=1)
            axes.plot(
                end["value"],
                row,
                MARKERS[number],
                color=_colour(number),
                markersize=8,
                zorder=3,
                label=label if row == 0 else None,
            )
        text = f"gap {ends['gap']['value']:.1f} [{ends['gap']['low']:.1f}, {ends['gap']['high']:.1f}]"
        axes.annotate(
            text,
            ((low["value"] + high["value"]) / 2, row),
            xytext=(0, 9),
            textcoords="offset points",
            ha="center",
            fontsize=8,
            annotation_clip=False,
        )
    axes.set_yticks(range(len(gaps)), list(gaps))
    axes.set_ylim(len(gaps) - 0.4, -0.7)
    axes.set_xlim(0, 100)
    axes.set_xlabel("mean R@1 of the tier in percent")
    axes.grid(axis="x", color="#e2e2e2")
    _legend(figure, axes)
    return figure


def plot_bitext(report: RetrievalReport, pairs: Mapping[str, int]) -> "Figure":
    """R@1 of every language against the bitext pairs the student was trained on, on a logarithmic scale.

    Args:
        report: the report.
        pairs: bitext pairs by language; a language that is not named, or has none, stands at the left as "none".

    Raises:
        ValueError: when no language of the report has pairs.
    """
    counts = by_canonical_language(pairs)
    seen = [counts[code] for code in report.languages if counts.get(code, 0) > 0]
    if not seen:
        raise ValueError(
            f"none of the languages {', '.join(report.languages)} has bitext pairs; "
            f"given are {', '.join(counts) or 'none'}"
        )
    nothing = min(seen) / 4
    many = len(report.languages) > MANY
    figure, axes = _figure(6.5 if many else 4.2)
    for number, (name, system) in enumerate(report.systems.items()):
        for place, code in enumerate(report.languages):
            level = system.languages[code].recall_at_1
            x, y = max(counts.get(code, 0), nothing), 100 * level.value
            axes.plot(
                x,
                y,
                MARKERS[number % len(MARKERS)],
                color=_colour(number),
                markersize=4 if many else 6,
                zorder=3,
                clip_on=False,
                label=name if place == 0 else None,
            )
            if level.low is not None and level.high is not None:
                axes.plot(
                    [x, x],
                    [100 * level.low, 100 * level.high],
                    color=_colour(number),
                    linewidth=0.5 if many else 1.1,
                    zorder=2,
                )
    first = next(iter(report.systems.values()))
    points = {
        code: (max(counts.get(code, 0), nothing), first.languages[code].recall_at_1.value) for code in first.languages
    }
    for place, codes in _close_together(points).items():
        axes.annotate(
            ", ".join(codes),
            (place[0], 100 * place[1]),
            xytext=(4, 2) if many else (6, 3),
            textcoords="offset points",
            fontsize=6.5 if many else 8,
            zorder=4,
        )
    axes.set_xscale("log")
    axes.minorticks_off()
    axes.set_xlim(nothing / 1.6, max(seen) * 2)
    if any(counts.get(code, 0) == 0 for code in report.languages):
        ticks = [tick for tick in (10**power for power in range(1, 10)) if nothing * 2 < tick < max(seen) * 2]
        axes.set_xticks([nothing, *ticks], ["none", *(f"{tick:,}" for tick in ticks)])
        axes.axvline(nothing * 2, color=GREY, linewidth=0.8, linestyle=":")
    axes.set_ylim(0, 100)
    axes.set_xlabel("bitext pairs in training")
    axes.set_ylabel("R@1 in percent")
    axes.grid(color="#e2e2e2")
    _legend(figure, axes)
    return figure


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
    figures = {"recall": plot_recall(report)}
    if report.tiers is not None:
        figures["gap"] = plot_gap(report)
    if pairs is not None:
        figures["bitext"] = plot_bitext(report, pairs)
    folder = expand_path(folder)
    for name, figure in figures.items():
        write_whole(folder / f"{name}.{kind}", partial(figure.savefig, format=kind, dpi=200))
    return [folder / f"{name}.{kind}" for name in figures]


def _figure(height: float) -> "tuple[Figure, Axes]":
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415 (an extra)
    except ImportError as error:
        raise ImportError('plots need matplotlib: pip install "optical-hf[viz]"') from error
    figure = Figure(figsize=(WIDTH, max(2.2, height)), layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)
    return figure, axes


def _close_together(points: Mapping[str, tuple[float, float]]) -> dict[tuple[float, float], list[str]]:
    """Labels by the place where they are written; points too close for two labels share one."""
    places: dict[tuple[float, float], list[str]] = {}
    for code, (x, y) in sorted(points.items(), key=lambda item: item[1]):
        near = (place for place in places if abs(math.log(x / place[0])) < 0.15 and abs(y - place[1]) < 0.04)
        places.setdefault(next(near, (x, y)), []).append(code)
    return places


def _language_rows(axes: "Axes", languages: list[str]) -> None:
    axes.set_yticks(range(len(languages)), [f"{language_info(code).name} ({code})" for code in languages], fontsize=8)
    axes.set_ylim(len(languages) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="#e2e2e2")
    for row in range(1, len(languages), 2):
        axes.axhspan(row - 0.5, row + 0.5, color="#f5f5f5", zorder=0)


def _tier_bands(axes: "Axes", report: RetrievalReport, languages: list[str]) -> None:
    """Say at the right which tier a row is in, where there are tiers."""
    if report.tiers is None:
        return
    for row, code in enumerate(languages):
        axes.text(
            1.01,
            row,
            report.tiers.tier(code),
            transform=axes.get_yaxis_transform(),
            va="center",
            fontsize=7,
            color=GREY,
        )


def _legend(figure: "Figure", axes: "Axes") -> None:
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=4, frameon=False, fontsize=8)


def _colour(number: int) -> Any:
    return COLOURS[number % len(COLOURS)]
