"""The plot of docs/claim.md, from what contrastive_map.py printed: recovery by set, and the gap by layers of the student.

    python examples/benchmarks/claim_plot.py claim.svg 12=report12.log 6=report6.log 3=report3.log

Each log is the output of `contrastive_map.py ... --reporting --gap FLORES --seeds 0 1 2`, with `--layers` but for the 12.
"""

import re
import sys
from pathlib import Path
from typing import NamedTuple

from optical_hf.evaluation.report.html_page import svg_of
from optical_hf.evaluation.report.plot_style import GREY, panels, series_style

OURS, RIDGE, OWN = "contrastive, bitext, documents all pseudo-foreign", "ridge, bitext", "re-indexing"
DRAWN = {
    OURS: "align, bitext and documents",
    RIDGE: "ridge regression",
    "contrastive, bitext": "align, bitext alone",
    "residual MLP, bitext and documents": "residual MLP adapter",
    "Procrustes, bitext and documents": "Procrustes",
}


class Share(NamedTuple):
    """A figure and its 95 % interval."""

    value: float
    low: float
    high: float


class Log(NamedTuple):
    """By system: recovery by column, and the gap."""

    columns: list[str]
    recovery: dict[str, dict[str, Share]]
    gap: dict[str, Share]


def read(file: Path) -> Log:
    columns: list[str] = []
    recovery: dict[str, dict[str, Share]] = {}
    gap: dict[str, Share] = {}
    name = ""
    for line in file.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("| ").split("|")]
        if line.startswith("| |"):
            columns = [cell.strip() for cell in line.split("|")[2:-1]]
        elif line.startswith("| "):
            name = cells[0]
            found = {
                column: re.search(r"\((\d+)%, (\d+) to (\d+)\)", cell)
                for column, cell in zip(columns, cells[1:], strict=False)
            }
            recovery[name] = {column: Share(*map(float, hit.groups())) for column, hit in found.items() if hit}
        elif hit := re.match(r"\s+gap .*: ([-\d.]+) \[([-\d.]+), ([-\d.]+)\]", line):
            gap[name] = Share(*map(float, hit.groups()))
    return Log(columns, recovery, gap)


def main() -> None:
    target, *given = sys.argv[1:]
    logs = {int(layers): read(Path(file)) for layers, file in (one.split("=", 1) for one in given)}
    whole = logs[max(logs)]
    figure, (left, right) = panels(10, 4.6, columns=2)
    columns = list(whole.recovery[OURS])
    for place, (system, label) in enumerate(DRAWN.items()):
        values, ends = drawn([whole.recovery[system][column] for column in columns])
        heights = [-row - 0.15 * place for row in range(len(columns))]
        left.errorbar(values, heights, xerr=ends, label=label, linestyle="", markersize=4, **series_style(place))
    left.axvline(100, color=GREY)
    left.set_yticks([-row - 0.3 for row in range(len(columns))], columns)
    left.set_xlim(left=0)  # room for the legend
    left.set_xlabel("recovery: R@1 as a share of re-indexing, %")
    for place, (system, label) in enumerate([(OURS, DRAWN[OURS]), (RIDGE, DRAWN[RIDGE])]):
        layers = sorted(logs)
        values, ends = drawn([logs[count].gap[system] for count in layers])
        right.errorbar(layers, values, yerr=ends, label=label, capsize=3, **series_style(place))
    right.axhline(whole.gap[OWN].value, color=GREY, label="re-indexing, 12 layers")
    right.set_xticks(sorted(logs))
    right.set_xlabel("layers of the student")
    right.set_ylabel("R@1 gap on FLORES, points")
    right.set_ylim(bottom=0)
    for axes, corner in ((left, "upper left"), (right, "lower left")):
        axes.legend(fontsize=8, loc=corner)
    Path(target).write_text(svg_of(figure), encoding="utf-8")


def drawn(shares: list[Share]) -> tuple[list[float], list[list[float]]]:
    """Values, and how far their intervals reach, below and above."""
    ends = [[share.value - share.low for share in shares], [share.high - share.value for share in shares]]
    return [share.value for share in shares], ends


if __name__ == "__main__":
    main()
