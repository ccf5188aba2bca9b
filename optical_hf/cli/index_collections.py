"""The collection of an index, from the files that `evaluate --index` names."""

from collections.abc import Sequence
from pathlib import Path

from optical_hf.data import RetrievalCollection
from optical_hf.data.collections.index_collection import load_index_collection
from optical_hf.languages import canonical_language
from optical_hf.reading.bad_rows import OnBadRow
from optical_hf.search.query_list import read_query_file
from optical_hf.stores.document_store import DocumentStore


def index_collection(
    store: DocumentStore, files: Sequence[str], qrels: Path, limit: int | None, on_bad_row: OnBadRow
) -> RetrievalCollection:
    """Queries of several languages over one index.

    Args:
        store: the index.
        files: of queries with their ids, as for `search --queries`; sw=FILE where the file does not say the language.
        qrels: which document answers which query.
        limit: the first so many queries of each language; None takes all.
        on_bad_row: what is done with queries or documents that cannot be used.

    Raises:
        ValueError: a file that cannot be read, a query without a language, or two with one id and language.
    """
    topics: dict[str, dict[str, str]] = {}
    for given in files:
        stated, found, path = given.partition("=")
        stated, path = (stated, path) if found and not Path(given).is_file() else ("", given)
        for query in read_query_file(path):
            code = canonical_language(stated) if stated else query.language
            if code is None:
                raise ValueError(f"{path}: query {query.id!r} says no language: name it, as in --queries sw={path}")
            if topics.setdefault(code, {}).setdefault(query.id, query.text) != query.text:
                raise ValueError(f"{path}: another query of {code} has the id {query.id!r} too: leave one out")
    collection = load_index_collection(store, topics, str(qrels), on_bad_row=on_bad_row)
    return collection if limit is None else collection.select(limit=limit)
