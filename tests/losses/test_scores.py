"""Losses that compare scores: closed forms, gradients against finite differences, padding, and a batch in two halves."""

import math

import pytest
import torch
from torch.nn.functional import normalize

from optical_hf.losses import LOSSES, KLDot, KLMaxSim, PairTensors, loss_terms

NAMES = ["kl_dot", "kl_maxsim", "contrastive", "contrastive_maxsim"]


def pairs(batch: int = 6, dtype: torch.dtype = torch.float32) -> PairTensors:
    generator = torch.Generator().manual_seed(3)
    student, teacher = (torch.randn(batch, n, 8, generator=generator, dtype=dtype) for n in (5, 7))
    mask_BN, mask_BM = (torch.ones(batch, n, dtype=torch.bool) for n in (5, 7))
    mask_BN[0, 3:], mask_BM[1, 2:] = False, False
    student.requires_grad_()
    return PairTensors(student, mask_BN, mask_BN, teacher, mask_BM, mask_BM, student[:, :3].sum(1), teacher.sum(1))


def two_by_two() -> PairTensors:
    """Documents along the axes; the teacher's queries are their documents, the student's lie between both."""
    document = torch.eye(2)
    student = normalize(torch.ones(2, 2), dim=-1)
    mask = torch.ones(2, 1, dtype=torch.bool)
    return PairTensors(student.unsqueeze(1), mask, mask, document.unsqueeze(1), mask, mask, student, document)


def test_kl_in_closed_form():
    t = 0.5
    own = math.exp(1 / t) / (math.exp(1 / t) + 1)
    divergence = own * math.log(own) + (1 - own) * math.log(1 - own) + math.log(2)
    for loss in (KLDot(temperature=t), KLMaxSim(temperature=t)):
        assert loss(two_by_two()) == pytest.approx([divergence] * 2, rel=1e-5)


def test_kl_holds_the_ranking_of_documents_to_that_of_the_teachers_queries():
    relevant_BD = torch.randn(6, 8, generator=torch.Generator().manual_seed(4))
    batch = pairs()._replace(relevant_BD=relevant_BD)
    student, teacher = (
        (normalize(query, dim=-1) @ normalize(relevant_BD, dim=-1).T / 0.05).softmax(-1)
        for query in (batch.student_vector_BD, batch.teacher_vector_BD)
    )
    assert torch.allclose(KLDot()(batch), (teacher * (teacher / student).log()).sum(-1), rtol=1e-4)


def test_maxsim_takes_the_best_token_of_each_document():
    batch = pairs()
    query, document = normalize(batch.student_BND, dim=-1), normalize(batch.teacher_BMD, dim=-1)
    scores = torch.zeros(6, 6)
    for b in range(6):
        for c in range(6):
            kept = document[c][batch.teacher_mask_BM[c]]
            scores[b, c] = (query[b][batch.student_mask_BN[b]] @ kept.T).amax(dim=1).mean()
    own = normalize(batch.teacher_BMD, dim=-1)
    taught = torch.stack([
        torch.stack([(own[b][batch.teacher_mask_BM[b]] @ document[c][batch.teacher_mask_BM[c]].T).amax(1).mean() for c in range(6)])
        for b in range(6)
    ])  # fmt: skip
    student, teacher = (s.div(0.05).softmax(-1) for s in (scores, taught))
    expected = (teacher * (teacher / student).log()).sum(-1)
    assert torch.allclose(KLMaxSim()(batch), expected, rtol=1e-4)


@pytest.mark.parametrize("name", ["kl_dot", "kl_maxsim"])
def test_gradients_are_those_of_finite_differences(name):
    batch = pairs()

    def loss(student_BND: torch.Tensor) -> torch.Tensor:
        moved = batch._replace(student_BND=student_BND, student_vector_BD=student_BND[:, :3].sum(1))
        return LOSSES[name]()(moved).sum()

    at = batch.student_BND.detach().clone().requires_grad_()
    loss(at).backward()
    for place in ((0, 0, 0), (2, 1, 3), (5, 2, 7)):
        step = torch.zeros_like(at)
        step[place] = 1e-3
        with torch.no_grad():
            slope = (loss(at + step) - loss(at - step)) / 2e-3
        assert at.grad[place] == pytest.approx(float(slope), rel=2e-2, abs=1e-2)


@pytest.mark.parametrize("relevant_BD", [None, torch.randn(6, 8, generator=torch.Generator().manual_seed(4))])
@pytest.mark.parametrize("name", NAMES)
def test_a_batch_in_two_halves_is_the_batch(name, relevant_BD):
    """What gathering gives each of two devices: its own pairs, and the whole batch with an offset."""
    whole = pairs()._replace(relevant_BD=relevant_BD)
    expected = LOSSES[name]()(whole)
    together = whole.whole_batch
    found = []
    for rows in (slice(0, 2), slice(2, 6)):
        half = PairTensors(*(tensor[rows] for tensor in whole[:8]), together._replace(offset=rows.start))
        found.append(LOSSES[name]()(half))
    assert torch.allclose(torch.cat(found), expected, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_padding_says_nothing(name):
    clean, dirty = pairs(), pairs()
    with torch.no_grad():
        dirty.student_BND[0, 3:] = float("nan")
        dirty.teacher_BMD[1, 2:] = float("nan")
    dirty = dirty._replace(student_vector_BD=clean.student_vector_BD, teacher_vector_BD=clean.teacher_vector_BD)
    assert torch.allclose(LOSSES[name]()(dirty), LOSSES[name]()(clean))


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_of_one_is_finite(name):
    one = PairTensors(*(tensor[:1] for tensor in pairs()[:8]))
    loss = LOSSES[name]()(one)
    assert torch.isfinite(loss).all()
    assert loss.abs().max() < 1e-5


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_autocast_does_not_reach_the_losses(name):
    batch = pairs()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = loss_terms(batch, {LOSSES[name](): 1.0})[LOSSES[name]()]
    assert half.dtype == torch.float32
    assert torch.equal(half, loss_terms(batch, {LOSSES[name](): 1.0})[LOSSES[name]()])
