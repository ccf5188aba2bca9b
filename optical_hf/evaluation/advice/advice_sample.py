"""The sample that an advice is measured on: what the map is fitted on, and the queries that it has not seen.

Foreign queries are held-out pairs: the translation is to find its English side. English queries are the first sentence of a
held-out document, which is to find the document. Both search the sampled documents and the English sides together.
"""

import re
from collections import Counter, defaultdict
from dataclasses import dataclass

import numpy as np
from datasets import Dataset

from optical_hf.data import RetrievalCollection
from optical_hf.data.collections.collection import merged_documents, query_table
from optical_hf.settings_checks import check_counts
from optical_hf.tables import UNKNOWN_LANGUAGE, check_table

LEAST_QUERIES = 10
FEW_WORDS = 5
"""A sentence of fewer words is joined with the next one: "Introduction." finds nothing."""
ENGLISH = "en"


@dataclass(frozen=True)
class HeldOutQueries:
    """Queries with the English text that each is to find.

    Attributes:
        texts: of the queries.
        answers: the text that each is to find.
        languages: of the queries.
    """

    texts: list[str]
    answers: list[str]
    languages: list[str]

    def __add__(self, other: "HeldOutQueries") -> "HeldOutQueries":
        return HeldOutQueries(self.texts + other.texts, self.answers + other.answers, self.languages + other.languages)


NO_QUERIES = HeldOutQueries([], [], [])


@dataclass(frozen=True)
class AdviceSample:
    """What an advice is measured on.

    Attributes:
        documents: of the sample, in random order.
        fitted_documents: the first of them, that the map is fitted on.
        fitted_pairs: that the map is fitted on; None without bitext.
        foreign: queries in other languages.
        english: queries in English.
    """

    documents: Dataset
    fitted_documents: int
    fitted_pairs: Dataset | None
    foreign: HeldOutQueries
    english: HeldOutQueries


def draw_sample(documents: Dataset, bitext: Dataset | None, pairs: int, held_out: int, seed: int) -> AdviceSample:
    """Split documents and bitext into what is fitted on and queries.

    Args:
        documents: a random sample, with `text`.
        bitext: with `source`, `target`, `language`; or None.
        pairs: of a language to fit on, at most.
        held_out: queries of a language, at most.
        seed: of the choice.

    Raises:
        ValueError: too few documents or pairs, rows without a language, or no English query without bitext.
    """
    check_counts(pairs=pairs, held_out=held_out)
    count, english = split_documents(documents, held_out)
    if len(english.texts) < LEAST_QUERIES:
        if bitext is None:
            raise ValueError(
                "nearly all documents begin alike: without bitext, documents that differ are needed as queries"
            )
        english = NO_QUERIES
    if bitext is None:
        return AdviceSample(documents, count, None, NO_QUERIES, english)
    return AdviceSample(documents, count, *split_pairs(bitext, pairs, held_out, seed), english)


