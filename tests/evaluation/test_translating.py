"""Translate-query: translators by name, and each query translated once."""

from dataclasses import replace

import pytest
import tiny_translators
from evaluation.conftest import GERMAN, SOMALI

from optical_hf.evaluation import evaluate_retrieval
from optical_hf.evaluation.translate.translators import translator_of

QUIET = {"progress": False, "rounds": 100}


@pytest.fixture(scope="module")
def nllb(tmp_path_factory):
    return tiny_translators.nllb(tmp_path_factory.mktemp("nllb"))


def test_named_translators_serve_the_systems_that_read_translations(teacher, collection, nllb):
    bare = replace(collection, queries=collection.queries.remove_columns("translation"))
    for translator in (nllb, {"de": nllb, "som": nllb}):
        report = evaluate_retrieval(
            None, teacher, bare, systems=("translate_query", "bm25"), translator=translator, high=["de"], **QUIET
        )
        for system in report.systems.values():
            assert system.mean == 1.0
    with pytest.raises(ValueError, match="no translator for so: there is one for de"):
        translator_of({"de": nllb}, progress=False)(["eey"], "so")


def test_each_query_is_translated_once_for_all_systems(teacher, collection):
    bare = replace(collection, queries=collection.queries.remove_columns("translation"))
    words = dict(tiny_translators.INTO_ENGLISH)
    asked = []

    def translate(texts, language):
        asked.extend(texts)
        return [words[text] for text in texts]

    evaluate_retrieval(
        None, teacher, bare, systems=("translate_query", "bm25"), translator=translate, high=["de"], **QUIET
    )
    assert sorted(asked) == sorted(GERMAN + SOMALI)
