"""A retrieval collection: queries with their language, documents, and which document answers which query.

Grades are kept as published; `relevant_grade` says from which grade on
a document counts as an answer where a measure knows only right and wrong (R@1, MRR, MAP).
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from typing import Any, TypedDict, Unpack

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from datasets import Dataset, Features, Value

from optical_hf.data.bitext.bitext_builder import Source, load_bitext
from optical_hf.data.collections.collection_files import Lines, name_of, read_lines
from optical_hf.data.collections.soundness import Parts, Qrels, check_columns, column, sound_part
from optical_hf.languages import by_canonical_language, canonical_language
from optical_hf.reading.bad_rows import OnBadRow, check_on_bad_row
from optical_hf.tables import check_table

QUERY_COLUMNS = ("id", "text", "language", "group", "english", "translation")
TEXT_DOCUMENTS = Features({"id": Value("string"), "text": Value("string")})


class BuildOptions(TypedDict, total=False):
    """What every loader passes on to `RetrievalCollection.build`."""

    relevant_grade: int
    on_bad_row: OnBadRow


@dataclass(frozen=True, eq=False)
class RetrievalCollection:
    """Queries, documents and relevance judgements, checked when they are put together.

    Args:
        name: what reports call it.
        queries: columns `id`, `text` (or `image`), `language` (canonical code), `group` (what a bootstrap resamples:
            the image or document that several queries share); optional `english` (the query in English, for the
            teacher's ceiling) and `translation` (a machine translation into the documents' language, for the
            translate-query baseline).
        documents: columns `id` and `text`, or `image` (a region is the image cut to its box).
        qrels: query id -> document id -> grade. Queries in several languages share one set of documents.
        relevant_grade: the least grade that counts as relevant.

    Raises:
        ValueError: on duplicate ids, empty texts, qrels that name unknown queries or documents, queries without a
            relevant document: how many, and the first.

    Example:
        >>> collection = RetrievalCollection.from_lines("demo", {"de": ["ein Hund", "ein Haus"]}, ["a dog", "a house"])
        >>> collection.languages, collection.relevance
        (['de'], [[0], [1]])
    """

    name: str
    queries: Dataset
    documents: Dataset
    qrels: Qrels
    relevant_grade: int = 1

    def __post_init__(self) -> None:
        check_columns(self.queries, self.documents)
        sound_part(Parts(self.queries, self.documents, self.qrels), self.relevant_grade, on_bad_row="error")

    @classmethod
    def build(
        cls,
        name: str,
        queries: Dataset,
        documents: Dataset,
        qrels: Qrels,
        *,
        relevant_grade: int = 1,
        on_bad_row: OnBadRow = "error",
    ) -> "RetrievalCollection":
        """A collection of parts that may be unsound.

        Args:
            name: what reports call it.
            queries: as the class takes them.
            documents: as the class takes them.
            qrels: as the class takes them.
            relevant_grade: the least grade that counts as relevant.
            on_bad_row: "error" raises at the first broken rule; "drop" takes out what is unsound, and logs how much each
                rule took.

        Raises:
            ValueError: as the class does; where bad rows are dropped, only when nothing is left.
        """
        check_on_bad_row(on_bad_row)
        if on_bad_row == "drop":
            check_columns(queries, documents)
            queries, documents, qrels = sound_part(Parts(queries, documents, qrels), relevant_grade, on_bad_row)
        return cls(name, queries, documents, qrels, relevant_grade)

    @property
    def languages(self) -> list[str]:
        """The languages of the queries, in the order in which they first occur."""
        return column(self.queries, "language").unique().to_pylist()

    @cached_property
    def relevance(self) -> list[list[int]]:
        """For each query, in order, the positions of its relevant documents."""
        answers = [
            [doc for doc, grade in self.qrels[key].items() if grade >= self.relevant_grade]
            for key in column(self.queries, "id").to_pylist()
        ]
        ids = column(self.documents, "id").cast(pa.string())
        flat = pa.array([doc for row in answers for doc in row], pa.string())
        positions = pc.index_in(flat, value_set=ids).to_numpy()
        return [row.tolist() for row in np.split(positions, np.cumsum([len(row) for row in answers])[:-1])]

    @property
    def grades(self) -> dict[int, int]:
        """How many judgements there are of each grade."""
        return dict(sorted(Counter(grade for row in self.qrels.values() for grade in row.values()).items()))

    def select(self, languages: str | Iterable[str] | None = None, limit: int | None = None) -> "RetrievalCollection":
        """The same documents, searched by fewer queries.

        Args:
            languages: the languages to keep, in any notation; all of them by default.
            limit: the first so many queries of each language; every document stays, so the task is not made easier.

        Raises:
            ValueError: for a language that no query has.

        Example:
            >>> both = RetrievalCollection.from_lines("demo", {"de": ["Hund"], "fr": ["chien"]}, ["dog"])
            >>> both.select("fra").languages
            ['fr']
        """
        listed = [languages] if isinstance(languages, str) else languages
        wanted = self.languages if listed is None else [canonical_language(code) for code in listed]
        missing = [code for code in wanted if code not in self.languages]
        if missing:
            raise ValueError(f"{self.name} has no queries in {', '.join(missing)}; it has {', '.join(self.languages)}")
        seen: Counter[str] = Counter()
        rows = []
        for row, code in enumerate(column(self.queries, "language").to_pylist()):
            seen[code] += 1
            if code in wanted and (limit is None or seen[code] <= limit):
                rows.append(row)
        queries = self.queries.select(rows)
        return replace(self, queries=queries, qrels={key: self.qrels[key] for key in column(queries, "id").to_pylist()})

    def __repr__(self) -> str:
        """One line with the counts, the grades among them."""
        grades = ", ".join(f"{count:,} of grade {grade}" for grade, count in self.grades.items())
        return (
            f"RetrievalCollection({self.name!r}: {len(self.queries):,} queries in {', '.join(self.languages)}; "
            f"{len(self.documents):,} documents; judgements: {grades}; relevant from {self.relevant_grade})"
        )

    @classmethod
    def from_lines(
        cls,
        name: str,
        queries: Mapping[str, Lines | tuple[Lines, Lines]],
        documents: Lines,
        *,
        ids: Lines | None = None,
        groups: Lines | None = None,
        translations: Mapping[str, Lines] | None = None,
        limit: int | None = None,
        **options: Unpack[BuildOptions],
    ) -> "RetrievalCollection":
        """Line-aligned files (gz, zst too) or lists: line i of the documents answers line i of every query file.

        Equal document lines are merged into one document, which answers the queries of all its lines: otherwise a
        system would be marked wrong for a tie that nobody can break.

        Args:
            name: what reports call it.
            queries: language -> a path or a list of lines; a tuple (foreign, english) also fills the `english` column,
                with the English of the query (not the document that answers it).
            documents: path or list; one document a line.
            ids: one name a line for queries (`<language>/<id>`) and documents; line numbers from 0 by default.
            groups: one name a line for the `group` column (image ids, say); the id of the answering document by
                default.
            translations: language -> machine translations of the queries into English.
            limit: read only the first so many lines; the documents are then fewer too, and the search is easier.
            **options: as `build` takes them; a line that is empty on either side is a bad row.

        Raises:
            ValueError: when files differ in their number of lines, and as the class does.
        """
        texts = list(read_lines(documents))[:limit]

        def aligned(source: Lines | None, what: str) -> Sequence[Any]:
            lines = [None] * len(texts) if source is None else list(read_lines(source))[:limit]
            if len(lines) != len(texts):
                raise ValueError(
                    f"{what} ({name_of(source or ())}) has {len(lines)} lines and the documents ({name_of(documents)}) "
                    f"{len(texts)}: line i must answer line i, so the two do not belong together"
                )
            return lines

        line_ids = aligned(ids, "ids") if ids is not None else [str(i) for i in range(len(texts))]
        first_with: dict[str, str] = {}
        answers = [first_with.setdefault(text.strip(), key) for key, text in zip(line_ids, texts, strict=True)]
        line_groups = aligned(groups, "groups") if groups is not None else answers
        machine = by_canonical_language(translations or {})
        spare = machine.keys() - {canonical_language(code) for code in queries}
        if spare:
            raise ValueError(f"{name}: translations from {', '.join(sorted(spare))}, but no queries in that language")
        rows: list[dict[str, str | None]] = []
        for code, source in queries.items():
            language = canonical_language(code)
            foreign, english = source if isinstance(source, tuple) else (source, None)
            columns = (
                [f"{language}/{key}" for key in line_ids],
                aligned(foreign, f"queries in {code}"),
                [language] * len(texts),
                line_groups,
                aligned(english, f"English of the queries in {code}"),
                aligned(machine.get(language), f"translations from {code}"),
            )
            rows += [dict(zip(QUERY_COLUMNS, row, strict=True)) for row in zip(*columns, strict=True)]
        qrels = {str(row["id"]): {doc: 1} for row, doc in zip(rows, answers * len(queries), strict=True)}
        return cls.build(name, query_table(rows), merged_documents(first_with), qrels, **options)

    @classmethod
    def from_bitext(
        cls,
        name: str,
        bitext: Source,
        language: str,
        *,
        limit: int | None = None,
        **options: Unpack[BuildOptions],
    ) -> "RetrievalCollection":
        """Translation pairs as a search for the English sentence (Tatoeba's task); equal English sentences are merged.

        Where a Dataset has a column `english`, it is the English of the query, and `source` the document.

        Args:
            name: what reports call it.
            bitext: a Dataset as `load_bitext` returns it (`source` English, `target`, maybe `language`), of which the rows in
                `language`, or in none, are taken; or anything that `load_bitext` reads, such as a TSV file `foreign<TAB>english` or
                a tuple (foreign file, English file).
            language: the language of the queries.
            limit: the first so many pairs; the documents are then fewer too.
            **options: as `build` takes them; a pair that is empty on either side is a bad row.

        Raises:
            ValueError: when the data have no pair in that language, and as the class does.
        """
        code = canonical_language(language)
        rows = bitext if isinstance(bitext, Dataset) else load_bitext({code: bitext}, on_bad_row="keep", streaming=True)
        check_table(rows, ["source", "target"])
        wanted = (
            (row["target"], row["source"], row.get("english") or None)
            for row in rows
            if canonical_language(row.get("language") or code) == code
        )
        pairs = list(islice(wanted, limit))
        if not pairs:
            raise ValueError(f"no translation pair in {code} in {name}")
        foreign, answers, english = map(list, zip(*pairs, strict=True))
        return cls.from_lines(name, {code: (foreign, english)}, answers, **options)


def query_table(rows: Iterable[Mapping[str, str | None]]) -> Dataset:
    """Rows of queries as a Dataset, without the optional columns that no row fills."""
    listed = list(rows)
    optional = [name for name in QUERY_COLUMNS[4:] if any(row.get(name) is not None for row in listed)]
    features = Features(dict.fromkeys((*QUERY_COLUMNS[:4], *optional), Value("string")))
    return Dataset.from_dict({name: [row.get(name) for row in listed] for name in features}, features=features)


def merged_documents(id_of: Mapping[str, str]) -> Dataset:
    """Texts with their ids as documents: equal texts are one."""
    return Dataset.from_dict({"id": list(id_of.values()), "text": list(id_of)}, features=TEXT_DOCUMENTS)
