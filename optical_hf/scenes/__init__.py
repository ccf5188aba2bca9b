"""scenes: a synthetic world, written by us, with captions in five languages, phrase marks, images and boxes.

It is the only synthetic data in the package: small, free of downloads, and right for demos and tests. Results on it
say that the machinery works, never how good a model is.
"""

from optical_hf.scenes.corpus import (
    HIGH_RESOURCE,
    LANGUAGES,
    LOW_RESOURCE,
    caption,
    scenes_bitext,
    scenes_collection_parts,
)
from optical_hf.scenes.entities_export import export_flickr30k_entities
from optical_hf.scenes.pictures import Box, boxes, render
from optical_hf.scenes.world import Entity, Scene, generate_scenes

__all__ = [
    "HIGH_RESOURCE",
    "LANGUAGES",
    "LOW_RESOURCE",
    "Box",
    "Entity",
    "Scene",
    "boxes",
    "caption",
    "export_flickr30k_entities",
    "generate_scenes",
    "render",
    "scenes_bitext",
    "scenes_collection_parts",
]
