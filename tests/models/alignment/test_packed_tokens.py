"""Tokens end to end: what is packed comes out again, in the order asked for, and long texts are cut."""

import pytest
import torch

from optical_hf.models.alignment.packed_tokens import PackedTokens, spread

TEXTS = [torch.arange(2.0 * n).reshape(n, 2) + 100 * n for n in (3, 1, 5)]


def test_rows_come_out_end_to_end_in_the_order_asked_for():
    tokens_QD, length_B = PackedTokens.of(TEXTS).rows(torch.tensor([2, 0, 2]))
    assert torch.equal(tokens_QD, torch.cat([TEXTS[2], TEXTS[0], TEXTS[2]]))
    assert tokens_QD.dtype == torch.float32
    assert length_B.tolist() == [5, 3, 5]


def test_short_texts_are_filled_with_their_last_token():
    tokens_BMD = PackedTokens.of(TEXTS).repeated(torch.tensor([1, 0]))
    assert tokens_BMD.shape == (2, 3, 2)
    assert torch.equal(tokens_BMD[0], TEXTS[1].expand(3, 2))
    assert torch.equal(tokens_BMD[1], TEXTS[0])


def test_packs_are_joined():
    joined = PackedTokens.joined([PackedTokens.of(TEXTS[:2]), PackedTokens.of(TEXTS[2:])])
    whole = PackedTokens.of(TEXTS)
    assert len(joined) == 3
    assert torch.equal(joined.tokens_TD, whole.tokens_TD)
    assert torch.equal(joined.start_N, whole.start_N)


def test_long_texts_keep_tokens_at_equal_distances():
    packed = PackedTokens.of(TEXTS, tokens_per_text=3)
    assert torch.equal(packed.rows(torch.tensor([2]))[0], TEXTS[2][[0, 2, 4]])
    assert packed.length_N.tolist() == [3, 1, 3]
    assert packed.nbytes == 7 * 2 * 2  # seven tokens of two float16 numbers
    assert spread(TEXTS[2], 1).tolist() == TEXTS[2][:1].tolist()


def test_what_cannot_be_packed_is_refused():
    with pytest.raises(ValueError, match="1 of 2 texts have no tokens"):
        PackedTokens.of([torch.ones(2, 2), torch.ones(0, 2)])
    with pytest.raises(ValueError, match="no texts were given"):
        PackedTokens.of([])
    with pytest.raises(ValueError, match="too large for float16"):
        PackedTokens.of([torch.full((2, 2), 1e6)])
    with pytest.raises(ValueError, match="NaN"):
        PackedTokens.of([torch.full((2, 2), torch.nan)])
