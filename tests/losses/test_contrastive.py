"""The contrastive losses: their value in closed form, copies of a text in a batch."""

import pytest
import torch
from torch.nn.functional import cross_entropy, normalize

from optical_hf.losses import LOSSES, PairTensors, SearchLoss, TextBank

BOTH = ("contrastive", "contrastive_maxsim")
SEARCH = sorted(name for name, cls in LOSSES.items() if issubclass(cls, SearchLoss))


def pairs(batch: int = 4) -> PairTensors:
    """A student whose tokens are near the teacher's; the last token of the first text is padding."""
    generator = torch.Generator().manual_seed(0)
    teacher = torch.randn(batch, 5, 8, generator=generator)
    student = (teacher + 0.3 * torch.randn(batch, 5, 8, generator=generator)).requires_grad_()
    mask = torch.ones(batch, 5, dtype=torch.bool)
    mask[0, 4] = False
    return PairTensors(student, mask, mask, teacher, mask, mask, student.sum(1), teacher.sum(1))


def loss(name: str, batch: PairTensors) -> torch.Tensor:
    settings = {"bank": len(batch.bank.vectors_KD)} if batch.bank is not None and name in SEARCH else {}
    return LOSSES[name](**settings)(batch)


def taken(batch: PairTensors, rows: list[int]) -> PairTensors:
    return PairTensors(*(value[rows] for value in batch[:8]))


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


def test_the_texts_of_a_bank_are_wrong_answers_too_but_for_copies():
    batch = pairs(3)
    others = torch.randn(5, 8, generator=torch.Generator().manual_seed(1))
    bank = torch.cat([others, 2 * batch.teacher_vector_BD[:1]])  # a text's length does not matter
    student, teacher = normalize(batch.student_vector_BD, dim=-1), normalize(batch.teacher_vector_BD, dim=-1)
    scores = student @ torch.cat([teacher, normalize(bank, dim=-1)]).T / 0.05
    scores[0, -1] = float("-inf")
    expected = cross_entropy(scores, torch.arange(3), reduction="none")
    assert torch.allclose(loss("contrastive", batch._replace(bank=TextBank(bank))), expected, atol=1e-5)


def test_maxsim_has_no_tokens_of_a_bank_and_leaves_it_alone():
    batch = pairs()
    with_bank = batch._replace(bank=TextBank(torch.randn(5, 8)))
    assert torch.equal(loss("contrastive_maxsim", with_bank), loss("contrastive_maxsim", batch))


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_a_bank_moves_the_losses_that_read_one_and_no_other(name):
    batch = pairs()
    moved = not torch.equal(loss(name, batch._replace(bank=TextBank(torch.randn(5, 8)))), loss(name, batch))
    assert moved == (name in SEARCH)


@pytest.mark.parametrize("name", SEARCH)
def test_with_a_bank_a_batch_of_one_is_learnt_from(name):
    apart, *bank = torch.randn(6, 8, generator=torch.Generator().manual_seed(1))
    one = taken(pairs(), [1])._replace(student_vector_BD=apart[None].requires_grad_(), bank=TextBank(torch.stack(bank)))
    (gradient,) = torch.autograd.grad(loss(name, one).sum(), one.student_vector_BD)
    assert gradient.abs().max() > 1e-3


@pytest.mark.parametrize("name", BOTH)
def test_a_student_prefers_its_own_text(name):
    batch = pairs()
    others = batch._replace(
        teacher_BMD=batch.teacher_BMD.roll(1, 0),
        teacher_mask_BM=batch.teacher_mask_BM.roll(1, 0),
        teacher_content_BM=batch.teacher_content_BM.roll(1, 0),
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


@pytest.mark.parametrize("name", BOTH)
def test_another_english_side_of_a_text_is_no_wrong_answer_to_it(name):
    """Texts 0 and 3 are one, with two English sides, as captions of one image: each costs what it costs without the other."""
    batch = pairs()
    numbered = loss(name, batch._replace(target_B=torch.tensor([7, 8, 9, 7])))
    assert torch.allclose(numbered[0], loss(name, taken(batch, [0, 1, 2]))[0], atol=1e-6)
    assert torch.allclose(numbered[3], loss(name, taken(batch, [1, 2, 3]))[2], atol=1e-6)
    assert torch.equal(numbered[1:3], loss(name, batch)[1:3])


@pytest.mark.parametrize(("numbers", "left"), [([5, 5, 8, 6, 7], [0, 1, 3, 4]), (None, [0, 1, 2, 3, 4])])
def test_nor_is_one_that_the_bank_holds(numbers, left):
    """The third of the bank is another English side of the text; where nobody numbered the texts that is not known."""
    batch = taken(pairs(), [0])._replace(target_B=torch.tensor([8]))
    texts = torch.randn(5, 8, generator=torch.Generator().manual_seed(1))
    bank = TextBank(texts, torch.tensor(numbers) if numbers else None)
    expected = loss("contrastive", batch._replace(bank=TextBank(texts[left])))
    assert torch.allclose(loss("contrastive", batch._replace(bank=bank)), expected, atol=1e-6)


def test_a_document_is_found_in_place_of_the_english_side():
    """The second and third pair have one document, which is no wrong answer; what the teacher's queries are does not matter."""
    batch, document = pairs(), torch.randn(4, 8, generator=torch.Generator().manual_seed(2))
    document[2] = 3 * document[1]
    scores = normalize(batch.student_vector_BD, dim=-1) @ normalize(document, dim=-1).T / 0.05
    scores[1, 2] = scores[2, 1] = float("-inf")
    expected = cross_entropy(scores, torch.arange(4), reduction="none")
    found = loss("contrastive", batch._replace(relevant_BD=document))
    assert torch.allclose(found, expected, atol=1e-5)
    same = batch._replace(relevant_BD=document, teacher_vector_BD=batch.teacher_vector_BD[[0, 0, 0, 0]])
    assert torch.equal(loss("contrastive", same), found)


@pytest.mark.parametrize("name", SEARCH)
def test_a_loss_searches_as_many_texts_of_the_bank_as_it_says(name):
    texts = torch.randn(5, 8, generator=torch.Generator().manual_seed(1))
    batch, numbers = pairs(), torch.arange(5)
    first = LOSSES[name](bank=2)(batch._replace(bank=TextBank(texts, numbers)))
    assert torch.equal(first, loss(name, batch._replace(bank=TextBank(texts[:2], numbers[:2]))))
    assert torch.equal(LOSSES[name]()(batch._replace(bank=TextBank(texts))), loss(name, batch))
