"""The index check: the setting an index was made with is found, another teacher is recognised, at every width and precision."""

import json

import numpy as np
import pytest
import torch
import typer
from datasets import Dataset
from sentence_transformers.util import quantize_embeddings

from optical_hf.cli.check import check
from optical_hf.evaluation.index_check import check_index, check_table_of_documents
from optical_hf.models.prompts import set_prompts
from optical_hf.models.tiny import tiny_encoder
from optical_hf.models.views import as_late_interaction
from optical_hf.scenes.corpus import caption
from optical_hf.scenes.world import generate_scenes

WORDS = list(dict.fromkeys(caption(scene, "en").text for scene in generate_scenes(150, seed=1)))[:120]
TITLES = [f"picture {number}" for number in range(len(WORDS))]
LONG = [" ".join(WORDS[row : row + 4]) for row in range(60)]


def encoder(seed=0):
    made = tiny_encoder(WORDS, width=32, vocabulary_size=300, max_length=64, seed=seed)
    set_prompts(made, query="query: ", document="passage: ")
    return made


@pytest.fixture(scope="module")
def teacher():
    return encoder()


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")


def read(model, texts=WORDS, prompt="passage: "):
    return model.encode(texts, prompt=prompt, show_progress_bar=False)


def table(vectors, texts=WORDS, **columns):
    return Dataset.from_dict({"text": texts, **columns, "vector": np.asarray(vectors).tolist()})


@pytest.fixture
def checked(tmp_path, teacher):
    """Checks an index that is written to Parquet."""

    def check_written(vectors, texts=WORDS, model=teacher, url="", **columns):
        table(vectors, texts, **columns).to_parquet(tmp_path / "index.parquet")
        return check_index(f"file://{tmp_path}/index.parquet{url}", model)

    return check_written


def test_an_index_that_the_teacher_reads_so_today(checked, teacher):
    found = checked(read(teacher))
    assert found.verdict == "same"
    assert found.best.fit.own > 0.999
    assert found.best.fit.unit_length is True
    assert found.texts == 50
    assert "This teacher made this index, as it reads now" in found.summary()


@pytest.mark.parametrize("prompt", ["", "query: "])
def test_the_prompt_an_index_was_made_with_is_found(checked, teacher, prompt):
    found = checked(read(teacher, prompt=prompt))
    assert (found.verdict, found.best.setting.prompt) == ("other setting", prompt)
    assert found.best.fit.own > 0.999 > found.own.fit.own
    assert f"document_prompt={prompt!r}" in found.summary()


def test_the_length_at_which_texts_were_cut_is_found(checked, teacher, monkeypatch):
    monkeypatch.setattr("optical_hf.evaluation.index_check.teacher_settings.LENGTHS", (8, 16, 32))
    short = encoder()
    short.max_seq_length = 16
    found = checked(read(short, LONG), LONG)
    assert (found.verdict, found.best.setting.length, found.best.setting.prompt) == ("other setting", 16, "passage: ")
    assert "max_seq_length=16" in found.summary()


def test_titles_in_front_of_the_texts_are_found(checked, teacher):
    both = [f"{title}. {text}" for title, text in zip(TITLES, WORDS, strict=True)]
    found = checked(read(teacher, both), head=TITLES, url="?title=head")
    assert (found.verdict, found.best.setting.form) == ("other setting", "{title}. {text}")
    assert found.best.fit.own > 0.999


def test_another_teacher_of_equal_width_is_recognised(checked):
    found = checked(read(encoder(seed=1)))
    assert found.verdict == "another teacher"
    assert "This teacher did not make this index" in found.summary()


def test_a_wider_index_is_another_teachers(checked, teacher):
    found = checked(np.random.default_rng(0).normal(size=(len(WORDS), 48)))
    assert (found.verdict, found.best) == ("another teacher", None)
    assert "width 48, and the teacher's have 32" in str(found)


def test_vectors_near_to_the_teachers_are_said_to_be_so(checked, teacher):
    noise = np.random.default_rng(0).normal(size=(len(WORDS), 32)) / np.sqrt(32)
    found = checked(read(teacher) + 0.2 * noise)
    assert found.verdict == "near"
    assert 0.97 < found.best.fit.own < 0.99
    assert "no setting that was tried gives it" in found.summary()


