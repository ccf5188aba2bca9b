"""Queries in English, for the translate-query baseline."""
