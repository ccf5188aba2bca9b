"""Relay plans: tokens of two tokenizers meet where their characters do, and a foreign token goes on from there."""

import pytest
import tiny_pairs
import torch
from torch.nn.functional import one_hot

from optical_hf.models import as_backbone
from optical_hf.models.alignment.barycentres import barycentres
from optical_hf.models.alignment.relay_plan import character_spans, own_plan, relay_plan, shared_characters
from optical_hf.models.prompts import set_prompts
from optical_hf.models.tokens import TokenSet, preprocess_queries, token_set

TEXTS = ["a red ball", "unusually many people here"]


def token_sets(tokens_BND: torch.Tensor, content: list[list[int]]) -> TokenSet:
    content_BN = torch.tensor(content, dtype=torch.bool)
    return TokenSet(tokens_BND, torch.ones_like(content_BN), content_BN, tokens_BND.mean(dim=1))


def test_characters_are_shared_piece_by_piece():
    english = torch.tensor([[[0, 0], [0, 3], [3, 9], [0, 0]]])
    teacher = torch.tensor([[[0, 0], [0, 5], [6, 9]]])
    assert shared_characters(english, teacher).tolist() == [[[0, 0, 0], [0, 3, 0], [0, 2, 3], [0, 0, 0]]]


@pytest.mark.parametrize("prompt", ["", "query: "])
def test_spans_are_those_of_the_tokens_and_a_prompt_shares_nothing(prompt):
    model = tiny_pairs.teacher()
    set_prompts(model, query=prompt)
    spans = character_spans(model, TEXTS)
    ids = preprocess_queries(model, TEXTS)["input_ids"]
    assert spans.shape == (*ids.shape, 2)
    for text, ids_N, spans_N2 in zip(TEXTS, ids, spans.tolist(), strict=True):
        pieces = [piece.strip("\u2581") for piece in model.tokenizer.convert_ids_to_tokens(ids_N)]
        cut = [text[begin:end].strip() for begin, end in spans_N2]
        own = [(piece, found) for piece, found in zip(pieces, cut, strict=True) if piece and found]
        assert all(piece == found for piece, found in own)
        assert "".join(found for _, found in own) == text.replace(" ", "")


def test_every_content_token_of_one_string_is_tied_to_the_other_tokenizers():
    teacher, student = tiny_pairs.teacher(), tiny_pairs.backbone()
    english, other = (token_set(m, f, m(dict(f))) for m in (student, teacher) for f in [preprocess_queries(m, TEXTS)])
    plan = own_plan(english, other, shared_characters(character_spans(student, TEXTS), character_spans(teacher, TEXTS)))
    assert torch.allclose(plan.sum(dim=(1, 2)), torch.ones(2))
    assert torch.equal(plan.sum(dim=2) > 0, english.content_BN)
    assert torch.equal(plan.sum(dim=1) > 0, other.content_BN)


def test_a_foreign_token_reaches_the_teachers_token_of_its_translation():
    word_LD = one_hot(torch.arange(3), 5).float()  # three words; the foreign side says them in reverse
    english = token_sets(torch.cat([word_LD, torch.ones(1, 5)]).unsqueeze(0), [[1, 1, 1, 0]])
    foreign = token_sets(torch.cat([torch.ones(1, 5), word_LD.flip(0)]).unsqueeze(0), [[0, 1, 1, 1]])
    teacher_MK = torch.tensor([[0.0, 2.0], [4.0, 0.0], [3.0, 3.0]])
    teacher = token_sets(teacher_MK.unsqueeze(0), [[1, 1, 1]])
    shared_BLM = torch.eye(4, 3).unsqueeze(0)
    plan = relay_plan(foreign, english, teacher, shared_BLM)
    expected = torch.tensor([[0, 0, 0], [0, 0, 1], [0, 1, 0], [1, 0, 0]]) / 3
    assert torch.allclose(plan[0], expected, atol=1e-3)
    target_BNK, weight_BN = barycentres(plan, teacher.tokens_BND)
    assert torch.allclose(target_BNK[0, 1:], teacher_MK.flip(0), atol=1e-2)
    assert torch.allclose(weight_BN[0], torch.tensor([0, 1, 1, 1]) / 3, atol=1e-3)


def test_a_barycentre_has_the_mean_length_of_its_tokens():
    plan = torch.tensor([[[0.2, 0.2], [0.0, 0.6], [0.0, 0.0]]])
    target_BNK, weight_BN = barycentres(plan, torch.tensor([[[3.0, 0.0], [0.0, 1.0]]]))
    assert target_BNK.norm(dim=-1)[0].tolist() == pytest.approx([2.0, 1.0, 0.0])
    assert weight_BN[0].tolist() == pytest.approx([0.2, 0.6, 0.0])


def test_a_tokenizer_that_knows_no_characters_is_refused(monkeypatch):
    student, _ = tiny_pairs.pair()

    def slow(*args, **kwargs):
        raise NotImplementedError("return_offset_mapping is not available when using Python tokenizers")

    monkeypatch.setattr(type(student[0]), "preprocess", slow)
    with pytest.raises(ValueError, match="take plans='direct'"):
        character_spans(as_backbone(student), TEXTS)
