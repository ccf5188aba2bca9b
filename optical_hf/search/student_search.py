"""`student_search`: queries in any language, read by a student, find documents of an English index.

Shapes: Q queries, R rows, D width.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from tqdm.auto import tqdm

from optical_hf.bars import bars_shown
from optical_hf.evaluation.encode.encoding import Encoding
from optical_hf.models.loading import load_teacher
from optical_hf.models.tokens import Encoder
from optical_hf.processes import Processes
from optical_hf.search.answers import Answer, FoundDocument
from optical_hf.search.index_match import check_index, index_notes
from optical_hf.search.language_notes import language_notes
from optical_hf.search.maxsim_reranking import reranked
from optical_hf.search.open_index import IndexSource, open_index
from optical_hf.search.query_list import Query, as_queries
from optical_hf.search.word_index import WordIndex
from optical_hf.settings_checks import check_choices, check_counts
from optical_hf.stores.document_store import DocumentStore, cut_vectors
from optical_hf.stores.rank_fusion import CONSTANT
from optical_hf.stores.search_engine import Search
from optical_hf.stores.text_search import TextSearch, Words, fuse_hits, text_search_of

logger = logging.getLogger(__name__)

AT_ONCE = 512
"""Queries that are searched together."""
DEPTH = 100
"""Documents of each search that are fused, at least."""


def student_search(
    student: Encoder | str | Path,
    index: IndexSource,
    queries: str | Sequence[str] | Sequence[Query],
    *,
    top: int = 10,
    language: str | None = None,
    query_prompt: str | None = None,
    teacher: Encoder | None = None,
    search: Search | None = None,
    cache: str | Path | None = None,
    hybrid: bool = False,
    words: Words = "bm25",
    fusion: int = CONSTANT,
    rerank: int = 0,
    batch_size: int = 64,
    check: bool = True,
    progress: bool = True,
) -> list[Answer]:
    """Find the documents of an English index that answer queries in any language.

    Warnings say where the student and the index do not fit, and which languages the student does not know.

    Args:
        student: a saved student by its folder or hub id, or a model. It reads the queries behind its own query prompt.
        index: the URL of a store, a file of texts and vectors, a `Dataset`, or what `open_index` returned.
        queries: a text, texts, or `Query(id, text, language)`.
        top: documents of each query.
        language: of the queries that say none; for the warnings alone.
        query_prompt: in front of the queries, in place of the one that the student states.
        teacher: reads the documents of an index without vectors; with `search` and `cache` as `open_index` takes them.
        search: by one vector a text, or one a token.
        cache: a folder for the vectors that the teacher gives.
        hybrid: fuse what the student finds with what the words of the same queries find, by reciprocal rank.
        words: how words are searched: "bm25" reads all texts of the index into memory; "store" is the full-text search of
            PostgreSQL or LanceDB.
        fusion: the constant of the fusion: the higher, the less the first ranks count.
        rerank: documents of each query that are compared again by MaxSim: the teacher reads their texts, one vector a token. For
            an index of one vector a text; 0 leaves it out.
        batch_size: queries in one forward pass.
        check: let the student read a few documents of the index, to see that it was made for this index.
        progress: show a bar of progress.

    Returns:
        An answer for each query, in their order, with the best documents first.

    Raises:
        ValueError: no queries, an index that cannot be read, vectors that are wider than the student's, words that the store
            cannot search, or `rerank` without a teacher or in an index of tokens.

    Example:
        >>> for answer in student_search("students/e5", "index.parquet", "habari za leo"):  # doctest: +SKIP
        ...     print(answer.documents[0].text)
    """
    check_counts(top=top, batch_size=batch_size, fusion=fusion, **({"rerank": rerank} if rerank else {}))
    check_choices(words=(words, get_args(Words)))
    listed = as_queries(queries, language)
    if not isinstance(student, Encoder):
        student = load_teacher(student, query_prompt=query_prompt, role="student")
    opened = open_index(index, teacher=teacher, search=search, cache=cache, progress=progress)
    check_index(student, opened)
    for note in (*language_notes(student, listed), *(index_notes(student, opened) if check else ())):
        logger.warning("%s", note)
    if rerank and (teacher is None or opened.late_interaction):
        told = (
            "the index is searched by its tokens already"
            if opened.late_interaction
            else "it needs the teacher (teacher=)"
        )
        raise ValueError(f"rerank={rerank} lets the teacher read what was found, token by token: {told}")
    by_words = (WordIndex.of(opened) if words == "bm25" else text_search_of(opened)) if hybrid else None
    return search_index(
        student, opened, listed, top=top, words=by_words, fusion=fusion, teacher=teacher, rerank=rerank,
        batch_size=batch_size, progress=progress,
    )  # fmt: skip


def search_index(
    reader: Encoder,
    index: DocumentStore,
    queries: Sequence[Query],
    *,
    top: int = 10,
    words: TextSearch | None = None,
    fusion: int = CONSTANT,
    teacher: Encoder | None = None,
    rerank: int = 0,
    batch_size: int = 64,
    progress: bool = True,
) -> list[Answer]:
    """Search an index that is open with a model that is loaded, without a warning; `student_search` does this and more.

    Args:
        reader: reads the queries: a student, or the teacher of the index.
        index: what `open_index` returned.
        queries: from `as_queries`.
        top: documents of each query.
        words: what searches the words of the same queries, to be fused by reciprocal rank.
        fusion: the constant of that.
        teacher: reads the documents that are compared again by MaxSim.
        rerank: how many of each query are; 0 for none.
        batch_size: queries in one forward pass.
        progress: show a bar of progress.

    Returns:
        An answer for each query, in their order, with the best documents first.

    Raises:
        ValueError: vectors that cannot be compared with those of the index.
    """
    encoding = Encoding("maxsim" if index.late_interaction else "vector", batch_size=batch_size, progress=False)
    answers: list[Answer] = []
    with tqdm(total=len(queries), desc="Searching", disable=not bars_shown(progress and len(queries) > AT_ONCE)) as bar:
        for start in range(0, len(queries), AT_ONCE):
            part = queries[start : start + AT_ONCE]
            texts = [query.text for query in part]
            vectors = encoding.encode(reader, texts, "query", "the queries", Processes()).in_item_order(Processes())
            vectors = vectors if index.late_interaction else cut_vectors(vectors, index.width)
            first = max(top, rerank)
            hits = index.search(vectors, first if words is None else max(first, DEPTH))
            if words is not None:
                hits = fuse_hits([hits, words.search_texts(texts, max(first, DEPTH))], first, fusion)
            if teacher is not None and rerank:
                hits = reranked(reader, teacher, texts, hits, top, batch_size)
            for query, *found in zip(part, *hits, strict=True):
                answers.append(Answer(query, [FoundDocument(*one) for one in zip(*found, strict=True)]))
            bar.update(len(part))
    return answers
