"""Texts and images as vectors, shared over processes and kept on disk."""
