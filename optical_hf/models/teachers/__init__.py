"""Teachers, by language and from a cache of their tokens."""
