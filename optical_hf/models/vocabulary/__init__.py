"""Vocabularies: cut a student's down to what a corpus uses, or teach it a language that it splits into crumbs."""

from optical_hf.models.vocabulary.extend import ExtendReport, extend_vocabulary
from optical_hf.models.vocabulary.trim import TrimReport, trim_vocabulary

__all__ = ["ExtendReport", "TrimReport", "extend_vocabulary", "trim_vocabulary"]
