"""The engines by name, so that a command line or a report can say which one."""

from typing import Literal

from optical_hf.stores.exact_search import ExactSearch
from optical_hf.stores.faiss_search import SINGLE_VECTORS, FaissSearch
from optical_hf.stores.lancedb_search import LanceSearch
from optical_hf.stores.search_engine import Search, SearchEngine

EngineName = Literal["exact", "faiss-flat", "faiss-ivfpq", "faiss-hnsw", "lancedb", "lancedb-ivfpq"]

ENGINES: dict[str, SearchEngine] = {
    "exact": ExactSearch(),
    "faiss-flat": FaissSearch("flat"),
    "faiss-ivfpq": FaissSearch("ivfpq"),
    "faiss-hnsw": FaissSearch("hnsw"),
    "lancedb": LanceSearch(),
    "lancedb-ivfpq": LanceSearch(approximate=True),
}


def engine_named(engine: EngineName | SearchEngine, search: Search) -> tuple[str, SearchEngine]:
    """The name and the engine; an engine of the user's own is called by its settings.

    Raises:
        ValueError: for an unknown name, what is no engine, or one that cannot search so.
    """
    name, settings = (engine, ENGINES.get(engine)) if isinstance(engine, str) else (repr(engine), engine)
    if settings is None or not hasattr(settings, "index"):
        raise ValueError(f"unknown search engine {engine!r}; known are {', '.join(ENGINES)}, and settings of one")
    if isinstance(settings, FaissSearch) and search == "maxsim":
        raise ValueError(SINGLE_VECTORS)
    return name, settings
