"""Extending: fewer crumbs, known pieces untouched, new ones started from their translations."""

import random
from copy import deepcopy

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer

from optical_hf.models import build_student
from optical_hf.models.vocabulary import extend_vocabulary
from optical_hf.models.vocabulary.tokenizer_state import extended, pieces, read_state, runnable

# A language of its own letters, word for word, so that the right neighbour of each new piece is known.
WORDS = {
    "dog": "ждкуны",
    "cat": "фрлому",
    "man": "шопэно",
    "woman": "цивуло",
    "runs": "гыкато",
    "sleeps": "бюмело",
    "red": "чарико",
    "small": "дзютана",
    "boat": "лувэхо",
    "house": "пёгиро",
    "sees": "вязумо",
    "near": "тэшаку",
}
ENDINGS = ["", "", "м", "хи", "ст"]


@pytest.fixture(scope="module")
def bitext() -> list[dict[str, str]]:
    generator = random.Random(0)
    rows = []
    for _ in range(400):
        english = generator.sample(sorted(WORDS), k=4)
        target = [WORDS[word] + generator.choice(ENDINGS) for word in english]
        generator.shuffle(target)
        rows.append({"source": " ".join(english), "target": " ".join(target), "language": "ru"})
    return rows


@pytest.fixture(scope="module", params=["unigram", "wordpiece"])
def made(request, make_encoder) -> SentenceTransformer:
    letters = sorted({letter for word in WORDS.values() for letter in word})
    return make_encoder(request.param, [*WORDS] * 50 + letters + ["".join(letters)], size=140)


@pytest.fixture
def encoder(made) -> SentenceTransformer:
    return deepcopy(made)


def row(encoder, piece: str) -> torch.Tensor:
    return encoder[0].model.get_input_embeddings().weight[encoder.tokenizer.get_vocab()[piece]].detach()


def test_the_language_is_no_longer_split_into_crumbs(encoder, bitext):
    report = extend_vocabulary(encoder, bitext, "ru", size=200, progress=False)
    assert report.length_after < 0.6 * report.length_before
    assert report.pieces_after == len(encoder.tokenizer) > report.pieces_before
    assert report.aligned > 0
    assert encoder[0].model.get_input_embeddings().num_embeddings >= report.pieces_after
    assert np.isfinite(encoder.encode([r["target"] for r in bitext[:5]])).all()


def test_rows_without_a_language_are_in_the_one_that_is_stated(encoder, bitext):
    rows = [{"source": r["source"], "target": r["target"]} for r in bitext]
    assert extend_vocabulary(encoder, rows, "ru", size=200, progress=False).aligned > 0


def test_english_keeps_its_embeddings(encoder, bitext):
    """The new pieces have letters of their own: nothing English is split otherwise."""
    english = [r["source"] for r in bitext[:20]]
    before = encoder.encode(english)
    extend_vocabulary(encoder, bitext, "ru", size=200, progress=False)
    assert np.array_equal(encoder.encode(english), before)


def test_a_new_word_starts_at_its_translation(encoder, bitext):
    extend_vocabulary(encoder, bitext, "ru", size=200, neighbours=1, progress=False)
    matrix, names = encoder[0].model.get_input_embeddings().weight.detach(), encoder.tokenizer.get_vocab()
    right = total = 0
    for english, target in WORDS.items():
        split, own = encoder.tokenizer.tokenize(english), encoder.tokenizer.tokenize(target)
        if len(own) == 1:
            total += 1
            right += any(torch.allclose(matrix[names[own[0]]], matrix[names[part]], atol=1e-6) for part in split)
    assert total >= 6
    assert right >= 0.9 * total


def test_the_average_has_the_length_of_its_neighbours(encoder, bitext):
    first = len(encoder.tokenizer)
    typical = encoder[0].model.get_input_embeddings().weight[5:first].detach().norm(dim=1)
    extend_vocabulary(encoder, bitext, "ru", size=200, neighbours=8, progress=False)
    used = {
        i for r in bitext for i in encoder.tokenizer(r["target"], add_special_tokens=False)["input_ids"] if i >= first
    }
    new = encoder[0].model.get_input_embeddings().weight[sorted(used)].detach().norm(dim=1)
    assert typical.min() * 0.99 <= new.min()
    assert new.max() <= typical.max() * 1.01


@pytest.mark.slow
def test_the_extended_student_loads_alone(encoder, bitext, tmp_path, make_encoder):
    teacher = make_encoder("wordpiece", [r["source"] for r in bitext], size=80, width=8)
    student = build_student(encoder, teacher)
    extend_vocabulary(student, bitext, "ru", size=200, progress=False)
    texts = [r["target"] for r in bitext[:10]]
    student.save_pretrained(str(tmp_path / "student"))
    loaded = SentenceTransformer(str(tmp_path / "student"))
    assert np.abs(loaded.encode(texts) - student.encode(texts)).max() < 1e-5
    assert loaded.tokenizer(texts)["input_ids"] == student.tokenizer(texts)["input_ids"]


def test_added_tokens_behind_the_list_get_an_entry():
    state = {
        "model": {"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0.0], ["▁a", -1.0]]},
        "added_tokens": [{"id": 0, "content": "<unk>"}, {"id": 2, "content": "<mask>"}],
    }
    new = extended(state, {"▁a": -9.0, "▁b": -2.0})
    assert new["model"]["vocab"] == [["<unk>", 0.0], ["▁a", -1.0], ["<mask>", 0.0], ["▁b", -2.0]]
    assert pieces(new)["<mask>"] == 2


def test_what_cannot_be_learnt_is_refused(encoder, bitext):
    with pytest.raises(ValueError, match="no rows of 'sw'"):
        extend_vocabulary(encoder, bitext, "swh", progress=False)
    with pytest.raises(ValueError, match="language"):
        extend_vocabulary(encoder, bitext, "not a code", progress=False)
    assert runnable(read_state(encoder.tokenizer)).get_vocab_size() == len(encoder.tokenizer)
