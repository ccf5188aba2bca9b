"""BM25 over the texts of an index, in memory: the lexical half of a hybrid search where the store has none."""

from collections.abc import Sequence
from dataclasses import dataclass

from optical_hf.stores.bm25_search import Bm25Search
from optical_hf.stores.document_store import DocumentStore, StoreHits
from optical_hf.stores.search_engine import Index


@dataclass(frozen=True)
class WordIndex:
    """The words of an index; see `TextSearch`.

    Attributes:
        ids: of the documents.
        texts: of the documents.
        index: of their words.
    """

    ids: list[str]
    texts: list[str]
    index: Index

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
        return cls(ids, texts, Bm25Search().index(texts))

    def search_texts(self, queries: Sequence[str], k: int) -> StoreHits:
        """The k best documents of each query, by what it shares with English: names, numbers, loan words."""
        return StoreHits.of(self.index.search(queries, k), self.ids, self.texts)
