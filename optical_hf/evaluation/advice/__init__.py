"""The verdict before any work: keep the index or re-index, predicted from a sample."""

from optical_hf.evaluation.advice.advice_report import Advice
from optical_hf.evaluation.advice.advice_rule import AdviceRule
from optical_hf.evaluation.advice.advising import advise

__all__ = ["Advice", "AdviceRule", "advise"]
