"""The plot of docs/claim.md, from what contrastive_map.py printed: recovery by set, and the gap by layers of the student.

    python examples/benchmarks/claim_plot.py claim.svg 12=report12.log 6=report6.log 3=report3.log

Each log is the output of `contrastive_map.py ... --reporting --gap FLORES --seeds 0 1 2`, with `--layers` but for the 12.
"""

import re
import sys
from pathlib import Path
from typing import NamedTuple

from matplotlib.figure import Figure

OURS, RIDGE, OWN = "contrastive, bitext, documents all pseudo-foreign", "ridge, bitext", "re-indexing"
DRAWN = {
    OURS: ("align, bitext and documents", "#0b5cad", "o"),
    "contrastive, bitext": ("align, bitext alone", "#5aa0dc", "s"),
    RIDGE: ("ridge regression", "#8a8a8a", "^"),
    "residual MLP, bitext and documents": ("residual MLP adapter", "#c28f2c", "D"),
    "Procrustes, bitext and documents": ("Procrustes", "#a2533c", "v"),
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
    figure = Figure(figsize=(10, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[2.2, 1])
    columns = list(whole.recovery[OURS])
    for place, (system, (label, colour, mark)) in enumerate(DRAWN.items()):
        for row, column in enumerate(reversed(columns)):
            value, low, high = whole.recovery[system][column]
            height = row + 0.3 - 0.15 * place
            left.plot([low, high], [height, height], color=colour, linewidth=1.4)
            left.plot(value, height, mark, color=colour, markersize=5, label=label if not row else None)
    left.axvline(100, color="black", linewidth=0.8)
    left.set_yticks(range(len(columns)), list(reversed(columns)))
    left.set_xlabel("recovery: R@1 as a share of re-indexing, %")
    left.legend(fontsize=8, loc="upper left")
    for system, label in ((OWN, "re-indexing (12 layers)"), (OURS, DRAWN[OURS][0]), (RIDGE, DRAWN[RIDGE][0])):
        layers = [max(logs)] if system == OWN else sorted(logs)
        shares = [logs[count].gap[system] for count in layers]
        colour = "black" if system == OWN else DRAWN[system][1]
        ends = [[s.value - s.low for s in shares], [s.high - s.value for s in shares]]
        right.errorbar(layers, [s.value for s in shares], ends, color=colour, marker="o", capsize=3, label=label)
    right.set_xticks(sorted(logs))
    right.set_xlabel("layers of the student")
    right.set_ylabel("R@1 gap on FLORES, points")
    right.set_ylim(bottom=0)
    right.legend(fontsize=8)
    figure.savefig(target)


if __name__ == "__main__":
    main()
