"""Batches by length: every row once, the budget kept, the same for a seed and an epoch, dealt out to ranks whole."""

import numpy as np
import pytest
from accelerate.data_loader import BatchSamplerShard
from hypothesis import given, settings
from hypothesis import strategies as st

from optical_hf.data.batching import LengthBatches, ShuffledRows
from optical_hf.data.sampling import TemperatureSampler

lengths = st.lists(st.integers(1, 60), min_size=1, max_size=300)


@settings(max_examples=50, deadline=None)
@given(lengths, st.integers(1, 20), st.one_of(st.none(), st.integers(1, 200)), st.integers(1, 8))
def test_every_row_once_and_the_budget_kept(found: list, size: int, budget: int | None, window: int) -> None:
    batches = LengthBatches(ShuffledRows(len(found), seed=1), found, batch_size=size, tokens=budget, window=window)
    made = list(batches)
    assert len(made) == len(batches)
    assert sorted(row for batch in made for row in batch) == list(range(len(found)))
    for batch in made:
        assert 1 <= len(batch) <= size
        assert budget is None or len(batch) == 1 or len(batch) * max(found[row] for row in batch) <= budget


def test_padding_is_less_than_at_random() -> None:
    counts = np.random.default_rng(0).integers(3, 64, 2000)

    def waste(batches: list) -> float:
        padded = sum(len(batch) * counts[batch].max() for batch in batches)
        return 1 - sum(counts[batch].sum() for batch in batches) / padded

    order = ShuffledRows(len(counts)).order(0)
    at_random = [order[start : start + 32] for start in range(0, len(order), 32)]
    assert waste(at_random) > 0.4
    assert waste(list(LengthBatches(ShuffledRows(len(counts)), counts, batch_size=32))) < 0.05


def test_the_epoch_and_the_seed_alone_decide() -> None:
    def batches(seed: int, epoch: int) -> list:
        made = LengthBatches(ShuffledRows(100, seed), [i % 7 + 1 for i in range(100)], batch_size=8)
        made.sampler.set_epoch(epoch)
        return list(made)

    assert batches(1, 2) == batches(1, 2)
    assert batches(1, 2) != batches(1, 3)
    assert batches(1, 2) != batches(2, 2)


def test_every_epoch_has_as_many_batches_though_languages_are_drawn() -> None:
    languages = ["de"] * 200 + ["so"] * 20
    counts = [5 + i % 11 for i in range(200)] + [40] * 20
    batches = LengthBatches(TemperatureSampler(languages, temperature=5.0), counts, batch_size=16, tokens=120)
    for epoch in range(5):
        batches.sampler.set_epoch(epoch)
        assert len(list(batches)) == len(batches)


def test_ranks_get_whole_batches_and_equally_many() -> None:
    batches = LengthBatches(ShuffledRows(101), [i % 13 + 1 for i in range(101)], batch_size=9, tokens=60)
    shares = [list(BatchSamplerShard(batches, 2, rank)) for rank in (0, 1)]
    assert len(shares[0]) == len(shares[1])
    assert {row for share in shares for batch in share for row in batch} == set(range(101))


def test_sizes_below_one_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        LengthBatches(ShuffledRows(3), [1, 2, 3], batch_size=0)
