"""Vocabularies: cut a student's down to what a corpus uses, or add pieces of a language to it."""

from optical_hf.models.vocabulary.extend import ExtendReport, extend_vocabulary
from optical_hf.models.vocabulary.trim import TrimReport, trim_vocabulary

__all__ = ["ExtendReport", "TrimReport", "extend_vocabulary", "trim_vocabulary"]
