"""Alignment of pieces: a known dictionary is found again from pairs in any order of words."""

import random

import pytest
import torch

from optical_hf.models.vocabulary import association
from optical_hf.models.vocabulary.association import associate


def bitext_of(words: int, pairs: int, seed: int = 0) -> tuple[list[list[int]], list[list[int]], list[int]]:
    """Texts of Zipf-like words, their translation by a permutation, in another order of words."""
    generator = random.Random(seed)
    translation = list(range(words))
    generator.shuffle(translation)
    weights = [1 / (rank + 1) for rank in range(words)]
    target, english = [], []
    for _ in range(pairs):
        text = generator.choices(range(words), weights, k=generator.randint(3, 9))
        other = [translation[word] for word in text]
        generator.shuffle(other)
        target.append(text)
        english.append(other)
    return target, english, translation


def test_a_dictionary_is_found_and_plans_sharpen_co_occurrence():
    target, english, translation = bitext_of(words=60, pairs=400)
    expected = torch.tensor(translation)
    right, share = {}, {}
    for rounds in (0, 4):
        mass = associate(target, english, rounds=rounds)
        seen = mass.sum(dim=1) > 0
        right[rounds] = float((mass.argmax(dim=1) == expected)[seen].float().mean())
        share[rounds] = float((mass.gather(1, expected.unsqueeze(1)).squeeze(1) / mass.sum(1))[seen].mean())
    assert right[4] > 0.95 > right[0]
    assert share[4] > 0.9 > 2 * share[0]


def test_mass_is_that_of_the_pairs():
    target, english, _ = bitext_of(words=20, pairs=50)
    mass = associate(target, english, rounds=2, batch_size=7)
    assert float(mass.sum()) == pytest.approx(50, rel=1e-3)


def test_an_empty_side_is_left_out():
    mass = associate([[0], [], [1]], [[0], [1], []], rounds=1)
    assert mass.tolist() == [[1.0, 0.0], [0.0, 0.0]]


def test_too_many_pieces_are_refused(monkeypatch):
    monkeypatch.setattr(association, "LARGEST", 10)
    with pytest.raises(ValueError, match="learn fewer pieces"):
        associate([[0, 9]], [[0, 9]])
