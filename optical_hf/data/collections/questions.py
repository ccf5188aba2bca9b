"""Questions in African languages, passages in a pivot language: AfriQA (Ogundepo et al. 2023, arXiv:2305.06897).

Only the search for the passage is here, not the reading of answers. Layout: github.com/masakhane-io/afriqa, gold passages.
"""

from collections.abc import Mapping
from typing import Unpack

from optical_hf.data.collections.collection import BuildOptions, RetrievalCollection, merged_documents
from optical_hf.data.collections.collection_files import Lines, name_of, read_json_lines
from optical_hf.data.collections.judged import judged_collection, titled
from optical_hf.languages import canonical_language


def load_afriqa(
    files: Mapping[str, Lines], *, pivot: str = "en", name: str = "afriqa", **options: Unpack[BuildOptions]
) -> RetrievalCollection:
    """AfriQA: questions in African languages, gold passages in the pivot language (English, or French for Fon).

    Layout: JSON lines with `id`, `question`, `question_pivot` (a person's translation), `title`, `passage`. Passages
    with the same title and text are one document, which answers all their questions.

    Args:
        files: language -> file; all of them with passages in the pivot language.
        pivot: that language; where it is English, `question_pivot` fills `english`.
        name: what reports call it.
        **options: `relevant_grade` and `on_bad_row`, as `RetrievalCollection.build` takes them.

    Raises:
        ValueError: for a line that is not in the layout; and as `RetrievalCollection` does.

    Example:
        >>> line = '{"id": "1", "question": "Nani?", "question_pivot": "Who?", "title": "Einstein", "passage": "He."}'
        >>> load_afriqa({"swa": [line]}).documents["text"][:]
        ['Einstein He.']
    """
    topics: dict[str, dict[str, str]] = {}
    english: dict[str, str] = {}
    first_with: dict[str, str] = {}
    qrels: dict[str, dict[str, int]] = {}
    for language, source in files.items():
        texts = topics.setdefault(language, {})
        for row in read_json_lines(source, "id", "question", "question_pivot", "title", "passage"):
            key = str(row["id"])
            if key in qrels:
                raise ValueError(
                    f"{name_of(source)}: the id {key!r} comes twice; one of the two questions would be lost"
                )
            texts[key], english[key] = row["question"], row["question_pivot"]
            qrels[key] = {first_with.setdefault(titled(row["title"], row["passage"]), f"passage-{key}"): 1}
    return judged_collection(
        name,
        topics,
        qrels,
        merged_documents(first_with),
        english=english if canonical_language(pivot) == "en" else None,
        groups={key: next(iter(answers)) for key, answers in qrels.items()},
        **options,
    )