def split_pairs(bitext: Dataset, pairs: int, held_out: int, seed: int) -> tuple[Dataset, HeldOutQueries]:
    """Random pairs of each language to fit on, and others as queries. All pairs of one English text are on one side.

    Args:
        bitext: with `source`, `target`, `language`.
        pairs: of a language to fit on, at most.
        held_out: queries of a language, at most; and at most a third of its pairs.
        seed: of the choice.

    Raises:
        ValueError: rows without a language or in English, or a language with too few pairs.
    """
    if not isinstance(bitext, Dataset):
        raise ValueError("advise samples bitext, and a stream cannot be sampled: load it with load_bitext(files)")
    check_table(bitext, ["source", "target", "language"])
    languages = [code or UNKNOWN_LANGUAGE for code in bitext["language"][:]]
    rows_of: dict[str, list[int]] = defaultdict(list)
    for row in np.random.default_rng(seed).permutation(len(languages)).tolist():
        rows_of[languages[row]].append(row)
    if UNKNOWN_LANGUAGE in rows_of:
        raise ValueError(
            f"{len(rows_of[UNKNOWN_LANGUAGE]):,} of {len(languages):,} pairs say no language: name it with the file, so=FILE"
        )
    if ENGLISH in rows_of:
        raise ValueError(
            f"{len(rows_of[ENGLISH]):,} pairs are of English and English: leave them out, documents are judged in English"
        )
    few = {code: len(rows) for code, rows in rows_of.items() if len(rows) < 3 * LEAST_QUERIES}
    if few or not rows_of:
        counted = ", ".join(f"{code} {count}" for code, count in few.items())
        raise ValueError(
            f"too few pairs to judge a language ({counted or 'there are none'}): expected at least {3 * LEAST_QUERIES} of each; "
            "give more, or leave the language out"
        )
    drawn = {code: rows[: 2 * (pairs + held_out)] for code, rows in sorted(rows_of.items())}
    english = bitext["source"][:]
    chosen: set[str] = set()
    for rows in drawn.values():
        pairs_of = Counter(english[row] for row in rows)
        missing = min(held_out, len(rows) // 3) - sum(count for text, count in pairs_of.items() if text in chosen)
        for text, count in pairs_of.items():
            if missing > 0 and text not in chosen:
                chosen.add(text)
                missing -= count
    asked = [row for rows in drawn.values() for row in [r for r in rows if english[r] in chosen][:held_out]]
    fitted = [row for rows in drawn.values() for row in [r for r in rows if english[r] not in chosen][:pairs]]
    if bare := drawn.keys() - {languages[row] for row in fitted}:
        raise ValueError(
            f"nothing is left to fit on in {', '.join(sorted(bare))}: nearly all its pairs share their English texts with held-out "
            "ones; give pairs with other English texts, or a lower held_out"
        )
    queries = bitext.select(asked)
    return bitext.select(fitted), HeldOutQueries(queries["target"][:], queries["source"][:], queries["language"][:])


def split_documents(documents: Dataset, held_out: int) -> tuple[int, HeldOutQueries]:
    """How many documents to fit on, and the first sentences of the others as English queries.

    A document of one sentence is its own query.

    Args:
        documents: a random sample, with `text`.
        held_out: queries, at most; and at most a fifth of the documents. The last documents are taken.

    Raises:
        ValueError: too few documents.
    """
    texts = documents["text"][:]
    if len(texts) < 5 * LEAST_QUERIES:
        raise ValueError(
            f"the documents hold {len(texts)} different texts: expected at least {5 * LEAST_QUERIES} to fit on and to search"
        )
    begins = [first_sentence(text) for text in texts]
    times = Counter(begins)
    last = range(len(texts) - min(held_out, len(texts) // 5), len(texts))
    kept = [row for row in last if times[begins[row]] == 1]  # a beginning of many documents finds none of them
    queries = HeldOutQueries([begins[row] for row in kept], [texts[row] for row in kept], [ENGLISH] * len(kept))
    return last.start, queries


def first_sentence(text: str) -> str:
    """The beginning of a text up to the end of a sentence, of five words or more.

    Example:
        >>> first_sentence("No. A dog runs in the park. It barks.")
        'No. A dog runs in the park.'
    """
    text = text.strip()
    begins = (text[: end.end()].strip() for end in re.finditer(r"[.!?][\"'”’)]*\s+", text))
    return next((begin for begin in begins if len(begin.split()) >= FEW_WORDS), text)


def searched_texts(sample: AdviceSample) -> RetrievalCollection:
    """All queries with all documents: those of the sample first, then the English sides that are not among them."""
    queries, documents = sample.foreign + sample.english, sample.documents["text"][:]
    id_of = {text: str(row) for row, text in enumerate(dict.fromkeys([*documents, *queries.answers]))}
    columns = zip(queries.texts, queries.answers, queries.languages, strict=True)
    rows = [
        {"id": str(row), "text": text, "language": language, "group": id_of[answer]}
        for row, (text, answer, language) in enumerate(columns)
    ]
    qrels = {str(row): {id_of[answer]: 1} for row, answer in enumerate(queries.answers)}
    return RetrievalCollection("sample", query_table(rows), merged_documents(id_of), qrels)
