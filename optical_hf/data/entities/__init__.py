"""Flickr30k Entities: captions, phrases with boxes, and bitext of the same images."""

from optical_hf.data.entities.annotations import Box, ImageAnnotation, parse_annotation
from optical_hf.data.entities.builder import Flickr30kEntities, load_flickr30k_entities
from optical_hf.data.entities.marks import MarkedSentence, PhraseMark, parse_sentence
from optical_hf.data.entities.splits import SPLITS, check_splits

__all__ = [
    "SPLITS",
    "Box",
    "Flickr30kEntities",
    "ImageAnnotation",
    "MarkedSentence",
    "PhraseMark",
    "check_splits",
    "load_flickr30k_entities",
    "parse_annotation",
    "parse_sentence",
]
