"""Draws of hits and graded measures whose true levels are known, and how often intervals cover them and tests find nothing.

A query's value comes from a normal score: its group's difficulty, its own and its system's part. Hits are 1 where the score
is below a threshold; graded values are Phi of a shifted score, whose mean is known in closed form. Of 400 experiments a
world, as docs/log/2026-11/intervals.md has them:

    python tests/metrics/calibration_draws.py 400
"""

import sys
from collections import Counter
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.stats import norm

from optical_hf.metrics.gap import cross_lingual_gap, gap_statistics
from optical_hf.metrics.resource_groups import ResourceGroups
from optical_hf.metrics.significance import compare_systems

NAMES = tuple(f"l{i}" for i in range(6))
RESOURCE_GROUPS = ResourceGroups(NAMES[:3], NAMES[3:])
OPTIONS = {"high": RESOURCE_GROUPS.high, "low": RESOURCE_GROUPS.low}
ENGLISH = "teacher"
LEVELS = (0.7, 0.65, 0.6, 0.35, 0.3, 0.25)
CEILING = 0.8
OWN = 0.7
"""Standard deviation of what a system adds to a query's score; groups and queries have 1 each."""


@dataclass(frozen=True)
class World:
    """Where queries come from: what is measured, groups a language, queries a group, what groups share, seeds averaged."""

    graded: bool = False
    groups: tuple[int, ...] = (80,) * 6
    queries: tuple[int, ...] = (2,)
    shared: bool = False
    seeds: int = 1


WORLDS = {
    "hits, shared images": World(shared=True),
    "hits, images of their own": World(),
    "hits, few unequal groups": World(groups=(30, 25, 20, 18, 16, 14), queries=(1, 3)),
    "hits, three seeds": World(groups=(50,) * 6, queries=(1,), seeds=3),
    "graded, shared images": World(graded=True, groups=(40,) * 6, queries=(1,), shared=True),
    "graded, unequal groups": World(graded=True, groups=(90, 60, 40, 30, 25, 20), queries=(1, 2, 4)),
}


class Drawn(NamedTuple):
    """Values of each system (S, Q), and the language and the group of each query."""

    values_SQ: np.ndarray
    languages: np.ndarray
    groups: np.ndarray


def draw(world, rng, *shifts, levels=LEVELS, ceiling=None):
    """One system a shift of all levels, on the same queries; English with the ceiling as its level, where there is one."""
    names = [*NAMES, *([ENGLISH] if ceiling else [])]
    levels_L = np.array([*levels, *([ceiling] if ceiling else [])])
    groups_L = [*world.groups, *([max(world.groups)] if ceiling else [])]
    language, group, score, common = [], [], [], rng.normal(size=max(groups_L))
    for place, count in enumerate(groups_L):
        sizes = rng.choice(world.queries, count)
        difficulty = common[:count] if world.shared else rng.normal(size=count)
        language += [place] * sizes.sum()
        group.append(np.repeat(np.arange(count) + (0 if world.shared else 1000 * place), sizes))
        score.append(np.repeat(difficulty, sizes) + rng.normal(size=sizes.sum()))
    score_Q, language_Q = np.concatenate(score), np.array(language)
    values = []
    for shift in shifts:
        own_NQ = rng.normal(scale=OWN, size=(world.seeds, len(score_Q))) + score_Q
        threshold_Q, spread = norm.ppf(levels_L + shift)[language_Q], np.sqrt(2 + OWN**2)
        graded_NQ = norm.cdf(np.sqrt(1 + spread**2) * threshold_Q - own_NQ) if world.graded else None
        values.append((own_NQ < spread * threshold_Q if graded_NQ is None else graded_NQ).mean(axis=0))
    return Drawn(np.stack(values), np.array(names)[language_Q], np.concatenate(group))


def holds(estimate, truth):
    return bool(estimate.low <= truth <= estimate.high)


def coverage(world, draws, rng, rounds=400):
    """The share of intervals that hold the truth, by figure; those of languages together."""
    figures = gap_statistics(np.array(LEVELS)[None], NAMES, RESOURCE_GROUPS)
    truth = dict(
        zip(["high_mean", "low_mean", "gap", "relative_gap", "worst", "spread"], np.ravel(figures), strict=True)
    )
    truth |= {"reference": CEILING, "reference_gap": CEILING - truth["low_mean"]}
    covered = Counter()
    for seed in range(draws):
        drawn = draw(world, rng, 0.0, ceiling=CEILING)
        report = cross_lingual_gap(
            drawn.values_SQ[0],
            drawn.languages,
            groups=drawn.groups,
            reference=ENGLISH,
            rounds=rounds,
            seed=seed,
            **OPTIONS,
        )
        covered.update({name: holds(getattr(report, name), value) for name, value in truth.items()})
        for name, level in zip(NAMES, LEVELS, strict=True):
            covered["language"] += holds(report.languages[name].mean, level) / len(NAMES)
            covered["reference_gap by language"] += holds(report.languages[name].reference_gap, CEILING - level) / len(
                NAMES
            )
    return {name: covered[name] / draws for name in (*truth, "language", "reference_gap by language")}


def comparisons(world, shift, draws, rng, rounds=400):
    """Shares of p-values up to 0.05 and of intervals that hold the truth, where all levels differ by the shift."""
    counted = Counter()
    for seed in range(draws):
        drawn = draw(world, rng, shift, 0.0)
        result = compare_systems(
            *drawn.values_SQ, drawn.languages, groups=drawn.groups, rounds=rounds, seed=seed, **OPTIONS
        )
        changes = result.languages.values()
        counted["p of the gap"] += result.gap_p_value <= 0.05
        counted["gap change"] += holds(result.gap_change, 0.0)
        counted["difference"] += np.mean([holds(change.difference, shift) for change in changes])
        if shift == 0:
            counted["p"] += np.mean([change.p_value <= 0.05 for change in changes])
            counted["any p_holm"] += min(result.gap_p_holm, *(change.p_holm for change in changes)) <= 0.05
    return {name: counted[name] / draws for name in counted}


def main(draws):
    rows = {name: {} for name in WORLDS}
    for number, (name, world) in enumerate(WORLDS.items()):
        rng = np.random.default_rng(number)
        rows[name] = {**coverage(world, draws, rng), **comparisons(world, 0.0, draws, rng)}
        shifted = comparisons(world, 0.1, draws, rng)
        rows[name] |= {f"{key}, common gain of 10 points": shifted[key] for key in ("gap change", "p of the gap")}
    print("| | " + " | ".join(rows) + " |\n|---|" + "---|" * len(rows))
    for key in rows["hits, shared images"]:
        print(f"| {key} | " + " | ".join(f"{100 * row[key]:.1f}" for row in rows.values()) + " |")


if __name__ == "__main__":
    main(int(sys.argv[1]))
