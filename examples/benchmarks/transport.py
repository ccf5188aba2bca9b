"""Batched token transport against POT, in one run: time, accuracy, and the share of a training step.

    OMP_NUM_THREADS=1 python examples/benchmarks/transport.py --data FOLDER --models FOLDER

FOLDER of --data holds multi30k/val.en.gz and val.de.gz, that of --models all-MiniLM-L6-v2 and multilingual-e5-small;
without them only the synthetic sets run. Methods take turns, round by round; medians over rounds, one thread, in
processor time, which other work on the machine disturbs less than the clock.

"Ours" is what `solve` takes by itself, the Numba kernel where numba is installed; its torch path stands beside it. The
first turn warms up and keeps the compiler's time out.

Every Sinkhorn stops at a worst-pair L1 marginal error of 1e-3. POT stops on another norm, so the number of iterations
that the batch needs is counted first, to the look, and it runs exactly those: the best stop it could have. What would
take minutes is measured on a part and scaled: loops over pairs on the first pairs, POT's batched solvers on the first
32 pairs where the whole batch has more cells times iterations than `--cells`, the encoder on 4 pairs.
"""

import argparse
import gzip
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
import ot
import torch
from ot.batch import solve_batch
from transformers import AutoModel, AutoTokenizer, BertConfig, BertModel

from optical_hf.ot import content_mask, cosine_cost, solve, uniform_mass

TOLERANCE = 1e-3
FINE = 1e-4
PART = 32


class Problem(NamedTuple):
    name: str
    cost: torch.Tensor
    source_mask: torch.Tensor
    target_mask: torch.Tensor

    def part(self, size: int) -> "Problem":
        return Problem(self.name, *(tensor[:size] for tensor in self[1:]))

    @property
    def masses(self) -> tuple[torch.Tensor, torch.Tensor]:
        return uniform_mass(self.source_mask), uniform_mass(self.target_mask)


