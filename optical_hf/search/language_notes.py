"""What is said before a search in a language that the student, or its backbone, may not read."""

from collections.abc import Sequence

from optical_hf.languages import language_info
from optical_hf.models.known_languages import ENGLISH, base_language, languages_seen, recorded_languages
from optical_hf.models.tokens import Encoder
from optical_hf.search.query_list import Query

UNKNOWN_SHARE = 0.2
"""Share of a query's pieces that the tokenizer does not know, from which the query cannot be read."""


def language_notes(student: Encoder, queries: Sequence[Query]) -> list[str]:
    """Warnings about the languages of queries; none where nothing is known of the student, or of the queries.

    Args:
        student: as it was loaded; its folder or card names the languages that it was fitted or measured on.
        queries: what will be searched for.
    """
    notes = []
    named = list(dict.fromkeys(base_language(query.language) for query in queries if query.language))
    recorded, seen = recorded_languages(student), languages_seen(student)
    for code in named:
        name = f"{language_info(code).name} ({code})"
        if code == ENGLISH or code in recorded:
            continue
        if seen is not None and code not in seen:
            notes.append(
                f"{name}: the pretraining of the student's backbone had no text in it, as far as its tokenizer says (XLM-R, "
                "CC-100): what is found may be chance; translate the queries, or fit the student on bitext of this language"
            )
        elif recorded:
            known = ", ".join(sorted(recorded - {ENGLISH})) or "English alone"
            notes.append(
                f"{name}: the student was neither fitted nor measured on it, as far as its folder says ({known}); measure it "
                "with optical-hf evaluate before you rely on it"
            )
    if strange := [query for query in queries if _unknown_share(student, query.text) >= UNKNOWN_SHARE]:
        notes.append(
            f"{len(strange)} of {len(queries)} queries hold words that the student's tokenizer does not know (first: "
            f"{strange[0].text[:80]!r}): it reads them as unknown; extend_vocabulary adds a script or a language"
        )
    return notes


def _unknown_share(student: Encoder, text: str) -> float:
    """Share of the pieces of a text that are the unknown one."""
    tokenizer = student.tokenizer
    ids = tokenizer(text, add_special_tokens=False, truncation=True)["input_ids"]
    return sum(number == tokenizer.unk_token_id for number in ids) / max(1, len(ids))
