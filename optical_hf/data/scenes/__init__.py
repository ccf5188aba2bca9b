"""scenes: a synthetic world, written by us, with captions in nine languages, phrase marks, images and boxes.

It is the only synthetic data in the package: small, free of downloads, and right for demos and tests. Results on it
say that the machinery works, never how good a model is.
"""

from optical_hf.data.scenes.captions import Caption, Phrase
from optical_hf.data.scenes.corpus import (
    GROUPS,
    HIGH_RESOURCE,
    LANGUAGES,
    LOW_RESOURCE,
    CollectionParts,
    caption,
    scenes_bitext,
    scenes_collection_parts,
)
from optical_hf.data.scenes.world import Entity, Scene, Split, generate_scenes

__all__ = [
    "GROUPS",
    "HIGH_RESOURCE",
    "LANGUAGES",
    "LOW_RESOURCE",
    "Caption",
    "CollectionParts",
    "Entity",
    "Phrase",
    "Scene",
    "Split",
    "caption",
    "generate_scenes",
    "scenes_bitext",
    "scenes_collection_parts",
]
