"""A copy of the right answer is neither right nor wrong, wherever a held-out score is made; English is not searched with."""

import pytest
import tiny_pairs
import torch
from datasets import Dataset, concatenate_datasets

from optical_hf.models import fit_alignment
from optical_hf.models.alignment.held_out import held_out_score, split_held_out
from optical_hf.models.alignment.held_out_tokens import TokenFold
from optical_hf.models.alignment.own_rank import own_rank, same_targets, text_numbers
from optical_hf.models.alignment.ridge_penalty import Fold
from optical_hf.models.tokens import TokenSet

TEXTS = ["a dog", "a cat", "a red ball", "two dogs"]


def rows(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def twice(values: torch.Tensor) -> torch.Tensor:
    return torch.cat([values, values])


@pytest.mark.parametrize("numbers", ["of the text", "of the row"])
def test_a_perfect_map_is_perfect_where_english_sides_come_twice(numbers):
    """Many-way bitext: one English text, or two that the teacher reads alike, with two translations."""
    target_SK = rows(20, 6)
    texts = twice(torch.arange(20)) if numbers == "of the text" else torch.arange(40)
    fold = Fold.empty(6, 6)
    fold.add(torch.cat([target_SK, target_SK + 1e-4]), twice(target_SK), texts)
    assert fold.found(torch.eye(6), torch.zeros(6)) == 1.0
    assert fold.found(torch.zeros(6, 6), torch.ones(6)) < 0.2  # all queries alike: a tie with another text is no find


def test_a_perfect_map_is_perfect_by_maxsim_too():
    tokens_BND = twice(rows(10, 3, 6))
    mask_BN = torch.ones(20, 3, dtype=torch.bool)
    tokens = TokenSet(tokens_BND, mask_BN, mask_BN, tokens_BND.mean(dim=1))
    for texts in (twice(torch.arange(10)), torch.arange(20)):
        fold = TokenFold()
        fold.add(tokens, tokens, range(20), texts)
        assert fold.found(torch.eye(6), torch.zeros(6)) == 1.0
        assert fold.found(torch.zeros(6, 6), torch.ones(6)) < 0.3


def test_what_is_not_a_number_is_not_found():
    fold = Fold.empty(6, 6)
    fold.add(rows(10, 6), rows(10, 6), torch.arange(10))
    assert fold.found(torch.full((6, 6), torch.nan), torch.zeros(6)) == pytest.approx(0.1)


def test_a_copy_of_the_right_answer_is_neither_right_nor_wrong():
    score = torch.tensor([[0.9, 0.9, 0.1], [0.9, 0.8, 0.1], [0.5, 0.5, 0.5]])
    vectors = torch.eye(3)
    assert own_rank(score, same_targets(text_numbers(["a", "a", "b"]), vectors)).tolist() == [1, 1, 3]
    assert own_rank(score, same_targets(text_numbers(["a", "c", "b"]), vectors)).tolist() == [2, 2, 3]


def test_held_out_pairs_of_one_english_text_are_all_found():
    teacher = tiny_pairs.teacher()
    pairs = [{"source": text, "target": text} for text in (*TEXTS, *TEXTS, TEXTS[0].upper())]  # it reads lower case
    score = held_out_score(teacher, teacher, pairs)
    assert (score.pairs, score.vector, score.maxsim) == (9, 1.0, 1.0)


def test_all_pairs_of_one_english_text_are_held_out_together():
    bitext = tiny_pairs.bitext()
    many_way = concatenate_datasets([bitext, bitext, bitext])
    fitted, kept = split_held_out(many_way, 20, seed=0)
    assert 20 <= len(kept) < 30
    assert not {row["source"] for row in kept} & set(fitted["source"])
    assert len(fitted) + len(kept) == len(many_way)
    with pytest.raises(ValueError, match="leaves nothing"):
        split_held_out(Dataset.from_dict({"source": ["a dog"] * 9}), 5, seed=0)


@pytest.mark.parametrize("kind", ["vector", "late_interaction"])
def test_only_foreign_queries_choose_the_penalty(kind, monkeypatch):
    searched: dict[int, int] = {}
    for fold in (Fold, TokenFold):
        found = fold.found
        monkeypatch.setattr(
            fold, "found", lambda own, *new, found=found: searched.update({id(own): len(own)}) or found(own, *new)
        )
    student, teacher = tiny_pairs.pair(kind=kind)
    fit_alignment(student, teacher, tiny_pairs.bitext(), method="transport", rounds=1, progress=False)
    assert sum(searched.values()) == len(tiny_pairs.bitext()) * (2 if kind == "late_interaction" else 1)


def test_bitext_of_english_alone_says_what_to_do():
    student, teacher = tiny_pairs.pair()
    english = tiny_pairs.bitext().map(lambda row: {"language": "en"})
    with pytest.raises(ValueError, match="pass a number as regularisation"):
        fit_alignment(student, teacher, english, method="transport", progress=False)
    assert (
        fit_alignment(student, teacher, english, method="transport", regularisation=1e-3, progress=False).regularisation
        == 1e-3
    )
