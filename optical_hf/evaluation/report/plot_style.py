"""What the plots of reports and studies share: panels, colours, markers, error bars, legends."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from optical_hf.extras import import_extra
from optical_hf.languages import language_info
from optical_hf.metrics.bootstrap import Estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito 2008: colour-blind readers can tell them apart; the markers differ as well."""
MARKERS = "osD^vPX"
GREY, GRID = "#6e6e6e", "#e2e2e2"


def panels(width: float, height: float, rows: int = 1, columns: int = 1) -> "tuple[Figure, list[Axes]]":
    """A figure and its panels, row by row.

    Raises:
        ImportError: matplotlib is not installed.
    """
    matplotlib = import_extra("matplotlib.figure", "viz", "a plot")
    figure = matplotlib.Figure(figsize=(width, height), layout="constrained")
    made = list(figure.subplots(rows, columns, squeeze=False).flat)
    for panel in made:
        panel.spines[["top", "right"]].set_visible(False)
        panel.set_axisbelow(True)
        panel.tick_params(labelsize=8)
        panel.xaxis.label.set_size(9)
        panel.yaxis.label.set_size(9)
    return figure, made


def series_style(number: int) -> dict[str, str]:
    """Colour and marker of a series; the markers shift when the colours begin again."""
    shifted = number + number // len(COLOURS)
    return {"color": COLOURS[number % len(COLOURS)], "marker": MARKERS[shifted % len(MARKERS)]}


def percents(estimates: Sequence[Estimate]) -> tuple[list[float], list[list[float]]]:
    """Values in percent, and how far their intervals reach below and above; 0 where there is none."""
    below = [0.0 if part.low is None else max(0.0, 100 * (part.value - part.low)) for part in estimates]
    above = [0.0 if part.high is None else max(0.0, 100 * (part.high - part.value)) for part in estimates]
    return [100 * part.value for part in estimates], [below, above]


def language_label(code: str) -> str:
    """The English name of a language with its code.

    Example:
        >>> language_label("so")
        'Somali (so)'
    """
    return f"{language_info(code).name} ({code})"


def by_resources(codes: Sequence[str]) -> list[str]:
    """Languages, each once, from the most to the least resources (class of Joshi et al. 2020), then by code.

    Example:
        >>> by_resources(["so", "de", "so"])
        ['de', 'so']
    """
    return sorted(set(codes), key=lambda code: (-language_info(code).resource_class, code))


def legend(figure: "Figure", panel: "Axes", where: str = "outside upper left") -> None:
    """The series of a panel, beside the panels."""
    handles, labels = panel.get_legend_handles_labels()
    figure.legend(handles, labels, loc=where, ncols=4, frameon=False, fontsize=8)
