"""Losses: their values in closed form, their gradients, and how the sums are read."""

import re

import pytest
import torch
from torch.nn.functional import mse_loss

from optical_hf.losses import (
    LOSSES,
    Contrastive,
    MaxSimLoss,
    PairTensors,
    PooledMSE,
    SearchLoss,
    Transport,
    loss_names,
    loss_terms,
    losses_text,
    parse_losses,
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
    return PairTensors(student, mask_BN, mask_BN, teacher, mask_BM, mask_BM, *vectors)


def made(name: str):
    return Transport(epsilon=0.005, tolerance=1e-5) if name == "transport" else LOSSES[name]()


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_every_loss_is_one_number_a_pair_with_a_gradient(name):
    batch = pairs()
    loss = LOSSES[name]()(batch)
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
    loss = made(name)(pairs(same=True))
    assert loss.abs().max() < 1e-3


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_who_learns_nothing_from_a_batch_of_one_is_known(name):
    alone = PairTensors(*(value[2:3] for value in pairs()[:8]))
    loss = LOSSES[name]()(alone).item()
    assert (abs(loss) < 1e-6) == issubclass(LOSSES[name], SearchLoss | MaxSimLoss)


def test_pooled_mse_is_that_of_torch():
    batch = pairs()
    loss = loss_terms(batch, {PooledMSE(): 1.0})[PooledMSE()]
    assert torch.allclose(loss.mean(), mse_loss(batch.student_vector_BD, batch.teacher_vector_BD))


def test_an_empty_side_costs_nothing_and_moves_nothing():
    batch = pairs()
    batch.teacher_mask_BM[1] = False
    loss = Transport()(batch)
    loss.sum().backward()
    assert loss[1] == 0
    assert batch.student_BND.grad[1].abs().max() == 0


def test_transport_reads_special_tokens_where_it_is_told_to():
    batch = pairs()
    content = batch.student_mask_BN.clone()
    content[:, 0] = False
    batch = batch._replace(student_content_BN=content)
    words = batch._replace(student_mask_BN=content)
    assert torch.equal(Transport()(batch), Transport(special_tokens=True)(words))
    assert not torch.allclose(Transport()(batch), Transport(special_tokens=True)(batch))


@pytest.mark.parametrize(
    ("given", "other"),
    [
        ({"solver": "unbalanced", "rho": 0.05}, {"solver": "unbalanced", "rho": 5.0}),
        ({"solver": "partial", "share": 0.3}, {"solver": "partial", "share": 0.9}),
        ({"epsilon": 0.01}, {"epsilon": 0.5}),
        ({"max_iterations": 1}, {}),
    ],
)
def test_the_settings_of_transport_reach_the_plans(given, other):
    assert not torch.allclose(Transport(**given)(pairs()), Transport(**other)(pairs()), rtol=1e-3)


def test_sums_are_read():
    assert parse_losses("transport=1.0,pooled_cosine=0.5") == {Transport(): 1.0, LOSSES["pooled_cosine"](): 0.5}
    assert parse_losses(" transport ") == {Transport(): 1.0}
    text = "contrastive(temperature=0.02,bank=512)=1,transport(solver=partial,share=0.5,special_tokens=True)=0.5"
    losses = parse_losses(text)
    assert losses == {
        Contrastive(temperature=0.02, bank=512): 1.0,
        Transport(solver="partial", share=0.5, special_tokens=True): 0.5,
    }
    assert losses_text(losses) == text
    assert parse_losses(losses_text(losses)) == losses


def test_two_losses_of_one_name_are_logged_apart():
    losses = parse_losses("transport(epsilon=0.02),transport,pooled_mse")
    assert list(loss_names(losses).values()) == ["transport", "transport_2", "pooled_mse"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("transprt=1", "did you mean 'transport'"),
        ("transport=x", "expected a number"),
        ("transport=-1", "positive"),
        ("transport=nan", "positive"),
        ("transport=1,transport=2", "given twice"),
        ("", "at least one"),
        ("transport(", "cannot read the losses at"),
        ("transport)x", "cannot read the losses at"),
        ("transport(epsilonn=1)", "did you mean 'epsilon'"),
        ("pooled_mse(temperature=1)", "unknown key 'temperature'"),
        ("transport(solver=sinkhron)", "solver: expected one of sinkhorn"),
        ("transport(epsilon=0)", "epsilon is 0.0: expected a number above 0"),
        ("transport(epsilon=nan)", "epsilon is nan"),
        ("transport(share=2)", "share is 2.0"),
        ("transport(special_tokens=1)", "expected true or false"),
        ("contrastive(temperature=-1)", "temperature is -1.0"),
        ("contrastive(bank=-1)", "expected a number of texts"),
        ("contrastive(bank=1.5)", "expected a whole number"),
    ],
)
def test_what_cannot_be_read_says_what_was_meant(text, told):
    with pytest.raises(ValueError, match=re.escape(told)):
        parse_losses(text)
