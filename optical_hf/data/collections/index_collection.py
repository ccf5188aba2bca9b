"""A collection over an index that a user has: its documents are read from the store, queries and judgements from files."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Unpack

import pyarrow as pa
from datasets import Dataset
from datasets.table import InMemoryTable

from optical_hf.data.collections.collection import TEXT_DOCUMENTS, BuildOptions, RetrievalCollection
from optical_hf.data.collections.collection_files import Lines, read_lines, read_pairs, read_rows
from optical_hf.data.collections.judged import judged_collection, qrels_from, titled
from optical_hf.data.collections.trec_collections import read_qrels
from optical_hf.stores.document_store import DocumentStore
from optical_hf.stores.open_store import open_store

BEIR_HEADER = ["query-id", "corpus-id", "score"]


def load_index_collection(
    index: str | DocumentStore,
    queries: Mapping[str, Lines | Mapping[str, str]],
    qrels: Lines,
    *,
    name: str | None = None,
    **options: Unpack[BuildOptions],
) -> RetrievalCollection:
    """The documents of an index, queries in one or several languages, and which document answers which query.

    `evaluate_retrieval(..., indexes={collection.name: index})` then searches the index itself.

    Args:
        index: the URL of a store, or an open one; with a column of titles (`?title=`) a document is title and text.
        queries: language -> file of `id<TAB>text`, its lines, or a mapping of id to text. Queries in several languages have the
            ids of one topic; those in English are also the English of the others.
        qrels: lines `query 0 document grade`, as TREC has them, or `query<TAB>document<TAB>grade` behind BEIR's header. Documents
            are named by their ids in the index.
        name: what reports call it; by default the table of the index.
        **options: `relevant_grade` and `on_bad_row`, as `RetrievalCollection.build` takes them.

    Raises:
        ValueError: an index that cannot be read; files that are not in the layout; and as `RetrievalCollection` does.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "docs.jsonl")
        >>> _ = path.write_text('{"text": "a dog", "vector": [1.0, 0.0]}\\n{"text": "a cat", "vector": [0.0, 1.0]}\\n')
        >>> load_index_collection(str(path), {"sw": {"q1": "paka"}}, ["q1 0 1 1"]).relevance
        [[1]]
    """
    store = open_store(index) if isinstance(index, str) else index
    topics = {code: dict(one) if isinstance(one, Mapping) else read_pairs(one) for code, one in queries.items()}
    where = name or store.location.table or Path(store.location.place).name
    judged = read_judgements(qrels)
    return judged_collection(where, topics, judged, store_documents(store), english=topics.get("en"), **options)


def store_documents(store: DocumentStore) -> Dataset:
    """Ids and texts of all rows of a store, in memory as Arrow holds them."""

    def batches() -> Iterator[pa.RecordBatch]:
        for rows in store.rows():
            texts = rows.texts if rows.titles is None else list(map(titled, rows.titles, (t or "" for t in rows.texts)))
            yield pa.record_batch({"id": rows.ids, "text": texts}, schema=TEXT_DOCUMENTS.arrow_schema)

    table = pa.Table.from_batches(batches(), schema=TEXT_DOCUMENTS.arrow_schema)
    return Dataset(InMemoryTable(table))


def read_judgements(source: Lines) -> dict[str, dict[str, int]]:
    """Judgements as TREC writes them, `query iteration document grade`, or as BEIR does, behind its header.

    Example:
        >>> read_judgements(["query-id\\tcorpus-id\\tscore", "q1\\td1\\t1"]), read_judgements(["q1 0 d1 1"])
        ({'q1': {'d1': 1}}, {'q1': {'d1': 1}})
    """
    first = next(iter(read_lines(source)), "")
    if first.split("\t") != BEIR_HEADER:
        return read_qrels(source)
    rows = read_rows(source, columns=3)
    next(rows)
    return qrels_from(rows, str(source))
