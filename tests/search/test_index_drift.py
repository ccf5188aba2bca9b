"""Drift: a student reads the documents of its index, and others worse; and a new fit begins with its own projection."""

import numpy as np
import pytest
import tiny_pairs
import torch
from datasets import Dataset

from optical_hf.models import fit_alignment, token_projection
from optical_hf.search import index_drift
from optical_hf.search.index_drift import _drift


@pytest.fixture(autouse=True)
def _own_cache(own_cache):
    """No cache beside the test."""


@pytest.fixture(scope="module")
def old_and_new():
    """A student that was fitted on documents, these, and others whose vectors lie elsewhere."""
    student, teacher = tiny_pairs.pair()
    texts = list(dict.fromkeys(tiny_pairs.bitext()["source"][:]))
    old = Dataset.from_dict({"text": texts, "vector": teacher.encode_document(texts).tolist()})
    fit_alignment(student, teacher, documents=old, method="ridge", regularisation=1e-5, progress=False)
    elsewhere = np.random.default_rng(0).normal(size=(len(texts), 32)).tolist()
    return student, old, Dataset.from_dict({"text": [f"{text} again" for text in texts], "vector": elsewhere})


def test_the_same_documents_have_not_drifted_and_others_have(old_and_new):
    student, old, new = old_and_new
    same = index_drift(student, old, old)
    assert same.old == same.new > 0.5
    assert same.verdict != "due"
    drift = index_drift(student, old, new)
    assert drift.new < 0.2 < drift.old
    assert drift.verdict == "due"
    assert "align" in str(drift)
    assert drift.to_dict()["verdict"] == "due"


def test_the_teacher_reads_documents_without_vectors(old_and_new):
    student, old, _ = old_and_new
    texts = Dataset.from_dict({"text": old["text"][:]})
    drift = index_drift(student, old, texts, teacher=tiny_pairs.teacher(), sample=20)
    assert drift.documents == (20, 20)
    assert drift.new == drift.old


def test_the_interval_is_that_of_newcombe():
    drift = _drift(np.arange(70) < 56, np.arange(80) < 48, 0.05)  # 56/70 and 48/80, the first example of the paper
    assert (-drift.high, -drift.low) == pytest.approx((0.0524, 0.3339), abs=1e-4)
    assert drift.verdict == "due"
    assert _drift(np.arange(70) < 56, np.arange(70) < 55, 0.05).verdict == "not clear"
    assert _drift(np.arange(5000) < 4000, np.arange(5000) < 4000, 0.05).verdict == "not due"


@pytest.mark.parametrize(("given", "told"), [({"sample": 0}, "sample"), ({"margin": 1.5}, "margin")])
def test_wrong_settings_are_refused(old_and_new, given, told):
    student, old, new = old_and_new
    with pytest.raises(ValueError, match=told):
        index_drift(student, old, new, **given)


def test_a_fit_goes_on_from_the_projection_of_the_student(old_and_new):
    student, old, _ = old_and_new
    before = token_projection(student).linear.weight.detach().clone()
    report = fit_alignment(
        student, tiny_pairs.teacher(), documents=old, start="student", steps=1, learning_rate=1e-6, progress=False
    )
    assert report.regularisation == 0
    assert torch.allclose(token_projection(student).linear.weight, before, atol=1e-4)
    assert not torch.equal(token_projection(student).linear.weight, before)
