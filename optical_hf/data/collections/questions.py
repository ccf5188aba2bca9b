"""Questions in one language, passages in another: AfriQA, XQuAD-R and MLQA-R.

Knows nothing about reading answers; only the search for the passage is here. Sources of the layouts: AfriQA (Ogundepo
et al. 2023, arXiv:2305.06897, github.com/masakhane-io/afriqa, gold passages); XQuAD-R and MLQA-R (Roy et al. 2020,
arXiv:2004.05484, github.com/google-research-datasets/lareqa).
"""

from bisect import bisect_right
from collections.abc import Mapping
from typing import Any

from datasets import Dataset

from optical_hf.data.bitext.bad_rows import OnBadRow
from optical_hf.data.bitext.bitext_records import BadRecord, json_object
from optical_hf.data.collections.collection import TEXT_DOCUMENTS, RetrievalCollection
from optical_hf.data.collections.collection_files import Lines, name_of, read_json_lines, read_lines
from optical_hf.data.collections.judged import judged_queries, titled
from optical_hf.languages import canonical_language
from optical_hf.renamed import renamed_argument


@renamed_argument("faults", "on_bad_row")
def load_afriqa(
    files: Mapping[str, Lines], *, pivot: str = "en", name: str = "afriqa", on_bad_row: OnBadRow = "error"
) -> RetrievalCollection:
    """AfriQA: questions in African languages, gold passages in the pivot language (English, or French for Fon).

    Layout: JSON lines with `id`, `question`, `question_pivot` (a person's translation), `title`, `passage`. Passages
        with
    the same title and text are one document, which answers all their questions.

    Args:
        files: language -> file; all of them with passages in the pivot language.
        pivot: that language; where it is English, `question_pivot` fills `english`.
        name: what reports call it.
        on_bad_row: see `RetrievalCollection.build`.

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
        for number, row in enumerate(read_json_lines(source), start=1):
            missing = {"id", "question", "question_pivot", "title", "passage"} - row.keys()
            if missing:
                raise ValueError(f"{name_of(source)}, question {number}: lacks {', '.join(sorted(missing))}")
            key = str(row["id"])
            if key in qrels:
                raise ValueError(
                    f"{name_of(source)}: the id {key!r} comes twice; one of the two questions would be lost"
                )
            texts[key], english[key] = row["question"], row["question_pivot"]
            qrels[key] = {first_with.setdefault(titled(row["title"], row["passage"]), f"passage-{key}"): 1}
    judged = judged_queries(
        topics,
        qrels,
        english if canonical_language(pivot) == "en" else None,
        groups={key: next(iter(answers)) for key, answers in qrels.items()},
    )
    return RetrievalCollection.build(name, judged.queries, _documents(first_with), judged.qrels, on_bad_row=on_bad_row)


@renamed_argument("faults", "on_bad_row")
def load_xquad_r(
    questions: Mapping[str, Lines],
    passages: Lines,
    *,
    english: Lines | None = None,
    name: str = "xquad-r",
    on_bad_row: OnBadRow = "error",
) -> RetrievalCollection:
    """XQuAD-R or MLQA-R: questions in many languages, the sentences of one language as documents.

    Layout: SQuAD's JSON (`data`, `paragraphs`, `context`, `qas` with `id`, `question`, `answers`) with `sentences` and
    `sentence_breaks` (start, end) added to each paragraph. A question keeps its id in all languages; its answer is the
    sentence of `passages` in which the answer's span begins. Equal sentences are one document. Questions whose id
    `passages` does not have (MLQA-R is not fully parallel) are left out, and counted in the log.

    Args:
        questions: language -> file.
        passages: the file whose sentences are searched, `en.json` say.
        english: file of the English questions, for the `english` column.
        name: what reports call it.
        on_bad_row: see `RetrievalCollection.build`.

    Raises:
        ValueError: for a file without sentences, or an answer outside all of them; and as `RetrievalCollection` does.

    Example:
        >>> qas = '[{"id": "a", "question": "Who?", "answers": [{"answer_start": 5, "text": "Ann"}]}]'
        >>> part = '{"qas": %s, "sentences": ["Hm.", "Ann."], "sentence_breaks": [[0, 3], [4, 8]]}' % qas
        >>> file = ['{"data": [{"paragraphs": [%s]}]}' % part]
        >>> load_xquad_r({"en": file}, file).relevance
        [[1]]
    """
    first_with: dict[str, str] = {}
    qrels: dict[str, dict[str, int]] = {}
    paragraph_of: dict[str, str] = {}
    for number, paragraph in enumerate(_paragraphs(passages)):
        if "sentences" not in paragraph:
            raise ValueError(
                f"{name_of(passages)}: paragraph {number} has no `sentences`; this is XQuAD, expected XQuAD-R"
            )
        ids = [first_with.setdefault(text, f"{number}-{i}") for i, text in enumerate(paragraph["sentences"])]
        starts = [start for start, _ in paragraph["sentence_breaks"]]
        for question in paragraph["qas"]:
            key = str(question["id"])
            paragraph_of[key] = str(number)
            for answer in question["answers"]:
                place = bisect_right(starts, answer["answer_start"]) - 1
                if not 0 <= place < len(ids):
                    raise ValueError(f"{name_of(passages)}: the answer to {key} begins outside the sentences")
                qrels.setdefault(key, {})[ids[place]] = 1
    topics = {code: _questions(source) for code, source in questions.items()}
    asked = {key for texts in topics.values() for key in texts}
    judged = judged_queries(
        topics,
        {key: answers for key, answers in qrels.items() if key in asked},
        _questions(english) if english is not None else None,
        groups=paragraph_of,
    )
    return RetrievalCollection.build(name, judged.queries, _documents(first_with), judged.qrels, on_bad_row=on_bad_row)


def _paragraphs(source: Lines) -> list[dict[str, Any]]:
    text = "\n".join(read_lines(source))
    try:
        content = json_object(text)
        return [paragraph for article in content["data"] for paragraph in article["paragraphs"]]
    except (BadRecord, KeyError, TypeError) as error:
        raise ValueError(f"{name_of(source)} is not in SQuAD's JSON layout ({error!r})") from error


def _questions(source: Lines) -> dict[str, str]:
    return {str(question["id"]): question["question"] for part in _paragraphs(source) for question in part["qas"]}


def _documents(id_of: Mapping[str, str]) -> Dataset:
    return Dataset.from_list([{"id": key, "text": text} for text, key in id_of.items()], features=TEXT_DOCUMENTS)
