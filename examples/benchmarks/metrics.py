"""The gap metric against a loop over rounds with numpy, and scipy.stats.bootstrap, in one run.

    python examples/benchmarks/metrics.py            # the full size: 10^6 queries, 50 languages, 10,000 rounds
    python examples/benchmarks/metrics.py --quick    # a tenth of the groups and rounds

Four layouts of the same number of queries: every image asked for in all languages (one draw for all), hits that stand
alone (a draw a language), the same with graded hits, and five captions an image within a language. The peers do a few
rounds only, since all of them take long; their time is scaled to the whole, setup once. Accuracy: interval widths.
Ratios are of processor time, which other work on the machine disturbs less. Set OMP_NUM_THREADS=1 for one thread.
"""

import argparse
import multiprocessing
import platform
import resource
import time

import numpy as np
import scipy
from scipy.stats import bootstrap

from optical_hf.metrics.gap import cross_lingual_gap
from optical_hf.metrics.significance import compare_systems

LANGUAGES = 50
REPEATS = 3
PEER_ROUNDS = 10
CHECK_ROUNDS = 400


def queries(layout, images):
    """Hits, language and group of each query; levels of languages rise from 0.3 to 0.8 of the image's own."""
    rng = np.random.default_rng(0)
    names = np.array([f"l{i:02}" for i in range(LANGUAGES)])
    captions = 5 if layout == "captions" else 1
    shape = images // captions, LANGUAGES, captions
    ease = rng.beta(2, 2, (shape[0], 1 if layout == "shared" else LANGUAGES, 1))
    hits = (rng.random(shape) < ease * np.linspace(0.3, 0.8, LANGUAGES)[:, None]).astype(float)
    if layout == "graded":
        hits *= rng.random(shape)
    image = np.arange(shape[0])[:, None, None]
    own = image * LANGUAGES + np.arange(LANGUAGES)[:, None]
    groups = np.broadcast_to(image if layout == "shared" else own, shape)
    return hits.ravel(), np.broadcast_to(names[:, None], shape).ravel(), groups.ravel(), names


