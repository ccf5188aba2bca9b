"""A student's vocabulary: trim it to the pieces a corpus uses, or extend it by those of a language."""

from optical_hf.models.vocabulary.extend import ExtendReport, extend_vocabulary
from optical_hf.models.vocabulary.trim import TrimReport, trim_vocabulary

__all__ = ["ExtendReport", "TrimReport", "extend_vocabulary", "trim_vocabulary"]
