"""Which translations a map finds by MaxSim in a fold, and the sample that is searched."""

import pytest
import torch

from optical_hf.models.alignment import held_out_tokens
from optical_hf.models.alignment.held_out_tokens import TokenFold
from optical_hf.models.alignment.ridge_penalty import Fold, choose_weight
from optical_hf.models.tokens import TokenSet


def token_set(tokens_BND, lengths):
    mask_BN = torch.arange(tokens_BND.shape[1]) < torch.tensor(lengths).unsqueeze(1)
    return TokenSet(tokens_BND, mask_BN, mask_BN, tokens_BND.mean(dim=1))


def pairs(count, seed=0):
    """Student tokens, of two lengths, and where a linear map puts them; padding is noise that must not be read."""
    generator = torch.Generator().manual_seed(seed)
    weight_KD = torch.randn(6, 8, generator=generator)
    source_BND = torch.randn(count, 5, 8, generator=generator)
    lengths = [3 + row % 2 for row in range(count)]
    noise_BMK = torch.randn(count, 5, 6, generator=generator)
    source, target = token_set(source_BND, lengths), token_set(source_BND @ weight_KD.T, lengths)
    target.tokens_BND[~target.mask_BN] = 100 * noise_BMK[~target.mask_BN]
    return source, target, weight_KD


def test_the_right_map_finds_all_and_another_one_does_not():
    source, target, weight_KD = pairs(40)
    fold = TokenFold()
    fold.add(source, target, range(40), torch.arange(40))
    other_KD = torch.randn(6, 8, generator=torch.Generator().manual_seed(1))
    assert fold.found(weight_KD, torch.zeros(6)) == pytest.approx(1.0)
    assert fold.found(other_KD, torch.zeros(6)) < 0.5
    assert fold.found(torch.zeros(6, 8), torch.ones(6)) < 0.2  # all queries alike


def test_only_the_rows_named_are_searched():
    source, target, _ = pairs(6)
    fold = TokenFold()
    fold.add(source, target, [0, 3], torch.arange(6))
    kept = sorted((tokens_ND for tokens_ND, *_ in fold.sample.items), key=len)
    own = sorted((source.tokens_BND[row][source.mask_BN[row]] for row in (0, 3)), key=len)
    assert [len(tokens_ND) for tokens_ND in kept] == [3, 4]
    for tokens_ND, expected_ND in zip(kept, own, strict=True):
        torch.testing.assert_close(tokens_ND.float(), expected_ND, rtol=1e-3, atol=1e-3)


def test_the_sample_keeps_its_size_and_takes_from_everywhere(monkeypatch):
    monkeypatch.setattr(held_out_tokens, "SAMPLE", 50)
    source, target, _ = pairs(500)
    source.tokens_BND[:, 0, 0] = torch.arange(500.0)
    fold = TokenFold()
    for start in range(0, 500, 100):
        rows = slice(start, start + 100)
        batch = (TokenSet(*(part[rows] for part in side)) for side in (source, target))
        fold.add(*batch, range(100), torch.arange(start, start + 100))
    places = [int(tokens_ND[0, 0]) for tokens_ND, *_ in fold.sample.items]
    assert len(places) == 50
    assert min(sum(start <= place < start + 100 for place in places) for start in range(0, 500, 100)) >= 3


def test_a_weight_is_chosen_by_what_is_searched():
    """Where the pooled vectors would take the largest weight and the tokens the smallest, each has its way."""

    class Says:
        def __init__(self, liked):
            self.liked = liked

        def __len__(self):
            return 20

        def found(self, weight_KD, bias_K):
            return 1.0 - abs(float(bias_K[0]) - self.liked) / 10

    folds = {name: Fold.empty(2, 1) for name in "ab"}
    joined = {}
    for weight in (2.0, 8.0):
        joined[weight] = {name: Fold.empty(2, 1).sums for name in folds}
        for sums in joined[weight].values():
            sums.add(torch.randn(20, 2, generator=torch.Generator().manual_seed(0)), torch.full((20, 1), weight))
    folds = {name: Says(8.0) for name in folds}
    assert choose_weight(folds, joined)[0] == 8.0
    assert choose_weight(folds, joined, {name: Says(2.0) for name in folds})[0] == 2.0
