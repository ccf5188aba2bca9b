"""Retrieval collections: one checked shape, and a loader for each published layout. Knows nothing about models."""

from optical_hf.data.collections.collection import RetrievalCollection
from optical_hf.data.collections.flores import load_flores_documents, load_flores_sentences
from optical_hf.data.collections.questions import load_afriqa, load_xquad_r
from optical_hf.data.collections.tables import load_beir, load_clirmatrix, load_mmarco, load_wikiclir
from optical_hf.data.collections.trec import load_africlirmatrix, load_hc4, load_trec

__all__ = [
    "RetrievalCollection",
    "load_africlirmatrix",
    "load_afriqa",
    "load_beir",
    "load_clirmatrix",
    "load_flores_documents",
    "load_flores_sentences",
    "load_hc4",
    "load_mmarco",
    "load_trec",
    "load_wikiclir",
    "load_xquad_r",
]
