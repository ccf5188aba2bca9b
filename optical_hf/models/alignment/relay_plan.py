"""Relay plans: foreign tokens are led to the teacher's tokens over the student's own reading of the English side.

A plan in the frozen backbone's space leads foreign tokens to the student's English tokens: both come from one model, so no
projection is needed. The student's English tokens and the teacher's are pieces of one string and are tied by the characters
they share. The product of the two is a plan between foreign and teacher tokens, made once and not in rounds.

Shapes: B pairs, N foreign tokens, L the student's tokens of the English side, M the teacher's, D student width, K teacher width.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from optical_hf.models.alignment.pair_tokens import PairTokenReader
from optical_hf.models.alignment.transport_round import Sums, add_barycentres
from optical_hf.models.prompts import Task, prompt_of
from optical_hf.models.tokens import TokenSet
from optical_hf.models.views import Encoder
from optical_hf.ot import cosine_cost, solve

EPSILON = 0.02


@torch.no_grad()
def relay_round(student: Encoder, teacher: Encoder, pairs: PairTokenReader, epsilon: float) -> Sums:
    """The normal equations of student tokens on the barycentres of their relay plans, by fold.

    Args:
        student: reads the texts as `pairs` did; its tokenizer says where tokens come from.
        teacher: likewise.
        pairs: both sides, English read by the student among them.
        epsilon: entropic regularisation of the plans in the backbone's space, in units of cosine cost.

    Raises:
        ValueError: for a tokenizer that does not say which characters its tokens come from.
    """
    by_fold: Sums = {}
    batches = iter(pairs)
    for foreign, itself in zip(batches, batches, strict=True):
        spans = (character_spans(model, foreign.english).to(student.device) for model in (student, teacher))
        shared_BLM = shared_characters(*spans)
        plan_BNM = relay_plan(foreign.student, itself.student, foreign.teacher, shared_BLM, epsilon)
        add_barycentres(by_fold, foreign, plan_BNM)
        add_barycentres(by_fold, itself, own_plan(itself.student, itself.teacher, shared_BLM))
    return by_fold


def relay_plan(
    foreign: TokenSet, english: TokenSet, teacher: TokenSet, shared_BLM: Tensor, epsilon: float = EPSILON
) -> Tensor:
    """The plan from foreign tokens to the teacher's tokens, (B, N, M); 0 where a token carries no content.

    Args:
        foreign: the student's tokens of the foreign sides, before its projection.
        english: the student's tokens of the English sides.
        teacher: the teacher's tokens of the English sides.
        shared_BLM: from `shared_characters`.
        epsilon: entropic regularisation of the plan in the backbone's space, in units of cosine cost.
    """
    source_BN, between_BL = foreign.content_BN, english.content_BN
    cost_BNL = cosine_cost(foreign.tokens_BND, english.tokens_BND, source_BN, between_BL)
    plan_BNL = solve(cost_BNL, source_BN, between_BL, epsilon=epsilon).plan
    return plan_BNL @ own_plan(english, teacher, shared_BLM, mass=False)


def own_plan(english: TokenSet, teacher: TokenSet, shared_BLM: Tensor, *, mass: bool = True) -> Tensor:
    """The plan from the student's English tokens to the teacher's tokens of the same string, (B, L, M).

    Args:
        english: the student's tokens.
        teacher: the teacher's.
        shared_BLM: from `shared_characters`.
        mass: a text's rows sum to 1, as in a transport plan; else each row that shares a character does.
    """
    between_BL, target_BM = english.content_BN, teacher.content_BN
    tied_BLM = shared_BLM * (between_BL.unsqueeze(2) & target_BM.unsqueeze(1))
    tied_BLM = tied_BLM / tied_BLM.sum(dim=2, keepdim=True).clamp(min=1)
    return tied_BLM / between_BL.sum(dim=1).clamp(min=1)[:, None, None] if mass else tied_BLM


def shared_characters(english_BL2: Tensor, teacher_BM2: Tensor) -> Tensor:
    """How many characters two tokenizations of a string share, token by token: (B, L, M).

    Args:
        english_BL2: from `character_spans`.
        teacher_BM2: those of the other tokenizer.

    Example:
        >>> shared_characters(torch.tensor([[[0, 7]]]), torch.tensor([[[0, 4], [4, 7], [0, 0]]])).tolist()
        [[[4.0, 3.0, 0.0]]]
    """
    begin_BLM = torch.maximum(english_BL2[:, :, None, 0], teacher_BM2[:, None, :, 0])
    end_BLM = torch.minimum(english_BL2[:, :, None, 1], teacher_BM2[:, None, :, 1])
    return (end_BLM - begin_BLM).clamp(min=0).float()


def character_spans(model: Encoder, texts: Sequence[str], task: Task = "query") -> Tensor:
    """Where each token of each text begins and ends in it, (B, N, 2), as `preprocess` cuts them; 0 for special tokens.

    A prompt's tokens lie before 0 and share no character with anything.

    Raises:
        ValueError: for a tokenizer that does not say where its tokens come from.
    """
    prompt = prompt_of(model, task)
    asked = {"text": {"return_offsets_mapping": True}}
    try:
        features = model.preprocess(list(texts), prompt=prompt, task=task, processing_kwargs=asked)
    except NotImplementedError:
        features = {}
    if "offset_mapping" not in features:
        raise ValueError(
            f"the tokenizer {type(model.tokenizer).__name__} does not say which characters its tokens come from, and relay plans "
            "need them: take plans='direct', or a model with a fast tokenizer"
        )
    span_BN2: Tensor = features["offset_mapping"]
    special_BN = span_BN2[..., 0] == span_BN2[..., 1]
    return (span_BN2 - len(prompt or "")).clamp(min=0).masked_fill(special_BN.unsqueeze(-1), 0)
