"""Data: bitext in many formats, Flickr30k Entities, retrieval collections, scenes. Knows nothing about models."""
