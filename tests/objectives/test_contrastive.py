"""The contrastive objectives: their value in closed form, copies of a text in a batch."""

import pytest
import torch
from torch.nn.functional import cross_entropy, normalize

from optical_hf.objectives import OBJECTIVES, PairTensors, TransportSettings

BOTH = ("contrastive", "contrastive_maxsim")


def pairs(batch: int = 4) -> PairTensors:
    """A student whose tokens are near the teacher's; the last token of the first text is padding."""
    generator = torch.Generator().manual_seed(0)
    teacher = torch.randn(batch, 5, 8, generator=generator)
    student = (teacher + 0.3 * torch.randn(batch, 5, 8, generator=generator)).requires_grad_()
    mask = torch.ones(batch, 5, dtype=torch.bool)
    mask[0, 4] = False
    return PairTensors(student, mask, teacher, mask, student.sum(1), teacher.sum(1))


def loss(name: str, batch: PairTensors) -> torch.Tensor:
    return OBJECTIVES[name](batch, TransportSettings())


def taken(batch: PairTensors, rows: list[int]) -> PairTensors:
    return PairTensors(*(value[rows] for value in batch[:-1]))


def test_contrastive_is_cross_entropy_of_cosines():
    batch = pairs()
    student, teacher = normalize(batch.student_vector_BD, dim=-1), normalize(batch.teacher_vector_BD, dim=-1)
    expected = cross_entropy(student @ teacher.T / 0.05, torch.arange(4), reduction="none")
    assert torch.allclose(loss("contrastive", batch), expected, atol=1e-6)


def test_contrastive_maxsim_is_cross_entropy_of_mean_maxsim():
    batch = pairs()
    student, teacher = normalize(batch.student_BND, dim=-1), normalize(batch.teacher_BMD, dim=-1)
    scores = torch.zeros(4, 4)
    for query in range(4):
        tokens = student[query][batch.student_mask_BN[query]]
        for document in range(4):
            best = (tokens @ teacher[document][batch.teacher_mask_BM[document]].T).max(dim=1).values
            scores[query, document] = best.mean()
    expected = cross_entropy(scores / 0.05, torch.arange(4), reduction="none")
    assert torch.allclose(loss("contrastive_maxsim", batch), expected, atol=1e-5)


@pytest.mark.parametrize("name", BOTH)
def test_a_student_prefers_its_own_text(name):
    batch = pairs()
    others = batch._replace(
        teacher_BMD=batch.teacher_BMD.roll(1, 0),
        teacher_mask_BM=batch.teacher_mask_BM.roll(1, 0),
        teacher_vector_BD=batch.teacher_vector_BD.roll(1, 0),
    )
    assert (loss(name, batch) < loss(name, others)).all()


@pytest.mark.parametrize("name", BOTH)
def test_a_copy_of_a_text_is_no_wrong_answer_to_it(name):
    """Two translations of one English text, as many-way bitext has them: each costs what it costs without the other."""
    batch = pairs()
    twice, once = loss(name, taken(batch, [0, 1, 2, 3, 1])), loss(name, batch)
    assert torch.allclose(twice[[1, 4]], once[[1, 1]], atol=1e-6)
    assert (twice[[0, 2, 3]] >= once[[0, 2, 3]]).all()
