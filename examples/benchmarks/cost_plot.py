"""The curve of docs/claim.md: recovery against the seconds of a core, from what backbone.py printed; re-indexing on the same axis.

    python examples/benchmarks/cost_plot.py curve.svg backbone.log [--before 1018 --texts-a-second 50]

The log is the output of `backbone.py ... --steps 0 1000 --at 120 240 500`. The seconds before the steps, in which both models read
bitext and documents and the map is fitted, and the texts that a re-indexing model reads a second, are those of
docs/log/2026-11/alignment.md, measured on 100,000 sentences. Re-indexing is computed from them.
"""

import argparse
import re
from pathlib import Path

from optical_hf.evaluation.report.html_page import svg_of
from optical_hf.evaluation.report.plot_style import GREY, panels, series_style

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("target", type=Path, help="the plot, svg")
parser.add_argument("log", type=Path, help="what backbone.py printed")
parser.add_argument("--before", type=float, default=1018, help="seconds until the map is fitted")
parser.add_argument("--texts-a-second", type=float, default=50, help="that re-indexing reads")
parser.add_argument("--documents", type=int, nargs="+", default=[10**4, 10**5, 10**6], help="that are re-indexed")
options = parser.parse_args()

lines = options.log.read_text(encoding="utf-8").splitlines()
heads = [cell.strip() for cell in next(line for line in lines if line.startswith("| |")).split("|")[2:-2]]
rows = [line.strip("| ").split("|") for line in lines if line.startswith("| the map")]
seconds = [options.before + float(row[-1]) for row in rows]

figure, (axes,) = panels(7, 4.4, columns=1)
drawn = [(place, head.removesuffix(", foreign")) for place, head in enumerate(heads) if head.endswith("foreign")]
for number, (place, name) in enumerate(drawn):
    values = [float(re.search(r"\((\d+)%\)", row[place + 1])[1]) for row in rows]  # type: ignore[index]
    axes.plot(seconds, values, markersize=4, label=name, **series_style(number))
axes.axhline(100, color=GREY)
for count in options.documents:
    spent = count / options.texts_a_second
    axes.plot([spent], [100], marker="D", color=GREY)
    axes.annotate(f"re-indexing {count:,}", (spent, 100), (0, -14), textcoords="offset points", ha="center", fontsize=8)
axes.set_xscale("log")
axes.set_xlim(options.documents[0] / options.texts_a_second / 3, options.documents[-1] / options.texts_a_second * 3)
axes.set_xlabel("seconds of one core")
axes.set_ylabel("recovery, %")
axes.legend(fontsize=8, loc="lower left")
options.target.write_text(svg_of(figure), encoding="utf-8")