def synthetic(batch: int, tokens: int) -> Problem:
    """Noisy shuffled copies in 32 dimensions, of lengths between a fifth of `tokens` and all."""
    generator = torch.Generator().manual_seed(batch + tokens)
    source = torch.randn(batch, tokens, 32, generator=generator)
    target = 0.7 * source[:, torch.randperm(tokens, generator=generator)]
    target = target + 0.7 * torch.randn(batch, tokens, 32, generator=generator)
    lengths = torch.randint(max(3, tokens // 5), tokens + 1, (2, batch, 1), generator=generator)
    source_mask, target_mask = torch.arange(tokens) < lengths
    return Problem("synthetic", cosine_cost(source, target, source_mask, target_mask), source_mask, target_mask)


def embed(folder: Path, sentences: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    batch = tokenizer(sentences, padding=True, truncation=True, max_length=64, return_tensors="pt")
    with torch.inference_mode():
        rows = [
            model(input_ids=i, attention_mask=m)
            for i, m in zip(*(batch[k].split(64) for k in ("input_ids", "attention_mask")), strict=True)
        ]
    special = [tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.pad_token_id]
    hidden = torch.cat([row.last_hidden_state for row in rows])
    return hidden.clone(), content_mask(batch["input_ids"], batch["attention_mask"], special)


def real(data: Path, models: Path, size: int = 512) -> Problem:
    """German captions by E5, carried into MiniLM's space by ridge regression of means, against MiniLM on English."""
    english, german = (
        gzip.decompress((data / "multi30k" / f"val.{language}.gz").read_bytes()).decode().splitlines()[:size]
        for language in ("en", "de")
    )
    target, target_mask = embed(models / "all-MiniLM-L6-v2", english)
    source, source_mask = embed(models / "multilingual-e5-small", german)
    means = [torch.bmm(uniform_mass(m)[:, None], t)[:, 0] for t, m in ((source, source_mask), (target, target_mask))]
    gram = means[0].T @ means[0] + 1e-3 * size * torch.eye(384)
    source = source @ torch.linalg.solve(gram, means[0].T @ means[1])
    return Problem("E5-MiniLM", cosine_cost(source, target, source_mask, target_mask), source_mask, target_mask)


def iterations_needed(problem: Problem, epsilon: float) -> int:
    """Iterations of plain Sinkhorn, which POT runs, until the worst pair is within the tolerance; a look every 10."""
    a, b = (mass.double()[:, None] for mass in problem.masses)
    kernel = torch.exp(-problem.cost.double() / epsilon)
    transposed = kernel.mT.contiguous()
    v = torch.ones_like(b)
    done, error = 0, torch.inf
    while error > TOLERANCE and done < 50_000:
        done += 10
        for _ in range(10):
            u = a / torch.bmm(v, transposed)
            v = b / torch.bmm(u, kernel)
        error = (u * torch.bmm(v, transposed) - a).abs().sum((1, 2)).max()
    return done


def loop(problem: Problem, run: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]) -> torch.Tensor:
    """<P, C> by one POT call a pair, on the unpadded pair."""
    costs = []
    for cost, rows, columns in zip(problem.cost, problem.source_mask, problem.target_mask, strict=True):
        block = cost[rows][:, columns].double().numpy()
        a, b = (np.full(size, 1 / size) for size in block.shape)
        costs.append((run(a, b, block) * block).sum())
    return torch.tensor(costs)


def medians(methods: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Seconds of each method, taken in turns; the first turn warms up and does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in methods}
    for turn in range(rounds + 1):
        for name, method in methods.items():
            start = time.thread_time()
            method()
            if turn:
                seconds[name].append(time.thread_time() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def encoder_step(batch: int, tokens: int) -> Callable[[], None]:
    """Forward and backward of a 6-layer, 384-wide encoder."""
    config = BertConfig(hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536)
    model, ids = BertModel(config, add_pooling_layer=False), torch.randint(1000, (batch, tokens))
    return lambda: model(input_ids=ids).last_hidden_state.mean().backward()


def row(problem: Problem, epsilon: float, rounds: int, cells: float) -> str:
    batch, tokens = len(problem.cost), max(problem.cost.shape[1:])
    part = problem.part(PART)
    scale = batch / len(part.cost)
    needed = iterations_needed(problem, epsilon)
    theirs = problem if problem.cost.numel() * needed <= cells else part
    a, b = theirs.masses
    run = int(max(10, min(needed, cells // theirs.cost.numel() // 10 * 10)))

    def pot_batched(method: str) -> object:
        options = {"method": method, "grad": "envelope", "tol": 1e-30, "max_iter": run}
        return solve_batch(theirs.cost, epsilon, a=a, b=b, **options)

    def pot_pair(a: np.ndarray, b: np.ndarray, block: np.ndarray) -> np.ndarray:
        return ot.sinkhorn(
            a,
            b,
            block,
            epsilon,
            method="sinkhorn_log",
            numItermax=needed,
            stopThr=TOLERANCE / len(a) ** 0.5,
            warn=False,
        )

    few = part.part(4)
    seconds = medians(
        {
            "ours": lambda: solve(*problem[1:], epsilon=epsilon, tolerance=TOLERANCE),
            "torch": lambda: solve(*problem[1:], epsilon=epsilon, tolerance=TOLERANCE, kernel="torch"),
            "fine": lambda: solve(*problem[1:], epsilon=epsilon, tolerance=FINE),
            "emd": lambda: loop(part, ot.emd),
            "POT log": lambda: pot_batched("log_sinkhorn"),
            "POT kernel": lambda: pot_batched("sinkhorn"),
            "POT pairs": lambda: loop(few, pot_pair),
            "encoder": encoder_step(4, tokens),
        },
        rounds,
    )
    for name, factor in {
        "emd": scale,
        "POT log": batch / len(theirs.cost) * needed / run,
        "POT kernel": batch / len(theirs.cost) * needed / run,
        "POT pairs": batch / 4,
        "encoder": batch / 4,
    }.items():
        seconds[name] *= factor
    ours = solve(*problem[1:], epsilon=epsilon, tolerance=TOLERANCE)
    fine = solve(*part[1:], epsilon=epsilon, tolerance=FINE).cost
    tight = solve(*part[1:], epsilon=epsilon, tolerance=1e-8, max_iterations=20_000, dtype=torch.float64).cost
    best = loop(part, ot.emd)
    mine = ours.cost[: len(part.cost)]
    kernel_ok = bool(torch.as_tensor(pot_batched("sinkhorn").plan).isfinite().all())
    pot = (
        f"{((mine - pot_batched('log_sinkhorn').value_linear[:PART]) / best).abs().max():.0e}" if run == needed else "-"
    )
    times = {name: seconds[name] / seconds["ours"] for name in seconds}
    cells = [
        problem.name,
        batch,
        "x".join(str(size) for size in problem.cost.shape[1:]),
        epsilon,
        f"{1e3 * seconds['ours']:.2f}",
        f"{times['torch']:.1f}",
        f"{int(ours.iterations.median())} / {ours.iterations.max()}",
        f"{ours.marginal_error.max():.0e}",
        needed,
        f"{times['POT log']:.1f}",
        f"{times['POT kernel']:.1f}" + ("" if kernel_ok else " (NaN)"),
        f"{times['POT pairs']:.1f}",
        f"{times['emd']:.2f}",
        f"{100 / times['encoder']:.2f}",
        pot,
        f"{((mine - tight) / tight).abs().max():.0e}",
        f"{times['fine']:.2f}",
        f"{((fine - tight) / tight).abs().max():.0e}",
        f"{100 * ((mine - best) / best).median():.2f}",
    ]
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder that holds multi30k/")
    parser.add_argument("--models", type=Path, help="folder that holds the two encoders")
    parser.add_argument("--batches", type=int, nargs="+", default=[32, 128, 512])
    parser.add_argument("--tokens", type=int, nargs="*", default=[32, 64, 180])
    parser.add_argument("--epsilons", type=float, nargs="+", default=[0.05, 0.01])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cells", type=float, default=3e8, help="cells times iterations a run of POT may take")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    problems = [synthetic(batch, tokens) for tokens in arguments.tokens for batch in arguments.batches]
    if arguments.data and arguments.models:
        captions = real(arguments.data, arguments.models, max(arguments.batches))
        problems = [*(captions.part(batch) for batch in arguments.batches), *problems]
    heads = (
        "set | B | N x M | epsilon | ours, CPU ms | our torch path, times ours | "
        "iterations, median / worst | L1 error | iterations of POT | "
        "POT batched log, times ours | POT batched kernel, times ours | POT pair by pair, times ours | "
        "ot.emd loop, times ours | share of the encoder step, % | <P, C> against POT, relative | "
        "against the converged plan | tolerance 1e-4, times ours | then against the converged plan | "
        "gap to the optimum, %"
    )
    numba = f"numba {version('numba')}" if find_spec("numba") else "without numba"
    print(f"torch {torch.__version__}, {numba}, POT {ot.__version__}, {torch.get_num_threads()} thread")
    print(f"| {heads} |\n|{' --- |' * 19}")
    for problem in problems:
        for epsilon in arguments.epsilons:
            print(row(problem, epsilon, arguments.rounds, arguments.cells), flush=True)


if __name__ == "__main__":
    main()
