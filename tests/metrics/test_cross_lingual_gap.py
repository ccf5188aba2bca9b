"""The evaluate module: loads from its folder without a network and gives the numbers of optical_hf.metrics.gap."""

import socket
import subprocess
import sys
from pathlib import Path

import evaluate
import numpy as np
import pytest

import optical_hf.metrics
from optical_hf.metrics.gap import cross_lingual_gap

FOLDER = Path(optical_hf.metrics.__file__).parent / "cross_lingual_gap"
RESOURCE_GROUPS = {"high": ["de"], "low": ["mr", "so"]}


@pytest.fixture
def metric(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("the network was asked for")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(evaluate.config, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    return evaluate.load(str(FOLDER), cache_dir=str(tmp_path))


@pytest.fixture
def queries():
    rng = np.random.default_rng(0)
    languages = np.tile(["de", "mr", "so"], 100)
    return rng.random(300).round(3), languages, np.repeat(np.arange(100), 3)


def test_numbers_are_those_of_the_function(metric, queries):
    hits, languages, groups = queries
    expected = cross_lingual_gap(hits, languages, groups=groups, rounds=300, seed=3, **RESOURCE_GROUPS).to_dict()
    assert (
        metric.compute(hits=hits, languages=languages, groups=groups, rounds=300, seed=3, **RESOURCE_GROUPS) == expected
    )


def test_batches_and_single_queries_add_up(metric, queries):
    hits, languages, groups = queries
    metric.add_batch(hits=hits[:250], languages=languages[:250], groups=groups[:250])
    for hit, language, group in zip(hits[250:], languages[250:], groups[250:], strict=True):
        metric.add(hits=hit, languages=language, groups=group)
    expected = cross_lingual_gap(hits, languages, groups=groups, rounds=300, reference=0.9, **RESOURCE_GROUPS).to_dict()
    assert metric.compute(rounds=300, reference=0.9, **RESOURCE_GROUPS) == expected


def test_groups_may_be_left_out_but_not_of_some_batches(metric, queries):
    hits, languages, groups = queries
    expected = cross_lingual_gap(hits, languages, rounds=300, **RESOURCE_GROUPS).to_dict()
    assert metric.compute(hits=hits, languages=languages, rounds=300, **RESOURCE_GROUPS) == expected
    metric.add_batch(hits=hits, languages=languages, groups=groups)
    metric.add_batch(hits=hits[:7], languages=languages[:7])
    with pytest.raises(ValueError, match="7 of 307 queries have no group"):
        metric.compute(**RESOURCE_GROUPS)


def test_errors_come_through(metric):
    with pytest.raises(ValueError, match="1 of 2 languages are in no group: ti"):
        metric.compute(hits=[1, 0, 1, 0], languages=["de", "de", "ti", "ti"], **RESOURCE_GROUPS)


@pytest.mark.slow
def test_the_function_needs_neither_evaluate_nor_torch():
    code = (
        "import sys, optical_hf.metrics.gap, optical_hf.metrics.significance, optical_hf.metrics.ranking\n"
        "print(*{'torch', 'transformers', 'sentence_transformers', 'datasets', 'evaluate'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == ""