def test_lengths_of_vectors_are_compared(checked, teacher):
    assert checked(7 * read(teacher)).best.fit.unit_length is None
    cut = checked(read(teacher)[:, :8])
    assert (cut.verdict, cut.best.fit.unit_length) == ("same", False)


@pytest.mark.parametrize("width", [8, 16])
def test_a_matryoshka_index_is_compared_at_its_width(checked, teacher, width):
    cut = torch.nn.functional.normalize(torch.tensor(read(teacher, prompt="query: "))[:, :width], dim=1)
    found = checked(cut)
    assert (found.verdict, found.best.setting.prompt, found.width) == ("other setting", "query: ", width)
    assert not found.whole
    assert f"the first {width} of the teacher's 32 numbers" in str(found)
    other = torch.nn.functional.normalize(torch.tensor(read(encoder(seed=1)))[:, :width], dim=1)
    assert checked(other).verdict == "another teacher"


@pytest.mark.parametrize("precision", ["int8", "binary"])
def test_quantised_vectors_are_compared_as_they_are_stored(checked, teacher, precision):
    def quantised(model, prompt):
        vectors = read(model, prompt=prompt)
        if precision == "binary":
            return np.unpackbits(quantize_embeddings(vectors, "ubinary"), axis=1)
        return quantize_embeddings(vectors, "int8").astype(int)

    found = checked(quantised(teacher, "query: "))
    assert (found.verdict, found.precision, found.best.setting.prompt) == ("other setting", precision, "query: ")
    assert not found.whole
    assert checked(quantised(encoder(seed=1), "passage: ")).verdict == "another teacher"


def test_half_precision_is_whole(checked, teacher):
    found = checked(read(teacher).astype(np.float16).astype(np.float32))
    assert (found.verdict, found.whole) == ("same", True)


@pytest.mark.slow
def test_token_vectors_are_compared(tmp_path, teacher):
    lancedb = pytest.importorskip("lancedb")
    import pyarrow as pa

    def verdict(model):
        late = as_late_interaction(model).encode_document(WORDS, show_progress_bar=False)
        flat = pa.array(np.concatenate([np.asarray(part) for part in late]).reshape(-1))
        ends = pa.array(np.cumsum([0, *map(len, late)]).astype(np.int32))
        vectors = pa.ListArray.from_arrays(ends, pa.FixedSizeListArray.from_arrays(flat, 32))
        lancedb.connect(tmp_path).create_table("late", pa.table({"text": WORDS, "vector": vectors}), mode="overwrite")
        return check_index(f"lancedb://{tmp_path}/late", teacher).verdict

    assert verdict(teacher) == "same"
    assert verdict(encoder(seed=1)) == "another teacher"


def test_a_table_of_documents(teacher):
    documents = table(read(teacher)).cast_column("vector", table(read(teacher)).features["vector"])
    assert check_table_of_documents(documents, "documents", teacher).verdict == "same"


def test_texts_alone_cannot_be_checked(tmp_path, teacher):
    Dataset.from_dict({"text": WORDS}).to_parquet(tmp_path / "x.parquet")
    with pytest.raises(ValueError, match="holds no vectors: there is nothing to check"):
        check_index(str(tmp_path / "x.parquet"), teacher)


def test_the_verb(tmp_path, teacher, capsys):
    teacher.save(str(tmp_path / "teacher"))
    table(read(teacher, prompt="query: ")).to_parquet(tmp_path / "x.parquet")
    call = {"index": str(tmp_path / "x.parquet"), "teacher": str(tmp_path / "teacher")}
    check(**call, output=tmp_path / "check.json")
    assert "another setting" in capsys.readouterr().out
    assert json.loads((tmp_path / "check.json").read_text())["best"]["prompt"] == "query: "
    table(read(encoder(seed=1))).to_parquet(tmp_path / "x.parquet")
    with pytest.raises(typer.Exit) as ended:
        check(**call)
    assert ended.value.exit_code == 1
    assert "did not make this index" in capsys.readouterr().out
