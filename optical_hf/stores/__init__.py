"""The user's index: its documents as a table, and search engines behind one protocol: documents in, an index out."""

from optical_hf.stores.documents import load_documents

__all__ = ["load_documents"]
