"""The user's index: its documents as a table, its store, and search engines behind one protocol: documents in, an index out."""

from optical_hf.stores.documents import load_documents
from optical_hf.stores.open_store import open_store
from optical_hf.stores.store_location import StoreLocation

__all__ = ["StoreLocation", "load_documents", "open_store"]
