"""Search an English index with a student: open it, find documents, show them."""

from optical_hf.search.answers import Answer, FoundDocument, json_lines, print_answers, write_run
from optical_hf.search.explanation import print_explanation, write_explanation
from optical_hf.search.index_drift import IndexDrift, index_drift
from optical_hf.search.open_index import open_index
from optical_hf.search.query_list import Query, read_query_file
from optical_hf.search.student_search import student_search
from optical_hf.search.token_alignment import TokenAlignment, explain

__all__ = [
    "Answer",
    "FoundDocument",
    "IndexDrift",
    "Query",
    "TokenAlignment",
    "explain",
    "index_drift",
    "json_lines",
    "open_index",
    "print_answers",
    "print_explanation",
    "read_query_file",
    "student_search",
    "write_explanation",
    "write_run",
]
