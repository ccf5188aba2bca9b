"""A sample of a fixed size in which every item of a stream has the same chance, however it is cut."""

import torch

from optical_hf.models.alignment.uniform_sample import UniformSample


def sampled(batches: list[int], size: int, seed: int) -> list[int]:
    sample, seen = UniformSample(size, torch.Generator().manual_seed(seed)), 0
    for count in batches:
        sample.add(count, lambda place, seen=seen: seen + place)
        seen += count
    return sample.items


def test_a_short_stream_is_kept_whole():
    assert sorted(sampled([3, 0, 4], 10, 0)) == list(range(7))


def test_the_size_is_never_exceeded_and_no_item_stands_twice():
    kept = sampled([7] * 30, 20, 0)
    assert len(set(kept)) == len(kept) == 20


def test_every_item_has_the_same_chance():
    drawn = torch.tensor([item for seed in range(2000) for item in sampled([5, 1, 14], 4, seed)])
    share = torch.bincount(drawn, minlength=20) / 2000
    assert (share - 4 / 20).abs().max() < 0.04
