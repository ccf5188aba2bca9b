"""Objectives: their values in closed form, their gradients, and how the sums are read."""

import pytest
import torch
from torch.nn.functional import mse_loss

from optical_hf.objectives import (
    BATCH_OBJECTIVES,
    OBJECTIVES,
    PairTensors,
    TransportSettings,
    objective_terms,
    parse_objectives,
)


def pairs(batch: int = 4, same: bool = False) -> PairTensors:
    generator = torch.Generator().manual_seed(0)
    student, teacher = (torch.randn(batch, n, 8, generator=generator) for n in (5, 6))
    if same:
        student = teacher.clone()
    student.requires_grad_()
    mask_BN = torch.ones(batch, student.shape[1], dtype=torch.bool)
    mask_BM = torch.ones(batch, 6, dtype=torch.bool)
    mask_BN[0, 3:] = False
    vectors = (student * mask_BN.unsqueeze(-1)).sum(1), teacher.sum(1)
    if same:
        mask_BM[0, 3:] = False
        vectors = student.sum(1), teacher.sum(1)
    return PairTensors(student, mask_BN, teacher, mask_BM, *vectors)


@pytest.mark.parametrize("name", sorted(OBJECTIVES))
def test_every_objective_is_one_number_a_pair_with_a_gradient(name):
    batch = pairs()
    loss = OBJECTIVES[name](batch, TransportSettings())
    assert loss.shape == (4,)
    assert loss.dtype == torch.float32
    loss.sum().backward()
    assert torch.isfinite(batch.student_BND.grad).all()
    assert batch.student_BND.grad.abs().sum() > 0
    assert batch.student_BND.grad[0, 3:].abs().max() == 0


@pytest.mark.parametrize(
    "name",
    ["transport", "pooled_mse", "pooled_cosine", "kl_dot", "kl_maxsim"],
)
def test_a_perfect_student_costs_nothing(name):
    loss = OBJECTIVES[name](pairs(same=True), TransportSettings(epsilon=0.005, tolerance=1e-5))
    assert loss.abs().max() < 1e-3


@pytest.mark.parametrize("name", sorted(OBJECTIVES))
def test_who_learns_nothing_from_a_batch_of_one_is_known(name):
    alone = PairTensors(*(value[2:3] for value in pairs()[:6]))
    loss = OBJECTIVES[name](alone, TransportSettings()).item()
    assert (abs(loss) < 1e-6) == (name in BATCH_OBJECTIVES)


def test_pooled_mse_is_that_of_torch():
    batch = pairs()
    loss = objective_terms(batch, {"pooled_mse": 1.0}, TransportSettings())["pooled_mse"]
    assert torch.allclose(loss.mean(), mse_loss(batch.student_vector_BD, batch.teacher_vector_BD))


def test_an_empty_side_costs_nothing_and_moves_nothing():
    batch = pairs()
    batch.teacher_mask_BM[1] = False
    loss = OBJECTIVES["transport"](batch, TransportSettings())
    loss.sum().backward()
    assert loss[1] == 0
    assert batch.student_BND.grad[1].abs().max() == 0


def test_sums_are_read():
    assert parse_objectives("transport=1.0,pooled_cosine=0.5") == {"transport": 1.0, "pooled_cosine": 0.5}
    assert parse_objectives(" transport ") == {"transport": 1.0}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("transprt=1", "did you mean 'transport'"),
        ("transport=x", "expected a number"),
        ("transport=-1", "positive"),
        ("transport=nan", "positive"),
        ("transport=1,transport=2", "given twice"),
        ("", "at least one"),
    ],
)
def test_what_cannot_be_read_says_what_was_meant(text, told):
    with pytest.raises(ValueError, match=told):
        parse_objectives(text)
