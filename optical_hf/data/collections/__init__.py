"""Retrieval collections: one checked shape, and a loader for each published layout. Knows nothing about models."""

from optical_hf.data.collections.collection import RetrievalCollection

__all__ = ["RetrievalCollection"]
