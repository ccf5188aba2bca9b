"""What is fitted on and what is held out: no text is on both sides."""

from collections import Counter

import pytest
from datasets import Dataset

from optical_hf.evaluation.advice.advice_sample import (
    draw_sample,
    first_sentence,
    searched_texts,
    split_documents,
    split_pairs,
)


def parallel(count, *codes):
    """The same English texts in several languages."""
    rows = [(f"text {row}", f"{code} {row}", code) for code in codes for row in range(count)]
    return Dataset.from_dict(
        dict(zip(("source", "target", "language"), map(list, zip(*rows, strict=True)), strict=True))
    )


def table(count):
    return Dataset.from_dict({"text": [f"Document {row} is about this. And it goes on." for row in range(count)]})


def test_all_pairs_of_an_english_text_are_on_one_side():
    fitted, queries = split_pairs(parallel(400, "de", "so"), pairs=100, held_out=50, seed=0)
    assert Counter(queries.languages) == {"de": 50, "so": 50}
    assert Counter(fitted["language"][:]) == {"de": 100, "so": 100}
    assert not {*fitted["source"]} & {*queries.answers}
    assert all(
        text.split()[1] == answer.split()[1] for text, answer in zip(queries.texts, queries.answers, strict=True)
    )
    assert split_pairs(parallel(400, "de", "so"), 100, 50, seed=1)[1] != queries


def test_a_language_with_few_pairs_keeps_two_thirds_of_them():
    fitted, queries = split_pairs(parallel(30, "so"), pairs=500, held_out=200, seed=0)
    assert (len(fitted), len(queries.texts)) == (20, 10)


@pytest.mark.parametrize(
    ("bitext", "told"),
    [
        (parallel(29, "so"), "so 29"),
        (parallel(40, ""), "say no language"),
        (parallel(40, "so", "en"), "English and English"),
        (parallel(40, "so").remove_columns("language"), "no column 'language'"),
        (Dataset.from_dict({"source": ["x"] * 40, "target": ["y"] * 40, "language": ["so"] * 40}), "nothing is left"),
        (parallel(40, "so").to_iterable_dataset(), "stream"),
        (parallel(40, "so").select([]), "there are none"),
    ],
)
def test_bitext_that_cannot_be_judged(bitext, told):
    with pytest.raises(ValueError, match=told):
        split_pairs(bitext, 500, 200, seed=0)


def test_english_queries_are_first_sentences_of_documents_that_are_not_fitted():
    count, queries = split_documents(table(100), held_out=15)
    assert count == 85
    assert queries.texts[0] == "Document 85 is about this."
    assert queries.answers[0] == "Document 85 is about this. And it goes on."
    assert split_documents(table(60), held_out=200)[0] == 48


def test_beginnings_that_many_documents_share_are_no_queries():
    texts = [
        f"This is the same for all. Part {row}." if row % 2 else f"A thing of its own: {row}." for row in range(100)
    ]
    _, queries = split_documents(Dataset.from_dict({"text": texts}), held_out=20)
    assert len(queries.texts) == 10
    alike = Dataset.from_dict({"text": [f"This is the same for all. Part {row}." for row in range(100)]})
    with pytest.raises(ValueError, match="begin alike"):
        draw_sample(alike, None, 100, 20, seed=0)
    assert not draw_sample(alike, parallel(90, "so"), 100, 20, seed=0).english.texts


def test_too_few_documents():
    with pytest.raises(ValueError, match="hold 49 different texts: expected at least 50"):
        split_documents(table(49), held_out=10)


@pytest.mark.parametrize(
    ("text", "begin"),
    [
        ("One sentence only", "One sentence only"),
        ("Introduction. The river Nile is long. It flows.", "Introduction. The river Nile is long."),
        (' He said "it is enough now." Then he went. ', 'He said "it is enough now."'),
        ("Pi is 3.14 or a bit more. Yes.", "Pi is 3.14 or a bit more."),
    ],
)
def test_first_sentence(text, begin):
    assert first_sentence(text) == begin


def test_an_english_side_that_is_a_document_is_one_text():
    documents = Dataset.from_dict({"text": [f"text {row}" for row in range(60)]})
    sample = draw_sample(documents, parallel(100, "so"), 30, 30, seed=0)
    collection = searched_texts(sample)
    texts = collection.documents["text"][:]
    assert texts[:60] == documents["text"][:]
    assert len(texts) == len({*texts}) == len({*texts[:60], *sample.foreign.answers})
    assert collection.languages == ["so", "en"]
    for query, rows in zip(collection.queries, collection.relevance, strict=True):
        assert texts[rows[0]].split()[-1] == query["text"].split()[-1]
