"""What an evaluation keeps between systems and calls: documents encoded and indexed once, image queries encoded once.

The system reads text queries, the teacher reads documents. `own_index` reads both itself.
Where the queries are images, the teacher reads the queries and the system the documents.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch

from optical_hf.data import RetrievalCollection
from optical_hf.evaluation.encode.encoding import Encoded
from optical_hf.evaluation.evaluation_settings import EvaluationSettings
from optical_hf.evaluation.own_index import reading_with
from optical_hf.evaluation.searching import Found, Searchable, found_within
from optical_hf.evaluation.store_index import StoreIndex
from optical_hf.evaluation.systems import System, query_texts
from optical_hf.models.teachers.vector_teacher import VectorTeacher
from optical_hf.models.tokens import Encoder
from optical_hf.models.translation.seq2seq import Translator
from optical_hf.processes import Processes
from optical_hf.stores.bm25_search import Bm25Search
from optical_hf.stores.document_store import DocumentStore
from optical_hf.stores.engine_names import engine_named
from optical_hf.stores.rank_fusion import fuse_ranks
from optical_hf.stores.search_engine import SearchResult
from optical_hf.stores.text_search import text_search_of
from optical_hf.stores.vectors import VectorSet, VectorStore

T = TypeVar("T")
M = TypeVar("M", bound=Encoder | VectorTeacher)

COMPARED = 200
"""So many queries of a collection are searched exactly too, to say how much an approximate engine misses."""

Vectors = Any
"""A matrix (items, width), or a list of token matrices, as torch tensors or numpy arrays."""


@dataclass(eq=False)
class Session:
    """Collections, the teacher and settings whose search is decided; `run` gives what a system retrieves."""

    collections: Sequence[RetrievalCollection]
    teacher: Encoder | VectorTeacher | None
    settings: EvaluationSettings
    document_vectors: Mapping[str, Vectors] = field(default_factory=dict)
    indexes: Mapping[str, DocumentStore] = field(default_factory=dict)
    translator: Translator | None = None
    agreement: dict[str, list[float]] = field(default_factory=dict)
    _kept: dict[tuple[str, ...], Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.encoding = self.settings.encoding(self.teacher)
        self.settings.check_length(self.teacher)
        _, self.engine = engine_named(self.settings.engine, self.encoding.search)
        self.processes = Processes.started() if self.settings.sharded else Processes()
        for name in [collection.name for collection in self.collections if self.settings.words == "store"]:
            if name not in self.indexes:
                raise ValueError(
                    f"words='store' searches an index, and {name} has none: give it in indexes=, or take 'bm25'"
                )
            text_search_of(self.indexes[name])

    def read(self, system: System, vectors: Mapping[str, Vectors]) -> None:
        """Get the texts that a system reads, translated where need be: what they lack is said before encoding begins.

        So is a limit of tokens that its model cannot keep.
        """
        self.settings.check_length(system.model)
        for collection in self.collections:
            if not has_image_queries(collection) and collection.name not in vectors:
                texts = self._texts(collection, system)
                if isinstance(system.model, VectorTeacher):
                    system.model.check_texts(texts, f"queries of {collection.name} read by {system.name}")

    def run(self, system: System, vectors: Mapping[str, Vectors]) -> list[Found]:
        """What a system retrieves in each collection.

        Args:
            system: whose model reads the queries.
            vectors: collection name to query vectors that were computed elsewhere; the model is then not used.
                A system that reads documents itself takes none, and uses the first of its readings.
        """
        depth, found = self.settings.depth, []
        for collection in self.collections:
            best = self._best(collection, system, vectors.get(collection.name), depth + 1)
            found.append(found_within(best, depth, collection.relevance, len(collection.documents)))
        return found

    def _best(self, collection: RetrievalCollection, system: System, given: Vectors | None, count: int) -> SearchResult:
        if system.name == "bm25":
            return self._by_words(collection, system, count)
        found = self._by_vectors(collection, system, given, count)
        if system.name == "hybrid":
            return fuse_ranks([found, self._by_words(collection, system, count)], count, self.settings.fusion)
        return found

    def _by_words(self, collection: RetrievalCollection, system: System, count: int) -> SearchResult:
        if "text" not in collection.documents.column_names or has_image_queries(collection):
            raise ValueError(f"BM25 compares words: {collection.name} has images; leave out {system.name}")
        if system.name == "hybrid" and self.settings.words == "store":
            store = self._of_teacher(collection)
            assert isinstance(store, StoreIndex)
            return store.by_words(self._texts(collection, system), count)
        index = self._once(("words", collection.name), lambda: Bm25Search().index(collection.documents["text"][:]))
        return index.search(self._texts(collection, system), count)

    def _by_vectors(
        self, collection: RetrievalCollection, system: System, given: Vectors | None, count: int
    ) -> SearchResult:
        what = f"the queries of {collection.name} read by {system.name}"
        if has_image_queries(collection):
            searchable = self._index(self._encoded(collection, _needed(system.model, system.name)))
            queries = self._images(collection) if given is None else given
        elif system.readings:
            return self._own_best(collection, system, count)
        else:
            searchable = self._of_teacher(collection)
            queries = given
            if queries is None:
                queries = self._queries(_needed(system.model, system.name), self._texts(collection, system), what)
        vectors = self.encoding.given(queries, len(collection.queries), what)
        best = searchable.best(vectors, count, self.processes)
        self._note_agreement(system, searchable, vectors, best)
        return best

    def _own_best(self, collection: RetrievalCollection, system: System, count: int) -> SearchResult:
        """The best documents where the system reads queries and documents alike, each with its prompt, compared its own way."""
        model, what = _needed(system.model, system.name), f"{collection.name} read by {system.name}"
        encoding, texts = self.settings.encoding(model), self._texts(collection, system)
        reading = system.readings[0]
        with reading_with(model, reading):
            documents = encoding.encode(model, collection.documents["text"], "document", what, self.processes)
            queries = self._once(  # readings that differ in the documents' prompt alone share them
                ("queries", collection.name, system.name, reading.query),
                lambda: encoding.encode(model, texts, "query", what, self.processes).in_item_order(self.processes),
            )
        searchable = self._index(documents)
        best = searchable.best(queries, count, self.processes)
        self._note_agreement(system, searchable, queries, best)
        return best

    def _note_agreement(
        self, system: System, searchable: Searchable | StoreIndex, queries: VectorSet, best: SearchResult
    ) -> None:
        if isinstance(searchable, StoreIndex) or not self.engine.exact:
            self.agreement.setdefault(system.name, []).append(self._agreement(searchable, queries, best))

    def _agreement(self, searchable: Searchable | StoreIndex, queries: VectorSet, best: SearchResult) -> float:
        """Share of the exact search's documents that the engine found, over queries spread over the collection."""
        rows, depth = torch.arange(0, len(queries), max(1, len(queries) // COMPARED)), self.settings.depth
        expected = searchable.exactly(queries.pick(rows), depth, self.processes).positions
        pairs = zip(best.positions[rows, :depth].tolist(), expected.tolist(), strict=True)
        return sum(len({*got} & {*wanted}) / len(wanted) for got, wanted in pairs) / len(rows)

    def _once(self, key: tuple[str, ...], make: Callable[[], T]) -> T:
        if key not in self._kept:
            self._kept[key] = make()
        return self._kept[key]

    def _texts(self, collection: RetrievalCollection, system: System) -> list[Any]:
        return self._once(
            ("texts", collection.name, system.column),
            lambda: query_texts(collection, system.column, self.translator, self.processes),
        )

    def _images(self, collection: RetrievalCollection) -> VectorSet:
        what, images = f"the queries of {collection.name} read by the teacher", collection.queries["image"]
        teacher = _needed(self.teacher, "the teacher")
        return self._once(("images", collection.name), lambda: self._queries(teacher, images, what))

    def _queries(self, model: Encoder | VectorTeacher, items: Sequence[Any], what: str) -> VectorSet:
        return self.encoding.encode(model, items, "query", what, self.processes).in_item_order(self.processes)

    def _of_teacher(self, collection: RetrievalCollection) -> Searchable | StoreIndex:
        def make() -> Searchable | StoreIndex:
            if (store := self.indexes.get(collection.name)) is not None:
                return StoreIndex.of(store, collection)
            if (given := self.document_vectors.get(collection.name)) is None:
                return self._index(self._encoded(collection, _needed(self.teacher, "the teacher")))
            vectors = self.encoding.given(given, len(collection.documents), f"the documents of {collection.name}")
            mine = VectorStore.of(vectors) if self.processes.rank == 0 else VectorStore((), (), len(vectors))
            return self._index(Encoded(mine, torch.arange(len(vectors))))

        return self._once(("documents", collection.name), make)

    def _encoded(self, collection: RetrievalCollection, model: Encoder | VectorTeacher) -> Encoded:
        column = "image" if "image" in collection.documents.column_names else "text"
        items = collection.documents[column]  # texts and images stay where they are until their piece is encoded
        return self.encoding.encode(model, items, "document", f"the documents of {collection.name}", self.processes)

    def _index(self, documents: Encoded) -> Searchable:
        return Searchable(documents, self.engine.index(documents.store))


def has_image_queries(collection: RetrievalCollection) -> bool:
    """Whether the queries are images, which the teacher reads, and the documents texts, which the student reads."""
    return "image" in collection.queries.column_names


def has_images(collection: RetrievalCollection) -> bool:
    """Whether the queries or the documents are images, which a student cannot read."""
    return "image" in collection.documents.column_names or has_image_queries(collection)


def _needed(model: M | None, name: str) -> M:
    if model is None:
        raise ValueError(f"expected a model for {name}, got None; pass the model, or its vectors already computed")
    return model
