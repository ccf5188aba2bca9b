"""Token masses: what each formula gives, and that padding and special tokens weigh nothing."""

import pytest
import torch

from optical_hf.ot import (
    content_mask,
    idf_mass,
    idf_table,
    normalise_mass,
    solve,
    uniform_mass,
)

MASK = torch.tensor([[True, True, True, False], [True, False, False, False], [False, False, False, False]])
IDS = torch.tensor([[101, 5, 6, 0], [101, 0, 0, 0], [0, 0, 0, 0]])


def all_masses() -> dict[str, torch.Tensor]:
    return {
        "uniform": uniform_mass(MASK),
        "idf": idf_mass(IDS, MASK, idf_table([[101, 5], [101, 5, 6]], 200)),
        "own": normalise_mass(torch.full((3, 4), torch.nan).masked_fill(MASK, 2.0), MASK),
    }


@pytest.mark.parametrize("name", list(all_masses()))
def test_masses_sum_to_one_over_the_mask_and_serve_solve(name: str) -> None:
    mass = all_masses()[name]
    assert (mass[~MASK] == 0).all()
    torch.testing.assert_close(mass.sum(1), torch.tensor([1.0, 1.0, 0.0]))
    cost = torch.rand(3, 4, 4, generator=torch.Generator().manual_seed(1))
    result = solve(cost, MASK, MASK, source_mass=mass, tolerance=1e-5)
    torch.testing.assert_close(result.plan.sum(2), mass, atol=1e-5, rtol=0)


def test_rare_tokens_weigh_more() -> None:
    table = idf_table([[101, 5, 5], [101, 5, 6], [101]], 200)
    torch.testing.assert_close(table[[101, 5, 6, 7]], (4 / torch.tensor([4.0, 3.0, 2.0, 1.0])).log() + 1)
    mass = idf_mass(IDS, MASK, table)[0]
    assert mass[0] < mass[1] < mass[2]


def test_special_tokens_are_left_out() -> None:
    attention = torch.tensor([[1, 1, 1, 0], [1, 0, 0, 0], [0, 0, 0, 0]])
    assert content_mask(IDS, attention, [0, 101]).tolist() == [
        [False, True, True, False],
        [False] * 4,
        [False] * 4,
    ]
    assert torch.equal(content_mask(IDS, attention, []), MASK)


def test_weights_that_are_all_zero_fall_back_to_uniform() -> None:
    assert torch.equal(normalise_mass(torch.zeros(3, 4), MASK), uniform_mass(MASK))


@pytest.mark.parametrize("value", [-1.0, torch.nan, torch.inf])
def test_weights_that_cannot_be_masses_are_named(value: float) -> None:
    with pytest.raises(ValueError, match=r"weight_BN: expected finite weights >= 0.*To fix this"):
        normalise_mass(torch.full((3, 4), value), MASK)
