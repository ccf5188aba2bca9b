"""Evaluation: encode, search, score, report. Knows models and collections; nothing about training."""

from optical_hf.evaluation.evaluator import RetrievalEvaluator
from optical_hf.evaluation.report import RetrievalReport
from optical_hf.evaluation.retrieval import evaluate_retrieval

__all__ = ["RetrievalEvaluator", "RetrievalReport", "evaluate_retrieval"]
