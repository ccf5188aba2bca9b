"""Batches by length: every row once, the budget kept, the same for a seed and an epoch, dealt out to ranks whole."""

import numpy as np
import pytest
from accelerate.data_loader import BatchSamplerShard
from hypothesis import given, settings
from hypothesis import strategies as st

from optical_hf.data.batches.length_batches import LengthBatches, ShuffledRows
from optical_hf.data.batches.sampling import TemperatureSampler

lengths = st.lists(st.integers(1, 60), min_size=1, max_size=300)


class Counted:
    """Lengths that note which rows were asked for."""

    def __init__(self, lengths: list[int]) -> None:
        self.lengths, self.asked = np.array(lengths), set()

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        self.asked |= set(rows.tolist())
        return self.lengths[rows]


@settings(max_examples=20)
@given(lengths, st.integers(1, 20), st.one_of(st.none(), st.integers(120, 400)), st.integers(1, 8))
def test_every_row_once_and_the_budget_kept(found: list, size: int, budget: int | None, window: int) -> None:
    batches = LengthBatches(ShuffledRows(len(found), seed=1), found, batch_size=size, tokens=budget, window=window)
    made = list(batches)
    assert len(made) == len(batches)
    assert sorted(row for batch in made for row in batch) == list(range(len(found)))
    for batch in made:
        assert 1 <= len(batch) <= size
        assert budget is None or len(batch) * max(found[row] for row in batch) <= budget


@settings(max_examples=20)
@given(lengths, st.integers(1, 20), st.integers(1, 8), st.integers(1, 100))
def test_without_a_budget_every_row_once_however_many_are_shuffled_together(
    found: list, size: int, window: int, together: int
) -> None:
    batches = LengthBatches(ShuffledRows(len(found)), found, batch_size=size, window=window, together=together)
    made = list(batches)
    assert len(made) == len(batches)
    assert sorted(row for batch in made for row in batch) == list(range(len(found)))


@pytest.mark.parametrize("budget", [None, 512])
def test_the_first_batches_need_the_lengths_of_few_rows(budget: int | None) -> None:
    found = Counted(np.random.default_rng(0).integers(3, 64, 20_000).tolist())
    batches = LengthBatches(ShuffledRows(20_000), found, batch_size=16, tokens=budget, window=10, together=1_000)
    first = [batch for batch, _ in zip(batches, range(20), strict=False)]
    assert len(first) == 20
    assert len(found.asked) <= 1_000


def test_a_large_table_under_a_budget_is_nearly_all_seen_and_the_budget_kept_in_every_epoch() -> None:
    found = np.random.default_rng(0).integers(3, 64, 20_000)
    batches = LengthBatches(ShuffledRows(20_000), found, batch_size=64, tokens=512, window=10, together=2_000)
    for epoch in range(2):
        batches.sampler.set_epoch(epoch)
        made = list(batches)
        assert len(made) == len(batches)
        assert max(len(batch) * found[batch].max() for batch in made) <= 512
        assert len({row for batch in made for row in batch}) > 0.98 * 20_000
        assert made == list(batches)


@pytest.mark.parametrize(("budget", "told"), [(1, "9 tokens"), (12, "give it a batch's worth, 72 tokens for 8")])
def test_a_budget_that_makes_batches_of_one_row_is_refused(budget: int, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        LengthBatches(ShuffledRows(40), [9] * 40, batch_size=8, tokens=budget)
    assert len(LengthBatches(ShuffledRows(40), [9] * 40, batch_size=1, tokens=budget)) == 40


def test_a_row_longer_than_the_budget_is_a_batch_alone() -> None:
    made = list(LengthBatches(ShuffledRows(41), [9] * 40 + [99], batch_size=8, tokens=72))
    assert sorted(len(batch) for batch in made) == [1, *[8] * 5]


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


def test_every_epoch_has_as_many_batches_though_languages_are_sampled() -> None:
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
