"""Solvers of the unregularised optimum on unpadded pairs, beside POT in the same run: time, and distance from `ot.emd`.

    OMP_NUM_THREADS=1 python examples/benchmarks/exact_transport.py [--batch 64 --tokens 16]

Costs are cosine distances of noisy shuffled copies in 32 dimensions; all pairs of a batch have one size. POT's batched proximal
solver (`ot.batch.solve_batch(method="proximal")`, new in 0.9.7) runs with its default of one inner iteration and with 10; without
padding alone, as it gives NaN where masses are zero. It stops at its default tolerance, ours at theirs. Methods take turns, round
by round; medians over rounds of processor time, one thread. The first turn warms up.
"""

import argparse
import inspect
import statistics
import time
from collections.abc import Callable

import numpy as np
import ot
import torch
from torch.nn.functional import normalize

from optical_hf.ot import solve

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--batch", type=int, default=64)
parser.add_argument("--tokens", type=int, nargs="+", default=[16])
parser.add_argument("--iterations", type=int, default=1000)
parser.add_argument("--rounds", type=int, default=3)
options = parser.parse_args()
torch.set_num_threads(1)
POT = [(1, 1e-3), (10, 1e-3), (10, 1e-2), (10, 5e-2)]
"""Inner iterations and step; the first are its defaults."""


def costs(tokens: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(tokens)
    source = torch.randn(options.batch, tokens, 32, generator=generator)
    target = 0.7 * source[:, torch.randperm(tokens, generator=generator)]
    target = target + 0.7 * torch.randn(options.batch, tokens, 32, generator=generator)
    return 1 - normalize(source, dim=2) @ normalize(target, dim=2).mT


def emd(cost_BNM: torch.Tensor) -> torch.Tensor:
    mass_N = np.full(cost_BNM.shape[1], 1 / cost_BNM.shape[1])
    return torch.tensor([ot.emd2(mass_N, mass_N, cost.double().numpy()) for cost in cost_BNM])


def proximal(inner: int, step: float) -> dict[str, Callable[[torch.Tensor], torch.Tensor]]:
    """POT's by its name, or nothing where this POT has none."""
    solver = getattr(getattr(ot, "batch", None), "solve_batch", None)
    if solver is None or "inner_iter" not in inspect.signature(solver).parameters:
        return {}
    given = {"method": "proximal", "inner_iter": inner, "inner_reg": step, "max_iter": options.iterations}
    name = f"POT, proximal, {inner} inner, step {step}"
    return {name: lambda cost_BNM: solver(cost_BNM.double(), grad="detach", **given).value_linear}


def ipot(step: float) -> Callable[[torch.Tensor], torch.Tensor]:
    return lambda cost_BNM: solve(cost_BNM, solver="ipot", epsilon=step, max_iterations=options.iterations).cost


METHODS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "ot.emd, pair by pair": emd,
    "ours, exact": lambda cost_BNM: solve(cost_BNM, solver="exact").cost,
    **{f"ours, ipot, step {step}": ipot(step) for step in (0.05, 0.01)},
    **{name: run for place in POT for name, run in proximal(*place).items()},
}
print(f"torch {torch.__version__}, POT {ot.__version__}, {options.batch} pairs, {torch.get_num_threads()} thread\n")
print(
    "| tokens a side | method | ms a batch | times ot.emd | above the optimum, median % | worst % |\n|---|---|---|---|---|---|"
)
for tokens in options.tokens:
    cost_BNM, seconds = costs(tokens), {name: [] for name in METHODS}
    values, best_B = {}, emd(cost_BNM)
    for turn in range(options.rounds + 1):
        for name, method in METHODS.items():
            begun = time.thread_time()
            values[name] = method(cost_BNM)
            if turn:
                seconds[name].append(time.thread_time() - begun)
    peer = statistics.median(seconds["ot.emd, pair by pair"])
    for name, value_B in values.items():
        mine, off_B = statistics.median(seconds[name]), 100 * (value_B.double() / best_B - 1)
        print(
            f"| {tokens} | {name} | {1e3 * mine:.1f} | {mine / peer:.1f} | {off_B.median():.2f} | {off_B.abs().max():.2f} |"
        )
