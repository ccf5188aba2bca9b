"""BM25 of translated queries in English documents, by `bm25s`: the baseline without a model. Needs the extra `search`.

Robertson and Zaragoza 2009; the variant of Lucene (k1 1.5, b 0.75), words of two letters and more, English stop words.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from optical_hf.extras import import_extra
from optical_hf.stores.search_engine import Index, SearchResult


@dataclass(frozen=True)
class Bm25Search:
    """An engine whose documents and queries are texts, not vectors."""

    exact: ClassVar[bool] = True

    def index(self, documents: Sequence[str]) -> Index:
        """Count the words of all documents.

        Raises:
            ImportError: without the extra `search`.
        """
        bm25s = import_extra("bm25s", "search", "the system bm25")
        index = bm25s.BM25()
        index.index(bm25s.tokenize(list(documents), show_progress=False), show_progress=False)
        return _Bm25Index(index, len(documents), bm25s.tokenize)


@dataclass(frozen=True)
class _Bm25Index:
    index: Any
    count: int
    tokenize: Any

    def search(self, queries: Sequence[str], k: int) -> SearchResult:
        """The k documents with the highest BM25; a document that shares no word with the query is not found."""
        words = self.tokenize(list(queries), show_progress=False, return_ids=False)
        rows, scores = self.index.retrieve(words, k=min(k, self.count), show_progress=False)
        positions_QK, scores_QK = torch.as_tensor(rows.astype("int64")), torch.as_tensor(scores.astype("float32"))
        nothing_QK = scores_QK <= 0
        return SearchResult(scores_QK.masked_fill(nothing_QK, -torch.inf), positions_QK.masked_fill(nothing_QK, -1))
