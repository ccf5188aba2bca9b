"""Measures of retrieval by language: ranks, the cross-lingual gap with its uncertainty, and tests between systems."""
