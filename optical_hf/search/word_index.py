"""BM25 over the texts of an index, to be fused with a student by reciprocal rank.

Shapes: Q queries, K results.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from optical_hf.stores.bm25_search import Bm25Search
from optical_hf.stores.document_store import DocumentStore, StoreHits
from optical_hf.stores.rank_fusion import fuse_ranks
from optical_hf.stores.search_engine import Index, SearchResult

DEPTH = 100
"""Documents of each search that are fused, at least."""


@dataclass(frozen=True)
class WordIndex:
    """The words of an index, in memory.

    Attributes:
        ids: of the documents.
        texts: of the documents.
        index: of their words.
        place: of each id.
    """

    ids: list[str]
    texts: list[str]
    index: Index
    place: dict[str, int]

    @classmethod
    def of(cls, store: DocumentStore) -> "WordIndex":
        """Read all texts of a store.

        Raises:
            ImportError: without the extra `search`.
        """
        ids: list[str] = []
        texts: list[str] = []
        for rows in store.rows():
            ids += rows.ids
            texts += [text or "" for text in rows.texts]
        return cls(ids, texts, Bm25Search().index(texts), {key: row for row, key in enumerate(ids)})

    def fused(self, queries: Sequence[str], hits: StoreHits, top: int, constant: int) -> StoreHits:
        """What a student found and what BM25 finds for the same queries, by reciprocal rank; a tie is the student's.

        Args:
            queries: as they are; BM25 finds what they share with English: names, numbers, loan words.
            hits: of the student, `DEPTH` of each query or more.
            top: documents of each query.
            constant: of the fusion.
        """
        depth = max(map(len, hits.ids), default=0)
        rows_QK = torch.full((len(queries), max(depth, 1)), -1)
        for row, found in enumerate(hits.ids):
            rows_QK[row, : len(found)] = torch.tensor([self.place[key] for key in found], dtype=torch.int64)
        by_student = SearchResult(torch.zeros(rows_QK.shape), rows_QK)
        best = fuse_ranks([by_student, self.index.search(queries, max(top, DEPTH))], top, constant)
        kept = [[row for row in rows if row >= 0] for rows in best.positions.tolist()]
        scores = [values[: len(rows)] for values, rows in zip(best.scores.tolist(), kept, strict=True)]
        return StoreHits(
            [[self.ids[n] for n in rows] for rows in kept], scores, [[self.texts[n] for n in rows] for rows in kept]
        )
