"""Vocabularies: cut a student's down to what a corpus uses, or teach it a language that it splits into crumbs."""

from optical_hf.models.vocabulary.trim import TrimReport, trim_vocabulary

__all__ = ["TrimReport", "trim_vocabulary"]
