"""Retrieval collections: one checked shape, and a loader for each published layout."""

from optical_hf.data.collections.captions import caption_json_lines, caption_lines, caption_table
from optical_hf.data.collections.collection import RetrievalCollection
from optical_hf.data.collections.collection_tables import load_beir, load_clirmatrix, load_mmarco, load_wikiclir
from optical_hf.data.collections.flores import load_flores_documents, load_flores_sentences
from optical_hf.data.collections.images import (
    captions_to_captions,
    captions_to_images,
    images_to_captions,
    phrases_to_regions,
)
from optical_hf.data.collections.questions import load_afriqa
from optical_hf.data.collections.trec_collections import load_africlirmatrix, load_hc4, load_trec
from optical_hf.data.collections.xquad_r import load_xquad_r

__all__ = [
    "RetrievalCollection",
    "caption_json_lines",
    "caption_lines",
    "caption_table",
    "captions_to_captions",
    "captions_to_images",
    "images_to_captions",
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
    "phrases_to_regions",
]
