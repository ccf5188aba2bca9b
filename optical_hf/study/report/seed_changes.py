"""How the gap changes from one cell to another over seeds and queries, where both were run with the same seeds.

The tests of a study are of the runs at hand; another seed may be luckier. Knows cells and hits; the interval is that of
`optical_hf.metrics.seeds`.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from optical_hf.metrics.bootstrap import Estimate, resampled_means
from optical_hf.metrics.observations import observe
from optical_hf.metrics.seeds import over_seeds
from optical_hf.metrics.significance import align_queries, gap_contrast
from optical_hf.metrics.tiers import Tiers
from optical_hf.study.report.conditions import mean_hits, same_draws
from optical_hf.study.report.runs_table import FinishedRun, Hits


def gap_change_over_seeds(
    runs: Sequence[FinishedRun], others: Sequence[FinishedRun], collections: Sequence[str], tiers: Tiers, rounds: int
) -> Estimate | None:
    """The change of the gap with its interval over seeds and queries; None without two seeds to compare on.

    A cell that learns nothing is the same for every seed: its one run stands against each of the others.

    Args:
        runs: of the cell.
        others: of the cell it is compared with.
        collections: whose queries count; runs that did not search all of them are left out.
        tiers: of their languages.
        rounds: of the bootstrap.
    """
    first, second = (
        {done.run.seed: mean_hits([done], collections) for done in cell if set(collections) <= set(done.reports)}
        for cell in same_draws(runs, others)
    )
    learns = others[0].run.system.trained
    seeds = sorted(first.keys() & second.keys() if learns else first)
    if not runs[0].run.system.trained or len(seeds) < 2 or not second:
        return None
    sample = first[seeds[0]]
    fixed = next(iter(second.values()))
    hits = [*(first[seed] for seed in seeds), *(second[seed] if learns else fixed for seed in seeds)]
    aligned = [_in_order(part, sample) for part in hits]
    changes = observe(aligned, sample.languages.tolist(), sample.groups.tolist()).difference()
    resampled = resampled_means(changes, rounds, seed=0)
    return over_seeds(changes, resampled, gap_contrast(changes.languages, tiers)).estimate(0.95)


def _in_order(hits: Hits, sample: Hits) -> NDArray[np.float64]:
    return hits.hits[align_queries(sample.ids, hits.ids)]
