"""The index check with real encoders of one width: the prompt that was used, and the wrong teacher."""

import gzip

import pytest
from datasets import Dataset

from optical_hf.evaluation.index_check import check_table_of_documents
from optical_hf.models import load_teacher

pytestmark = [pytest.mark.real, pytest.mark.slow]


@pytest.fixture(scope="module")
def texts(shared_data):
    with gzip.open(shared_data / "multi30k" / "test_2018_flickr.en.gz", "rt", encoding="utf-8") as lines:
        return list(dict.fromkeys(line.strip() for line in lines))[:60]


@pytest.fixture(scope="module")
def encoders(real_models):
    return {
        name: load_teacher(real_models / name, query_prompt="")
        for name in ("all-MiniLM-L6-v2", "multilingual-e5-small")
    }


def index(model, texts, prompt=""):
    vectors = model.encode(texts, prompt=prompt, show_progress_bar=False)
    return Dataset.from_dict({"text": texts, "vector": vectors.tolist()})


def test_the_prompt_of_e5_is_found(encoders, texts):
    e5 = encoders["multilingual-e5-small"]
    found = check_table_of_documents(index(e5, texts, "query: "), "captions", e5)
    assert (found.verdict, found.best.setting.prompt) == ("other setting", "query: ")
    assert found.best.fit.own > 0.999


def test_a_wrong_teacher_of_equal_width_is_recognised(encoders, texts):
    minilm, e5 = encoders["all-MiniLM-L6-v2"], encoders["multilingual-e5-small"]
    assert check_table_of_documents(index(minilm, texts), "captions", minilm).verdict == "same"
    for made_by, teacher in ((minilm, e5), (e5, minilm)):
        found = check_table_of_documents(index(made_by, texts), "captions", teacher)
        assert found.verdict == "another teacher"
        assert found.best.fit.lift < 0.1
