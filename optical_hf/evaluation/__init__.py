"""Evaluation: encode, search, score, report. Knows models and collections; nothing about training."""

from optical_hf.evaluation.comparing import compare_reports, disagreements
from optical_hf.evaluation.dictionary import learn_dictionaries, read_dictionary
from optical_hf.evaluation.evaluator import RetrievalEvaluator
from optical_hf.evaluation.exact import ExactSearch
from optical_hf.evaluation.faiss_engine import FaissSearch
from optical_hf.evaluation.lance_engine import LanceSearch
from optical_hf.evaluation.page import write_html
from optical_hf.evaluation.regions import evaluate_regions
from optical_hf.evaluation.report import RetrievalReport
from optical_hf.evaluation.retrieval import evaluate_retrieval
from optical_hf.evaluation.translating import load_translator
from optical_hf.evaluation.trec import write_trec

__all__ = [
    "ExactSearch",
    "FaissSearch",
    "LanceSearch",
    "RetrievalEvaluator",
    "RetrievalReport",
    "compare_reports",
    "disagreements",
    "evaluate_regions",
    "evaluate_retrieval",
    "learn_dictionaries",
    "load_translator",
    "read_dictionary",
    "write_html",
    "write_trec",
]
