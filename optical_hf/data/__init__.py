"""Data: bitext in many formats, Flickr30k Entities, retrieval collections, scenes. Knows nothing about models."""

from optical_hf.data.bitext import Bitext, load_bitext
from optical_hf.data.collections import RetrievalCollection
from optical_hf.data.entities import Flickr30kEntities, load_flickr30k_entities

__all__ = ["Bitext", "Flickr30kEntities", "RetrievalCollection", "load_bitext", "load_flickr30k_entities"]
