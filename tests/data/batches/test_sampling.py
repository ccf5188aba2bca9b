from collections import Counter

import pytest
from accelerate.data_loader import BatchSamplerShard
from datasets import Dataset
from datasets.distributed import split_dataset_by_node
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import BatchSampler, DataLoader

from optical_hf.data.batches.sampling import TemperatureSampler, interleave_languages, language_probabilities

COUNTS = {"de": 290, "mr": 60, "so": 10}
LANGUAGES = [code for code, count in COUNTS.items() for _ in range(count)]
sizes = st.lists(st.integers(1, 10_000), min_size=1, max_size=6).map(lambda n: {f"l{i}": c for i, c in enumerate(n)})


@given(sizes, st.floats(1, 100), st.one_of(st.none(), st.floats(1, 20)))
def test_probabilities_follow_the_formula_under_the_cap(counts: dict, temperature: float, cap: float | None) -> None:
    found = language_probabilities(counts, temperature=temperature, max_repeats=cap)
    total = sum(counts.values())
    assert sum(found.values()) == pytest.approx(1)
    free = []
    for code, count in counts.items():
        if cap is not None:
            assert found[code] * total <= cap * count * (1 + 1e-9)
        if cap is None or found[code] * total < cap * count * (1 - 1e-9):
            free.append(found[code] / count ** (1 / temperature))
    assert max(free, default=0) == pytest.approx(min(free, default=0))  # p proportional to n^(1/T) where no cap binds


def test_temperature_one_keeps_sizes_and_infinity_makes_equal() -> None:
    assert language_probabilities(COUNTS)["so"] == pytest.approx(10 / 360)
    assert language_probabilities(COUNTS, temperature=float("inf"))["so"] == pytest.approx(1 / 3)


def test_every_row_is_seen_before_any_is_seen_again() -> None:
    sampler = TemperatureSampler(LANGUAGES, temperature=3.0, seed=3)
    seen = Counter(sampler)
    for code in COUNTS:
        times = [seen[row] for row, language in enumerate(LANGUAGES) if language == code]
        assert max(times) - min(times) <= 1
        assert sum(times) == pytest.approx(sampler.probabilities[code] * len(LANGUAGES), abs=1)
    assert sum(seen.values()) == len(sampler) == len(LANGUAGES)


@pytest.mark.parametrize("temperature", [1.0, 2.5, 5.0, float("inf")])
def test_the_cap_holds(temperature: float) -> None:
    order = TemperatureSampler(LANGUAGES, temperature=temperature, max_repeats=2.0).order(3)
    assert len(order) == 360
    assert sum(row >= 350 for row in order) <= 2 * 10 + 1  # one more by rounding to whole rows


def test_order_depends_on_seed_and_epoch_alone() -> None:
    one, same = (TemperatureSampler(LANGUAGES, temperature=2.0, seed=7) for _ in range(2))
    list(one)
    assert one.order(4).tolist() == same.order(4).tolist() != one.order(5).tolist()
    assert one.order(4).tolist() != TemperatureSampler(LANGUAGES, temperature=2.0, seed=8).order(4).tolist()


def test_resume_goes_on_at_the_very_next_row() -> None:
    sampler = TemperatureSampler(LANGUAGES, temperature=2.0)
    sampler.set_epoch(2)
    whole = list(sampler)
    resumed = TemperatureSampler(LANGUAGES, temperature=2.0)
    resumed.set_epoch(2, start=123)
    assert list(resumed) == whole[123:]
    assert len(resumed) == len(whole) - 123
    resumed.set_epoch(3)
    assert len(resumed) == len(whole)


def test_ranks_together_see_the_order_of_one_process() -> None:
    def batches() -> BatchSampler:
        return BatchSampler(TemperatureSampler(LANGUAGES, temperature=2.0, seed=1), batch_size=8, drop_last=True)

    alone = list(batches())
    ranks = [list(BatchSamplerShard(batches(), num_processes=2, process_index=rank)) for rank in range(2)]
    dealt = [batch for step in zip(*ranks, strict=True) for batch in step]
    assert dealt == alone[: len(dealt)]
    assert len(alone) - len(dealt) < 2


def test_works_in_a_data_loader_over_a_table() -> None:
    table = Dataset.from_dict({"language": LANGUAGES})
    sampler = TemperatureSampler(table["language"], temperature=float("inf"))
    loader = DataLoader(table, batch_size=36, sampler=sampler)
    seen = Counter(code for batch in loader for code in batch["language"])
    assert set(seen.values()) == {120}


def test_bad_options_are_refused() -> None:
    for options in ({"temperature": 0.5}, {"max_repeats": 0.5}, {"temperature": float("nan")}):
        with pytest.raises(ValueError, match="expected"):
            language_probabilities(COUNTS, **options)
    with pytest.raises(ValueError, match="at least one pair"):
        language_probabilities({"de": 5, "so": 0})


def streams() -> dict:
    return {
        code: Dataset.from_dict({"language": [code] * count, "row": range(count)}).to_iterable_dataset()
        for code, count in COUNTS.items()
    }


def test_a_streamed_mixture_resumes_exactly() -> None:
    whole = list(interleave_languages(streams(), COUNTS, temperature=2.0, seed=5))
    first = interleave_languages(streams(), COUNTS, temperature=2.0, seed=5)
    head = []
    for row in first:
        head.append(row)
        if len(head) == 77:
            state = first.state_dict()
            break
    second = interleave_languages(streams(), COUNTS, temperature=2.0, seed=5)
    second.load_state_dict(state)
    assert head + list(second) == whole
    shares = Counter(row["language"] for row in whole)
    expected = language_probabilities(COUNTS, temperature=2.0)
    assert shares["so"] / len(whole) == pytest.approx(expected["so"], abs=0.05)


def test_a_streamed_mixture_is_dealt_out_to_ranks_whole() -> None:
    whole = [tuple(row.values()) for row in interleave_languages(streams(), COUNTS, temperature=2.0)]
    ranks = [
        [
            tuple(row.values())
            for row in split_dataset_by_node(interleave_languages(streams(), COUNTS, temperature=2.0), rank, 2)
        ]
        for rank in range(2)
    ]
    assert [row for step in zip(*ranks, strict=False) for row in step] == whole[: 2 * min(map(len, ranks))]
    assert sum(map(len, ranks)) == len(whole)


def test_a_streamed_mixture_needs_a_count_for_every_language() -> None:
    with pytest.raises(ValueError, match="counts of the languages"):
        interleave_languages(streams(), {"de": 5})
