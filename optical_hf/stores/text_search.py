"""The lexical half of a hybrid search, and the fusion of hits by their ids.

Shapes: Q queries, K results.
"""

from collections.abc import Sequence
from typing import Literal, Protocol, runtime_checkable

import torch

from optical_hf.stores.document_store import DocumentStore, StoreHits
from optical_hf.stores.rank_fusion import fuse_ranks
from optical_hf.stores.search_engine import SearchResult

Words = Literal["bm25", "store"]
"""How words are searched: by BM25 over all texts, in memory, or by the full-text search of the store."""


@runtime_checkable
class TextSearch(Protocol):
    """What finds documents by the words of a query."""

    def search_texts(self, queries: Sequence[str], k: int) -> StoreHits:
        """The k best documents of each query; those that share no word with it are not found."""
        ...


def text_search_of(store: DocumentStore) -> TextSearch:
    """The full-text search of a store.

    Raises:
        ValueError: for a store that has none.
    """
    if isinstance(store, TextSearch):
        return store
    raise ValueError(
        f"{store.location}: no full-text search of this kind of store is used, only that of PostgreSQL and LanceDB: take BM25 "
        "(words='bm25'), which reads all texts"
    )


def fuse_hits(parts: Sequence[StoreHits], top: int, constant: int) -> StoreHits:
    """The best documents of several searches of the same queries, by reciprocal rank.

    Args:
        parts: what each found; of equal documents the first one's comes first.
        top: documents of each query.
        constant: of the fusion.

    Example:
        >>> one = StoreHits([["a", "b"]], [[0.9, 0.8]], [["dogs", "cats"]])
        >>> other = StoreHits([["b", "c"]], [[12.0, 3.0]], [["cats", "birds"]])
        >>> fuse_hits([one, other], 2, 60).ids
        [['b', 'a']]
    """
    numbers: dict[str, int] = {}
    text_of: dict[str, str] = {}
    results = []
    for hits in parts:
        number_QK = torch.full((len(hits.ids), max(1, *map(len, hits.ids))), -1)
        for row, (ids, texts) in enumerate(zip(hits.ids, hits.texts, strict=True)):
            numbered = [numbers.setdefault(key, len(numbers)) for key in ids]
            number_QK[row, : len(ids)] = torch.tensor(numbered, dtype=torch.int64)
            text_of |= zip(ids, texts, strict=True)
        results.append(SearchResult(torch.zeros(number_QK.shape), number_QK))
    best, named = fuse_ranks(results, top, constant), list(numbers)
    return StoreHits.of(best, named, [text_of[key] for key in named])
