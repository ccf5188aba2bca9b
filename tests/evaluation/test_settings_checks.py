"""Every choice and range is checked where it enters, before a model reads anything."""

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from optical_hf.evaluation import (
    EvaluationSettings,
    RetrievalEvaluator,
    evaluate_regions,
    evaluate_retrieval,
    learn_dictionaries,
)
from optical_hf.evaluation.regions import Phrases, Regions
from optical_hf.evaluation.translate.translators import load_translator, translator_of
from optical_hf.stores.exact_search import ExactSearch
from optical_hf.stores.faiss_search import FaissSearch
from optical_hf.stores.lancedb_search import LanceSearch

SHARED = [
    ({"search": "cosine"}, "search: expected one of vector, maxsim, got 'cosine'"),
    ({"engine": "exakt"}, "unknown search engine 'exakt'"),
    ({"engine": 3}, "unknown search engine 3"),
    ({"engine": "faiss-flat", "search": "maxsim"}, "FAISS compares single vectors"),
    ({"depth": 0}, "depth: expected a whole number of at least 1, got 0"),
    ({"depth": 2.5}, "depth: expected a whole number of at least 1, got 2.5"),
    ({"k": 1}, r"k: expected a list, got 1; write \[1\]"),
    ({"k": "1"}, "k: expected a list, got '1'"),
    ({"k": ()}, "k: expected at least one cutoff of R@k, got none"),
    ({"k": (0,)}, "k: expected a whole number of at least 1, got 0"),
    ({"k": (1.5,)}, "k: expected a whole number of at least 1, got 1.5"),
    ({"k": (1, 500)}, "between 1 and the search depth 100"),
    ({"batch_size": 0}, "batch_size: expected a whole number of at least 1, got 0"),
    ({"high": "de"}, "high: expected a list, got 'de'"),
    ({"low": "so"}, "low: expected a list, got 'so'"),
]
SHARED += [
    ({"piece": 0}, "piece: expected a whole number of at least 1, got 0"),
    ({"rounds": 0}, "rounds: expected a whole number of at least 1, got 0"),
    ({"rounds": True}, "rounds: expected a whole number of at least 1, got True"),
    ({"confidence": 95}, "confidence must be between 0 and 1"),
    ({"seed": -1}, "seed: expected a whole number of at least 0, got -1"),
]
OWN = [
    ({"systems": "student"}, "systems: expected a list, got 'student'"),
    ({"query_vectors": {"studnet": {}}}, "query_vectors: no 'studnet' here, only student"),
    ({"query_vectors": {"student": {"wrods": []}}}, "query_vectors of student: no 'wrods' here, only words"),
    ({"document_vectors": {"wrods": []}}, "document_vectors: no 'wrods' here, only words"),
]


@pytest.mark.parametrize(("arguments", "message"), [SHARED[0], *OWN])
def test_evaluate_retrieval_checks_its_settings(student, teacher, collection, *, monkeypatch, arguments, message):
    monkeypatch.setattr(SentenceTransformer, "encode", lambda *a, **k: pytest.fail("encoded first"))
    with pytest.raises(ValueError, match=message):
        evaluate_retrieval(student, teacher, collection, **arguments)


@pytest.mark.parametrize(("arguments", "message"), [SHARED[0], ({"high": ["fr"]}, r"in no group|no language")])
def test_the_evaluator_checks_its_settings_when_it_is_made(teacher, collection, arguments, message):
    with pytest.raises(ValueError, match=message):
        RetrievalEvaluator(collection, teacher, **arguments)


@pytest.mark.parametrize(("arguments", "message"), SHARED)
def test_settings_check_themselves(arguments, message):
    with pytest.raises(ValueError, match=message):
        EvaluationSettings(**arguments)


def test_a_setting_that_is_not_there_is_named_with_the_near_one(student, teacher, collection):
    with pytest.raises(
        TypeError, match="evaluate_retrieval got an unexpected keyword argument 'batchsize'; did you mean 'batch_size'"
    ):
        evaluate_retrieval(student, teacher, collection, batchsize=3)
    with pytest.raises(TypeError, match="did you mean 'translator'"):
        evaluate_retrieval(student, teacher, collection, translater=3)
    with pytest.raises(TypeError, match=r"RetrievalEvaluator got .* 'cutoffs'; settings are search, engine, depth, k"):
        RetrievalEvaluator(collection, teacher, cutoffs=(1,))


@pytest.mark.parametrize(
    ("engine", "arguments", "message"),
    [
        (FaissSearch, {"kind": "flta"}, "kind: expected one of flat, ivfpq, hnsw, got 'flta'"),
        *((FaissSearch, {name: 0}, name) for name in ("lists", "probes", "subvectors", "neighbours", "breadth")),
        *((LanceSearch, {name: -1}, name) for name in ("probes", "refine")),
        *((ExactSearch, {name: 0}, name) for name in ("query_block", "document_block")),
    ],
)
def test_an_engine_checks_its_settings_when_it_is_made(engine, arguments, message):
    with pytest.raises(ValueError, match=message):
        engine(**arguments)


@pytest.mark.parametrize("arguments", [{"overlap": 0}, {"overlap": 50}, {"k": (0,)}, {"k": 1}, {"k": ()}])
def test_evaluate_regions_checks_its_settings(arguments):
    box = [[0, 0, 4, 4]]
    with pytest.raises(ValueError, match=r"(overlap|k): expected"):
        evaluate_regions(
            Phrases(np.eye(2), ["1", "2"], [box, box], ["de", "de"]),
            Regions(np.eye(2), ["1", "2"], box * 2),
            **arguments,
        )


def test_translators_check_theirs():
    with pytest.raises(ValueError, match="rounds: expected a whole number"):
        learn_dictionaries(None, rounds=0)
    with pytest.raises(ValueError, match="batch_size: expected a whole number"):
        load_translator("nowhere", batch_size=0)
    with pytest.raises(ValueError, match="'so', 'som' name the language 'so' twice"):
        translator_of({"so": lambda texts, language: texts, "som": lambda texts, language: texts})
