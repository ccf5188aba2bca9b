"""Data: bitext in many formats, Flickr30k Entities, retrieval collections."""

from optical_hf.data.bitext import Bitext, load_bitext, stream_bitext
from optical_hf.data.bitext.bitext_translation import write_bitext
from optical_hf.data.collections import RetrievalCollection
from optical_hf.data.entities import Flickr30kEntities, load_flickr30k_entities
from optical_hf.data.quality import BitextReport, bitext_quality, clean_bitext

__all__ = [
    "Bitext",
    "BitextReport",
    "Flickr30kEntities",
    "RetrievalCollection",
    "bitext_quality",
    "clean_bitext",
    "load_bitext",
    "load_flickr30k_entities",
    "stream_bitext",
    "write_bitext",
]
