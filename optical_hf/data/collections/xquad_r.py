"""Questions in many languages, the sentences of one language as documents: XQuAD-R and MLQA-R.

Layout: github.com/google-research-datasets/lareqa (Roy et al. 2020, arXiv:2004.05484).
"""

from bisect import bisect_right
from collections.abc import Mapping
from typing import Any, Unpack

from optical_hf.data.bitext.bitext_records import BadRecord, json_object
from optical_hf.data.collections.collection import BuildOptions, RetrievalCollection, merged_documents
from optical_hf.data.collections.collection_files import Lines, name_of, read_lines
from optical_hf.data.collections.judged import judged_collection


def load_xquad_r(
    questions: Mapping[str, Lines],
    passages: Lines,
    *,
    english: Lines | None = None,
    name: str = "xquad-r",
    **options: Unpack[BuildOptions],
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
        **options: `relevant_grade` and `on_bad_row`, as `RetrievalCollection.build` takes them.

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
    known = {key for texts in topics.values() for key in texts}
    return judged_collection(
        name,
        topics,
        {key: answers for key, answers in qrels.items() if key in known},
        merged_documents(first_with),
        english=_questions(english) if english is not None else None,
        groups=paragraph_of,
        **options,
    )


def _paragraphs(source: Lines) -> list[dict[str, Any]]:
    text = "\n".join(read_lines(source))
    try:
        return [paragraph for article in json_object(text)["data"] for paragraph in article["paragraphs"]]
    except (BadRecord, KeyError, TypeError) as error:
        raise ValueError(f"{name_of(source)} is not in SQuAD's JSON layout ({error!r})") from error


def _questions(source: Lines) -> dict[str, str]:
    return {str(question["id"]): question["question"] for part in _paragraphs(source) for question in part["qas"]}
