"""What the page searches with: the student, and beside it translate-query and the teacher, each with what it read and found.

Knows nothing about HTML and gradio.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from optical_hf.evaluation.translate.translators import Translators, translator_of
from optical_hf.languages import language_info
from optical_hf.models.known_languages import ENGLISH, base_language, languages_seen, recorded_languages
from optical_hf.models.loading import load_teacher
from optical_hf.models.tokens import Encoder
from optical_hf.models.translation.seq2seq import Translator
from optical_hf.search.index_match import check_index, index_notes
from optical_hf.search.language_notes import language_notes
from optical_hf.search.open_index import IndexSource, open_index
from optical_hf.search.query_list import Query, as_queries
from optical_hf.search.student_search import search_index
from optical_hf.search.token_alignment import TokenAlignment, explain
from optical_hf.search.word_index import WordIndex
from optical_hf.stores.document_store import DocumentStore
from optical_hf.stores.search_engine import Search
from optical_hf.stores.text_search import TextSearch

logger = logging.getLogger(__name__)

TYPED = "the query as you typed it"


class Column(NamedTuple):
    """What one system read and found.

    Attributes:
        system: its name.
        reads: what it reads, in words.
        query: the text it reads; None where it has none to read.
        notes: what the user should know before trusting it.
        found: the documents, best first, each aligned with the query word by word.
    """

    system: str
    reads: str
    query: Query | None
    notes: list[str]
    found: list[TokenAlignment]


@dataclass(frozen=True)
class PageSystems:
    """A student, its index, and the systems that stand beside it.

    Attributes:
        student: reads queries as they are typed.
        index: is open.
        teacher: made the index; None where it is not at hand.
        translator: translates queries into English for the teacher.
        words: of the index, to be fused with what the student finds.
        notes: where the student and the index do not fit.
    """

    student: Encoder
    index: DocumentStore
    teacher: Encoder | None = None
    translator: Translator | None = None
    words: TextSearch | None = None
    notes: list[str] = field(default_factory=list)

    @classmethod
    def open(
        cls,
        student: Encoder | str | Path,
        index: IndexSource,
        *,
        teacher: Encoder | str | Path | None = None,
        translator: "Translator | str | Path | Translators | None" = None,
        hybrid: bool = False,
        query_prompt: str | None = None,
        search: Search | None = None,
        cache: str | Path | None = None,
    ) -> "PageSystems":
        """Load the models and open the index; arguments as `search_page` takes them.

        Raises:
            ValueError: a model or an index that cannot be read, models of another width than the index, or a translator without a
                teacher, which would read what it writes.
        """
        if translator is not None and teacher is None:
            raise ValueError(
                "a translator without a teacher: expected teacher= (--teacher), which reads the translations"
            )
        if teacher is not None and not isinstance(teacher, Encoder):
            teacher = load_teacher(teacher)
        if not isinstance(student, Encoder):
            student = load_teacher(student, query_prompt=query_prompt, role="student")
        translate = None if translator is None else translator_of(translator, progress=False)
        opened = open_index(index, teacher=teacher, search=search, cache=cache)
        check_index(student, opened)
        if teacher is not None:
            check_index(teacher, opened, "teacher")
        notes = index_notes(student, opened)
        for note in notes:
            logger.warning("%s", note)
        return cls(student, opened, teacher, translate, WordIndex.of(opened) if hybrid else None, notes)

    @property
    def languages(self) -> list[str]:
        """Codes of the languages that the student was fitted or measured on; else those of its backbone, where they are known."""
        known = recorded_languages(self.student) - {ENGLISH} or languages_seen(self.student) or ()
        return sorted({*known, ENGLISH}, key=lambda code: language_info(code).name)

    def columns(self, text: str, language: str | None = None, english: str = "", top: int = 5) -> list[Column]:
        """Let each system search.

        Args:
            text: the query.
            language: its code, where it is known; translate-query needs it.
            english: the same query in English, for the teacher; "" lets it read the query as it is.
            top: documents of each system.

        Raises:
            ValueError: an empty query, or an unknown language.
        """
        (query,) = as_queries(text, language)
        columns = [self._searched("Student", TYPED, self.student, query, top)]
        columns[0].notes.extend(language_notes(self.student, [query]))
        if self.words is not None:
            columns.append(self._searched("Student and BM25", TYPED, self.student, query, top, self.words))
        return columns + list(self._teacher_columns(query, english, top))

    def _teacher_columns(self, query: Query, english: str, top: int) -> Iterator[Column]:
        if self.teacher is None:
            return
        if self.translator is not None:
            name, reads = "Translate-query", "a translation, read by the teacher"
            try:
                translated = Query("1", self._translated(query), ENGLISH)
                yield self._searched(name, reads, self.teacher, translated, top)
            except ValueError as error:  # a language that the translator does not read
                yield Column(name, reads, None, [str(error)], [])
        if english.strip():
            yield self._searched("Teacher", "your English", self.teacher, Query("1", english, ENGLISH), top)
        else:
            named = query.language and base_language(query.language) == ENGLISH
            reads = TYPED if named else f"{TYPED}, not its English: the teacher was made for English"
            yield self._searched("Teacher", reads, self.teacher, query, top)

    def _translated(self, query: Query) -> str:
        if query.language is None:
            raise ValueError("choose the language of the query: the translation needs it")
        if base_language(query.language) == ENGLISH or self.translator is None:
            return query.text
        return self.translator([query.text], query.language)[0]

    def _searched(
        self, system: str, reads: str, reader: Encoder, query: Query, top: int, words: TextSearch | None = None
    ) -> Column:
        answers = search_index(reader, self.index, [query], top=top, words=words, progress=False)
        return Column(system, reads, query, [], explain(reader, answers, reader=self.teacher, documents=top))
