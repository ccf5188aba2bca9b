"""The index check: was this index made by this teacher, and how did the teacher read its texts?"""

from optical_hf.evaluation.index_check.check_result import IndexCheck
from optical_hf.evaluation.index_check.index_checking import check_index, check_table_of_documents

__all__ = ["IndexCheck", "check_index", "check_table_of_documents"]
