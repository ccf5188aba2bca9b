"""Exact search against FAISS flat and against sentence-transformers' own search and MaxSim: time, memory, same result.

    python examples/benchmarks/evaluation.py [--documents 10000 100000 1000000] [--maxsim 100000]

Every contender searches the same unit vectors for the same k documents, on one thread, in turn, `ROUNDS` times; the
median CPU time is reported (wall time on a shared machine says more about the neighbours) and the largest memory that a
contender adds to the vectors it is given, an index included. "same" is the share of the k documents it has in common
with FAISS flat (with sentence-transformers for MaxSim); where it is not 1, scores differ in the last bit.
"""

import argparse
import statistics
import threading
import time
from collections.abc import Callable

import faiss
import psutil
import torch
from sentence_transformers.util import semantic_search
from sentence_transformers.util.similarity import maxsim

from optical_hf.stores.exact_search import ExactSearch
from optical_hf.stores.vectors import VectorSet, VectorStore

ROUNDS = 7
QUERIES, K = 512, 100
MAXSIM_QUERIES = 8
WIDTH, TOKEN_WIDTH, TOKENS = 384, 128, 32


def unit_vectors(*shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(sum(shape))
    vectors = torch.empty(shape).normal_(generator=generator)
    return vectors.div_(vectors.norm(dim=-1, keepdim=True))


def measure(contender: Callable[[], torch.Tensor]) -> tuple[float, float, torch.Tensor]:
    """CPU seconds, mebibytes added at the peak, and the positions found."""
    process, done = psutil.Process(), threading.Event()
    before = peak = process.memory_info().rss

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.01):
            peak = max(peak, process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    start = time.process_time()
    found = contender()
    seconds = time.process_time() - start
    done.set()
    watcher.join()
    return seconds, (peak - before) / 2**20, found


def compare(title: str, queries: int, contenders: dict[str, Callable[[], torch.Tensor]], reference: str) -> None:
    """Run the contenders in turn and print a row for each."""
    results: dict[str, list[tuple[float, float, torch.Tensor]]] = {name: [] for name in contenders}
    for _ in range(ROUNDS):
        for name, contender in contenders.items():
            results[name].append(measure(contender))
    expected = results[reference][0][2].tolist()
    ours = statistics.median(seconds for seconds, _, _ in results["optical_hf"])
    for name, rows in results.items():
        seconds = statistics.median(row[0] for row in rows)
        memory = max(row[1] for row in rows)
        same = sum(len({*a} & {*b}) / len(b) for a, b in zip(rows[0][2].tolist(), expected, strict=True)) / queries
        row = [title, name, f"{queries / seconds:,.1f}", f"{seconds / ours:.2f}", f"{memory:,.0f}", f"{same:.4f}"]
        print(f"| {' | '.join(row)} |", flush=True)


def single_vectors(documents: int) -> None:
    vectors, queries = unit_vectors(documents, WIDTH), unit_vectors(QUERIES, WIDTH)
    index = faiss.IndexFlatIP(WIDTH)
    index.add(vectors.numpy())
    our_index = ExactSearch("cpu").index(VectorStore.of(vectors))

    def ours() -> torch.Tensor:
        return our_index.search(VectorSet(queries), K).positions

    def flat() -> torch.Tensor:
        return torch.from_numpy(index.search(queries.numpy(), K)[1])

    def library() -> torch.Tensor:
        hits = semantic_search(queries, vectors, top_k=K)
        return torch.tensor([[hit["corpus_id"] for hit in row] for row in hits])

    contenders = {"optical_hf": ours, "faiss flat": flat, "semantic_search": library}
    compare(f"{documents:,} vectors of {WIDTH}", QUERIES, contenders, "faiss flat")


def late_interaction(documents: int) -> None:
    tokens, asked = unit_vectors(documents, TOKENS, TOKEN_WIDTH), unit_vectors(MAXSIM_QUERIES, TOKENS, TOKEN_WIDTH)
    store = VectorStore.of(VectorSet(tokens.flatten(0, 1), torch.full((documents,), TOKENS)))
    queries = VectorSet(asked.flatten(0, 1), torch.full((MAXSIM_QUERIES,), TOKENS))

    def ours() -> torch.Tensor:
        return ExactSearch("cpu").index(store).search(queries, K).positions

    def library() -> torch.Tensor:
        return maxsim(asked, tokens).topk(K).indices

    title = f"{documents:,} documents of {TOKENS} tokens of {TOKEN_WIDTH}"
    compare(title, MAXSIM_QUERIES, {"optical_hf": ours, "maxsim": library}, "maxsim")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--documents", type=int, nargs="*", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--maxsim", type=int, nargs="*", default=[100_000])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    faiss.omp_set_num_threads(1)
    print(f"torch {torch.__version__}, faiss {faiss.__version__}, one thread, k = {K}, median of {ROUNDS} rounds\n")
    print(
        "| documents | search | queries a CPU second | time against ours | MiB added | same |\n|---|---|---:|---:|---:|---:|"
    )
    for documents in arguments.documents:
        single_vectors(documents)
    for documents in arguments.maxsim:
        late_interaction(documents)


if __name__ == "__main__":
    main()
