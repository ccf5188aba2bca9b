"""Data: bitext in many formats, Flickr30k Entities, retrieval collections, scenes. Knows nothing about models."""

from optical_hf.data.bitext import Bitext, load_bitext
from optical_hf.data.collections import RetrievalCollection

__all__ = ["Bitext", "RetrievalCollection", "load_bitext"]
