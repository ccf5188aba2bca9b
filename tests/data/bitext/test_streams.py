"""Endless streams: they start over by themselves, the same on every rank and after a stop, grouped by length if wanted."""

from itertools import islice

from accelerate.data_loader import IterableDatasetShard
from datasets import Dataset
from torch.utils.data import DataLoader

from optical_hf.data.batches.sampling import interleave_languages
from optical_hf.data.bitext.streams import EndlessStream


def stream(count: int = 10, shards: int = 1):
    rows = Dataset.from_dict({"id": list(range(count)), "target": ["x" * (1 + i * 7 % 13) for i in range(count)]})
    return rows.to_iterable_dataset(num_shards=shards)


def ids(rows, count: int) -> list:
    return [row["id"] for row in islice(rows, count)]


def test_it_starts_over_and_says_the_same_each_time() -> None:
    endless = EndlessStream(stream())
    assert ids(endless, 25) == [*range(10), *range(10), *range(5)]
    assert ids(endless, 25) == ids(endless, 25)


def test_a_shuffled_stream_shuffles_anew() -> None:
    endless = EndlessStream(stream(40).shuffle(seed=1, buffer_size=40))
    both = ids(endless, 80)
    assert sorted(both[:40]) == sorted(both[40:]) == list(range(40))
    assert both[:40] != both[40:]
    assert ids(endless, 80) == both


def test_an_empty_stream_ends() -> None:
    assert ids(EndlessStream(stream().filter(lambda row: row["id"] < 0)), 5) == []


def test_ranks_share_the_batches_one_would_see() -> None:
    one = ids(IterableDatasetShard(EndlessStream(stream()), batch_size=4), 24)
    two = [iter(IterableDatasetShard(EndlessStream(stream()), 2, num_processes=2, process_index=r)) for r in (0, 1)]
    assert [i for _ in range(6) for rank in two for i in ids(rank, 2)] == one


def test_batches_hold_texts_of_one_length() -> None:
    endless = EndlessStream(stream(40), group=4, window=10)
    lengths = [len(row["target"]) for row in islice(endless, 40)]
    assert max(max(lengths[i : i + 4]) - min(lengths[i : i + 4]) for i in range(0, 40, 4)) <= 2
    assert ids(endless, 80) == ids(endless, 80)
    assert sorted(ids(endless, 40)) == list(range(40))


def test_a_loader_without_a_shard_ends_and_the_others_go_on() -> None:
    loader = DataLoader(EndlessStream(stream(8, shards=1)), batch_size=None, num_workers=2)
    assert ids(loader, 20) == [*range(8), *range(8), *range(4)]


def test_a_mixture_of_languages_is_a_stream() -> None:
    streams = {code: Dataset.from_dict({"id": [code] * 30}).to_iterable_dataset() for code in ("de", "so")}
    endless = EndlessStream(interleave_languages(streams, {"de": 900, "so": 100}, temperature=2.0))
    seen = ids(endless, 200)
    assert 20 < seen.count("so") < 90
    assert seen == ids(endless, 200)
