"""Stores that a server or an embedded engine keeps: one file an engine, each behind an optional extra."""

from collections.abc import Callable

from optical_hf.stores.document_store import DocumentStore
from optical_hf.stores.engines.lancedb_store import open_lancedb
from optical_hf.stores.engines.milvus_store import open_milvus
from optical_hf.stores.engines.postgresql_store import open_postgresql
from optical_hf.stores.engines.qdrant_store import open_qdrant
from optical_hf.stores.store_location import Scheme, StoreLocation

ENGINE_OPENERS: dict[Scheme, Callable[[StoreLocation], DocumentStore]] = {
    "qdrant": open_qdrant,
    "qdrant-local": open_qdrant,
    "postgresql": open_postgresql,
    "milvus": open_milvus,
    "milvus-lite": open_milvus,
    "lancedb": open_lancedb,
}
"""How each kind of store is opened."""
