"""The English documents of an index: their texts, and where given their vectors, as one table."""

from optical_hf.stores.documents.document_builder import load_documents
from optical_hf.stores.documents.text_index import TextIndex

__all__ = ["TextIndex", "load_documents"]
