"""Evaluation of retrieval: encode, search, score, report."""

from optical_hf.evaluation.advice import Advice, AdviceRule, advise
from optical_hf.evaluation.evaluation_settings import EvaluationSettings
from optical_hf.evaluation.evaluator import RetrievalEvaluator
from optical_hf.evaluation.regions import evaluate_regions
from optical_hf.evaluation.report.comparison import compare_reports, disagreements
from optical_hf.evaluation.report.report_page import write_html
from optical_hf.evaluation.report.report_plots import save_plots
from optical_hf.evaluation.report.report_tables import print_report, report_markdown
from optical_hf.evaluation.report.retrieval_report import RetrievalReport
from optical_hf.evaluation.report.trec_files import write_trec
from optical_hf.evaluation.retrieval import evaluate_retrieval
from optical_hf.evaluation.translate.dictionary import learn_dictionaries, read_dictionary
from optical_hf.models.translation.seq2seq import load_translator
from optical_hf.stores.exact_search import ExactSearch
from optical_hf.stores.faiss_search import FaissSearch
from optical_hf.stores.lancedb_search import LanceSearch

__all__ = [
    "Advice",
    "AdviceRule",
    "EvaluationSettings",
    "ExactSearch",
    "FaissSearch",
    "LanceSearch",
    "RetrievalEvaluator",
    "RetrievalReport",
    "advise",
    "compare_reports",
    "disagreements",
    "evaluate_regions",
    "evaluate_retrieval",
    "learn_dictionaries",
    "load_translator",
    "print_report",
    "read_dictionary",
    "report_markdown",
    "save_plots",
    "write_html",
    "write_trec",
]
