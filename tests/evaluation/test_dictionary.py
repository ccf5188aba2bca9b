"""Dictionaries from files and from bitext, and what a query becomes behind them."""

import logging
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest
from datasets import Dataset
from evaluation.conftest import ENGLISH, GERMAN, SOMALI

from optical_hf.evaluation import evaluate_retrieval
from optical_hf.evaluation.translate.dictionary import Dictionary, learn_dictionaries, read_dictionary, words_of
from optical_hf.evaluation.translate.translators import translator_of

QUIET = {"progress": False, "rounds": 100}


def bitext(language, foreign):
    """Each word beside each other one, so that every translation can be told."""
    pairs = [(i, j) for i in range(len(ENGLISH)) for j in range(len(ENGLISH)) if i != j]
    return [
        {"source": f"{ENGLISH[i]} {ENGLISH[j]}", "target": f"{foreign[j]}, {foreign[i]}.", "language": language}
        for i, j in pairs
    ]


def test_bitext_gives_the_words_it_was_made_of():
    learnt = learn_dictionaries(Dataset.from_list(bitext("de", GERMAN) + bitext("so", SOMALI)), progress=False)
    assert list(learnt) == ["de", "so"]
    for code, foreign in (("de", GERMAN), ("so", SOMALI)):
        assert learnt[code].entries == {(word,): english for word, english in zip(foreign, ENGLISH, strict=True)}


@pytest.mark.parametrize("order", [["q", "w", "e"], ["e", "w", "q"]])
def test_words_of_one_probability_are_the_same_in_every_process(monkeypatch, order):
    """nltk's tables are in the order of Python's hashes, which differs between processes."""
    translate = pytest.importorskip("nltk.translate")
    table = {english: {"z": 0.3, None: 0.9} for english in order}
    monkeypatch.setattr(translate, "IBMModel1", lambda sentences, rounds: SimpleNamespace(translation_table=table))
    rows = Dataset.from_list([{"source": "q w e", "target": "z", "language": "so"}])
    assert learn_dictionaries(rows, progress=False)["so"].entries == {("z",): "w"}


def test_the_longest_entry_counts_and_unknown_words_stay(caplog):
    translate = read_dictionary(["guri\thouse", "guri weyn\tmansion", "guri\thome", "x\t "], "som")
    with caplog.at_level(logging.WARNING):
        assert translate(["GURI weyn, guri! Muqdisho"], "so") == ["mansion house muqdisho"]
        assert not caplog.records
        assert translate(["Muqdisho"], "so") == ["muqdisho"]
    assert "1 of 1 words in so are not in the dictionary" in caplog.text
    assert translate([], "so") == []


def test_vowel_signs_belong_to_their_word_and_composed_letters_are_one():
    assert words_of("मधुमेहाची कारणे।") == ["मधुमेहाची", "कारणे"]
    assert words_of("Ma'lumot 'café' cafe\u0301") == ["ma'lumot", "café", "café"]


def test_a_saved_dictionary_is_read_again_and_named_by_its_file(tmp_path, teacher, collection):
    bare = replace(collection, queries=collection.queries.remove_columns("translation"))
    learnt = learn_dictionaries(Dataset.from_list(bitext("de", GERMAN) + bitext("so", SOMALI)), progress=False)
    learnt["so"].save(tmp_path / "so.tsv")
    assert read_dictionary(tmp_path / "so.tsv", "so").entries == learnt["so"].entries
    report = evaluate_retrieval(
        None, teacher, bare, systems=("translate_query", "bm25"), high=["de"], **QUIET,
        translator={"de": learnt["de"], "so": tmp_path / "so.tsv"},
    )  # fmt: skip
    assert {system.mean for system in report.systems.values()} == {1.0}


def test_what_cannot_be_read_is_said(tmp_path, monkeypatch):
    translate = read_dictionary(["guri\thouse"], "so")
    with pytest.raises(ValueError, match="the dictionary reads so, the texts are in de"):
        translate(["Haus"], "de")
    with pytest.raises(ValueError, match="expected 2 fields, found 1"):
        read_dictionary(["guri house"], "so")
    with pytest.raises(ValueError, match="no line word<TAB>English"):
        read_dictionary(["...\thouse"], "so")
    with pytest.raises(ValueError, match="without a word"):
        learn_dictionaries(Dataset.from_list([{"source": "...", "target": "!", "language": "so"}]), progress=False)
    with pytest.raises(ValueError, match="say which"):
        translator_of(tmp_path / "words.tsv.gz")
    with pytest.raises(ValueError, match=r"so\.tsv"):
        translator_of({"so": tmp_path / "so.tsv"})
    monkeypatch.setitem(sys.modules, "nltk.translate", None)
    with pytest.raises(ImportError, match=r'pip install "optical-hf\[translate\]"'):
        learn_dictionaries(Dataset.from_list(bitext("de", GERMAN)), progress=False)


def test_a_dictionary_is_of_a_known_language():
    assert Dictionary("som", {("guri",): "house"}).language == "so"
    with pytest.raises(ValueError, match="xx-nothing"):
        Dictionary("xx-nothing", {("guri",): "house"})
