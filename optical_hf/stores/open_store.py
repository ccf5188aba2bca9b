"""`open_store`: an index by its URL, open for reading and searching. The table of the kinds of stores is here."""

from collections.abc import Callable

from optical_hf.stores.document_store import DocumentStore
from optical_hf.stores.engines import ENGINE_OPENERS
from optical_hf.stores.faiss_store import open_faiss
from optical_hf.stores.file_store import open_files
from optical_hf.stores.store_location import Scheme, StoreLocation

OPENERS: dict[Scheme, Callable[[StoreLocation], DocumentStore]] = {
    **ENGINE_OPENERS,
    "faiss": open_faiss,
    "file": open_files,
}


def open_store(url: str | StoreLocation) -> DocumentStore:
    """Open an index that a user has, by its URL.

    Args:
        url: `qdrant://`, `postgresql://`, `milvus://`, `lancedb://`, `faiss://`, `file://` or a path; docs/stores.md has the
            forms. Passwords and keys are taken from the URL or from PGPASSWORD, QDRANT_API_KEY and MILVUS_TOKEN.

    Returns:
        The store: `count`, `width`, `metric`, `rows()`, `search(queries, k)`.

    Raises:
        ValueError: a URL that is wrong; a server that cannot be reached or refuses the password; a table or column that is
            missing. A message never holds a password.
        ImportError: without the extra of its engine.

    Example:
        >>> import tempfile, torch
        >>> from datasets import Dataset
        >>> from optical_hf.stores.vectors import VectorSet
        >>> folder = tempfile.mkdtemp()
        >>> table = Dataset.from_dict({"text": ["a dog", "a cat"], "vector": [[1.0, 0.0], [0.0, 1.0]]})
        >>> _ = table.to_parquet(f"{folder}/x.parquet")
        >>> store = open_store(f"{folder}/x.parquet")
        >>> store.count, store.width, store.metric
        (2, 2, 'cosine')
        >>> store.search(VectorSet.of(torch.tensor([[0.6, 0.8]])), k=1).texts
        [['a cat']]
    """
    location = StoreLocation.parse(url) if isinstance(url, str) else url
    return OPENERS[location.scheme](location)