def resource_groups(names):
    return {"high": list(names[LANGUAGES // 2 :]), "low": list(names[: LANGUAGES // 2])}


def ours(hits, languages, groups, names, rounds):
    report = cross_lingual_gap(hits, languages, groups=groups, rounds=rounds, **resource_groups(names))
    return report.gap.high - report.gap.low


def our_comparison(hits, languages, groups, names, rounds):
    """The paired test of the same size, against a system that differs in a tenth of the hits."""
    other = np.where(np.random.default_rng(2).random(len(hits)) < 0.1, 1 - hits, hits)
    result = compare_systems(hits, other, languages, groups=groups, rounds=rounds, **resource_groups(names))
    return result.gap_change.high - result.gap_change.low


def numpy_loop(hits, languages, groups, names, rounds):
    """The plain way: in each round draw groups with replacement, sum them, take the means of the languages."""
    masks = [languages == name for name in names]
    codes = [np.unique(groups[mask], return_inverse=True)[1] for mask in masks]
    totals = [np.bincount(code, weights=hits[mask]) for code, mask in zip(codes, masks, strict=True)]
    counts = [np.bincount(code).astype(float) for code in codes]
    shared = len(np.unique(groups)) == len(totals[0])
    totals_GL, counts_GL = (np.stack(parts, axis=1) if shared else None for parts in (totals, counts))
    rng = np.random.default_rng(1)
    gaps = np.empty(rounds)
    for i in range(rounds):
        if shared:
            drawn = rng.integers(len(totals_GL), size=len(totals_GL))
            means = totals_GL[drawn].sum(axis=0) / counts_GL[drawn].sum(axis=0)
        else:
            draws = [rng.integers(len(total), size=len(total)) for total in totals]
            means = np.array([t[d].sum() / c[d].sum() for t, c, d in zip(totals, counts, draws, strict=True)])
        gaps[i] = means[LANGUAGES // 2 :].mean() - means[: LANGUAGES // 2].mean()
    return np.diff(np.quantile(gaps, [0.025, 0.975]))[0]


def scipy_bootstrap(hits, languages, groups, names, rounds):
    """scipy.stats.bootstrap of the gap where it can: one sample a language (unpaired) or rows of an image (paired)."""

    def gap(*samples, axis=-1):
        means = np.stack([sample.mean(axis=axis) for sample in samples])
        return means[LANGUAGES // 2 :].mean(axis=0) - means[: LANGUAGES // 2].mean(axis=0)

    samples = [hits[languages == name] for name in names]
    paired = len(np.unique(groups)) < len(groups)
    result = bootstrap(
        samples, gap, n_resamples=rounds, paired=paired, vectorized=True, batch=1, method="percentile", rng=1
    )
    return result.confidence_interval.high - result.confidence_interval.low


def measured(function, *arguments):
    """Seconds, seconds of processor time, result, and peak memory of a process that does only this."""
    with multiprocessing.get_context("fork").Pool(1) as pool:
        return pool.apply(_measured, (function, arguments))


def _measured(function, arguments):
    start = np.array([time.perf_counter(), time.process_time()])
    value = function(*arguments)
    taken = np.array([time.perf_counter(), time.process_time()]) - start
    return taken, value, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def peer_seconds(function, data, rounds):
    """Time of all rounds from a few, the setup counted once; with the peak memory."""
    few, _, _ = measured(function, *data, PEER_ROUNDS)
    more, _, peak = measured(function, *data, 4 * PEER_ROUNDS)
    return few + (more - few) / (3 * PEER_ROUNDS) * (rounds - PEER_ROUNDS), peak


def compare(layout, images, rounds):
    """One layout: our metric and its peers in turn, then the paired test."""
    data = queries(layout, images)
    peers = {"numpy loop": numpy_loop} if layout == "captions" else {"numpy loop": numpy_loop, "scipy": scipy_bootstrap}
    seconds = {name: [] for name in ("cross_lingual_gap", *peers)}
    peaks = {name: [] for name in seconds}
    for _ in range(REPEATS):
        taken, our_width, peak = measured(ours, *data, rounds)
        seconds["cross_lingual_gap"].append(taken)
        peaks["cross_lingual_gap"].append(peak)
        for name, function in peers.items():
            taken, peak = peer_seconds(function, data, rounds)
            seconds[name].append(taken)
            peaks[name].append(peak)
    widths = {name: measured(function, *data, CHECK_ROUNDS)[1] for name, function in peers.items()}
    widths["cross_lingual_gap"] = our_width
    for name, times in seconds.items():
        (wall, processor), peak = np.median(times, axis=0), max(peaks[name])
        ratio = processor / np.median(seconds["cross_lingual_gap"], axis=0)[1]
        clock = f"{wall:.1f}" if name == "cross_lingual_gap" else ""  # other work makes scaled wall time meaningless
        row = f"| {layout} | {name} | {processor:.1f} | {ratio:.1f} | {clock} | {peak:.2f} | {widths[name]:.5f} |"
        print(row, flush=True)
    taken, width, peak = measured(our_comparison, *data, rounds)
    row = (
        f"| {layout} | compare_systems | {taken[1]:.1f} | | {taken[0]:.1f} | {peak:.2f} | {width:.5f} (of the change) |"
    )
    print(row, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the images and of the rounds")
    images, rounds = (2_000, 1_000) if parser.parse_args().quick else (20_000, 10_000)
    print(
        f"python {platform.python_version()}, numpy {np.__version__}, scipy {scipy.__version__}, {platform.machine()}"
    )
    print(f"{images * LANGUAGES:,} queries, {LANGUAGES} languages, {rounds:,} rounds, median of {REPEATS} runs in turn")
    print(
        "| layout | method | processor seconds | ratio | wall seconds | peak memory GB | width of the gap's interval |"
    )
    print("|---|---|---|---|---|---|---|")
    for layout in ("shared", "alone", "graded", "captions"):
        compare(layout, images, rounds)


if __name__ == "__main__":
    main()
