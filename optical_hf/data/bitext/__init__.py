"""Bitext: files in many formats, hub data sets and streams as one table of pairs."""

from optical_hf.data.bitext.bitext_builder import Bitext, load_bitext, stream_bitext

__all__ = ["Bitext", "load_bitext", "stream_bitext"]
