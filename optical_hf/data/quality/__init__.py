"""Quality of a bitext: what looks wrong, by language and rule, and a table without it."""

from optical_hf.data.quality.cleaning import clean_bitext
from optical_hf.data.quality.inspection import bitext_quality
from optical_hf.data.quality.quality_report import BitextReport

__all__ = ["BitextReport", "bitext_quality", "clean_bitext"]
