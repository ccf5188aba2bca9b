"""What an evaluation keeps between systems and calls: the collections, their documents encoded and indexed once, image queries
encoded once.

Text queries are read by the system, documents (texts, images) by the teacher. Where the queries are images it is the
other way round: the teacher reads the images and the system the documents. Knows nothing about languages or reports.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from optical_hf.data import RetrievalCollection
from optical_hf.evaluation.encode.encoding import Encoded, Encoding
from optical_hf.evaluation.encode.processes import Processes
from optical_hf.evaluation.searching import Found, SearchableCollection, found_within
from optical_hf.evaluation.systems import System, query_texts
from optical_hf.evaluation.translate.seq2seq import Translator
from optical_hf.models.tokens import Encoder
from optical_hf.stores.bm25_search import bm25_best
from optical_hf.stores.exact_search import ExactSearch
from optical_hf.stores.search_engine import Best, SearchEngine
from optical_hf.stores.vectors import VectorSet, VectorStore

COMPARED = 200
"""So many queries of a collection are searched exactly too, to say how much an approximate engine misses."""

Vectors = Any
"""A matrix (items, width), or a list of token matrices, as torch tensors or numpy arrays."""


@dataclass(eq=False)
class Session:
    """Collections and settings; `run` answers what a system finds."""

    collections: Sequence[RetrievalCollection]
    teacher: Encoder | None
    encoding: Encoding
    engine: SearchEngine
    depth: int
    processes: Processes = field(default_factory=Processes)
    document_vectors: Mapping[str, Vectors] = field(default_factory=dict)
    translator: Translator | None = None
    agreement: dict[str, list[float]] = field(default_factory=dict)
    _searchable: dict[str, SearchableCollection] = field(default_factory=dict)
    _of_images: dict[str, VectorSet] = field(default_factory=dict)
    _texts: dict[tuple[str, str], list[Any]] = field(default_factory=dict)

    def read(self, system: System, vectors: Mapping[str, Vectors] | None = None) -> None:
        """Get the texts that a system reads, translated where need be: what they lack is said before encoding begins."""
        for collection in self.collections:
            if not asks_with_images(collection) and collection.name not in (vectors or {}):
                self._read(collection, system)

    def run(self, system: System, vectors: Mapping[str, Vectors] | None = None) -> list[Found]:
        """What a system finds in each collection.

        Args:
            system: whose model reads the queries.
            vectors: collection name to query vectors that were computed elsewhere; the model is then not asked.
        """
        return [self._run(system, collection, (vectors or {}).get(collection.name)) for collection in self.collections]

    def _run(self, system: System, collection: RetrievalCollection, vectors: Vectors | None) -> Found:
        what = f"the queries of {collection.name} read by {system.name}"
        if system.name == "bm25":
            return self._bm25(collection, system)
        if asks_with_images(collection):
            model = _needed(system.model, system.name)
            searchable = self._index(collection, model)
            queries = vectors if vectors is not None else self._images(collection)
        else:
            searchable = self._of_teacher(collection)
            queries = vectors
            if queries is None:
                texts = self._read(collection, system)
                queries = self._queries(_needed(system.model, system.name), texts, what)
        vectors = self.encoding.given(queries, len(collection.queries), what)
        best = searchable.best(vectors, self.depth + 1)
        if not self.engine.exact:
            self.agreement.setdefault(system.name, []).append(self._agreement(searchable, vectors, best))
        return self._found(collection, best)

    def _found(self, collection: RetrievalCollection, best: Best) -> Found:
        return found_within(best, self.depth, collection.relevance, len(collection.documents))

    def _images(self, collection: RetrievalCollection) -> VectorSet:
        if collection.name not in self._of_images:
            what = f"the queries of {collection.name} read by the teacher"
            self._of_images[collection.name] = self._queries(self._teacher(), collection.queries["image"], what)
        return self._of_images[collection.name]

    def _read(self, collection: RetrievalCollection, system: System) -> list[Any]:
        key = collection.name, system.column
        if key not in self._texts:
            self._texts[key] = query_texts(collection, system.column, self.translator, self.processes)
        return self._texts[key]

    def _bm25(self, collection: RetrievalCollection, system: System) -> Found:
        if "text" not in collection.documents.column_names or asks_with_images(collection):
            raise ValueError(f"BM25 compares words: {collection.name} has images; leave out bm25")
        texts, documents = self._read(collection, system), collection.documents["text"][:]
        return self._found(collection, bm25_best(texts, documents, self.depth + 1))

    def _agreement(self, searchable: SearchableCollection, queries: VectorSet, best: Best) -> float:
        """Share of the exact search's documents that the engine found, over queries spread over the collection."""
        rows = torch.arange(0, len(queries), max(1, len(queries) // COMPARED))
        exact = replace(searchable, index=ExactSearch().index(searchable.documents)).best(
            queries.pick(rows), self.depth
        )
        pairs = zip(best.documents[rows.numpy(), : self.depth].tolist(), exact.documents.tolist(), strict=True)
        return sum(len({*got} & {*wanted}) / len(wanted) for got, wanted in pairs) / len(rows)

    def _queries(self, model: Encoder, items: Sequence[Any], what: str) -> VectorSet:
        encoded = self.encoding.encode(model, items, "query", what, self.processes)
        pieces = [piece for part in self.processes.gather(list(encoded.store)) for piece in part]
        whole = VectorSet.join([vectors for _, vectors in sorted(pieces, key=lambda piece: piece[0])])
        return whole.pick(encoded.order.argsort())

    def _of_teacher(self, collection: RetrievalCollection) -> SearchableCollection:
        if collection.name not in self._searchable:
            given = self.document_vectors.get(collection.name)
            if given is None:
                self._searchable[collection.name] = self._index(collection, self._teacher())
            else:
                vectors = self.encoding.given(given, len(collection.documents), f"the documents of {collection.name}")
                mine = VectorStore.of(vectors) if self.processes.rank == 0 else VectorStore((), (), len(vectors))
                encoded = Encoded(mine, torch.arange(len(vectors)))
                self._searchable[collection.name] = SearchableCollection.of(
                    collection, encoded, self.engine, self.processes
                )
        return self._searchable[collection.name]

    def _index(self, collection: RetrievalCollection, model: Encoder) -> SearchableCollection:
        column = "image" if "image" in collection.documents.column_names else "text"
        what = f"the documents of {collection.name}"
        items = collection.documents[column]  # texts and images stay where they are until their piece is encoded
        encoded = self.encoding.encode(model, items, "document", what, self.processes)
        return SearchableCollection.of(collection, encoded, self.engine, self.processes)

    def _teacher(self) -> Encoder:
        return _needed(self.teacher, "the teacher")


def asks_with_images(collection: RetrievalCollection) -> bool:
    """Whether the queries are images, which the teacher reads, and the documents texts, which the student reads."""
    return "image" in collection.queries.column_names


def _needed(model: Encoder | None, name: str) -> Encoder:
    if model is None:
        raise ValueError(f"expected a model for {name}, got None; pass the model, or its vectors already computed")
    return model
