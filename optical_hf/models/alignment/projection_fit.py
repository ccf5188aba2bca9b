"""The student's projection: checked, fitted by ridge regression, and set.

Shapes: D student width, K teacher width.
"""

from dataclasses import replace

import torch
from sentence_transformers.base.modules import Dense
from torch import Tensor

from optical_hf.models.alignment.first_pass import FirstPass
from optical_hf.models.alignment.held_out_tokens import TokenFold
from optical_hf.models.alignment.pair_tokens import PairTokenReader
from optical_hf.models.alignment.relay_plan import relay_round
from optical_hf.models.alignment.ridge_penalty import POOLED_WEIGHTS, Fold, Selection, choose_weight, summed
from optical_hf.models.alignment.transport_round import Sums, transport_round
from optical_hf.models.teachers.teacher import Teacher
from optical_hf.models.tokens import Encoder
from optical_hf.models.views import as_backbone, token_projection
from optical_hf.models.weights import check_full_precision


def checked_projection(student: Encoder, teacher: Teacher) -> Dense:
    """The student's projection, in full precision and of the teacher's width."""
    check_full_precision(student)
    projection = token_projection(student)
    if projection is None:
        raise ValueError("the student has no token projection to fit: load it with load_student(path, teacher)")
    if teacher.width != projection.out_features:
        raise ValueError(
            f"the student's projection gives width {projection.out_features}, the teacher's tokens are {teacher.width} wide: "
            "load the student with load_student(path, teacher) for this teacher"
        )
    return projection


def fit_closed_form(
    student: Encoder,
    read: FirstPass,
    pairs: PairTokenReader,
    weights: tuple[float, ...],
    regularisation: float | Selection,
    *,
    epsilon: float,
    rounds: int,
    tokenized: Encoder | None,
) -> tuple[float, float | None, list[float]]:
    """Fit the projection in place: by ridge regression of pooled vectors, then by rounds of plans.

    Args:
        student: whose projection is fitted.
        read: the pooled vectors.
        pairs: the tokens, for plans.
        weights: of the pooled vectors beside the tokens, to choose from.
        regularisation: the penalty, or how to choose it.
        epsilon: of the plans.
        rounds: of plans.
        tokenized: the teacher's model for relay plans; None makes direct ones.

    Returns:
        The penalty, the weight of the pooled vectors (None without plans), and the mean transport cost by round of direct plans.
    """
    projection = token_projection(student)
    assert projection is not None
    pooled_sums = {name: fold.sums for name, fold in read.folds.items()}
    penalty = fit_projection(student, read.folds, {POOLED_WEIGHTS[0]: pooled_sums}, regularisation)[1]
    weight: float | None = None
    costs: list[float] = []
    for _ in range(rounds):
        if tokenized is not None:
            token_sums = relay_round(as_backbone(student), tokenized, pairs, epsilon)
        else:
            token_sums, cost = transport_round(projection, pairs, epsilon)
            costs.append(cost)
        joined = {
            weight: {n: replace(own + pooled_sums[n].scaled(weight), count=own.count) for n, own in token_sums.items()}
            for weight in weights
        }
        weight, penalty = fit_projection(student, read.folds, joined, regularisation, read.token_folds)
        weights = (weight,)  # chosen in the first round, on the plans of the linear map: to search again costs as much
    return penalty, weight, costs


def fit_projection(
    student: Encoder,
    folds: dict[str, Fold],
    joined: dict[float, Sums],
    regularisation: float | Selection,
    token_folds: dict[str, TokenFold] | None = None,
) -> tuple[float, float]:
    """Solve for the projection and put it into the student; returns the weight of the pooled vectors and the penalty."""
    weight = min(joined)
    if not joined[weight]:
        raise ValueError("no rows were added: the bitext gave no pairs; pass at least one pair")
    if isinstance(regularisation, str):
        weight, penalty = choose_weight(folds, joined, token_folds)
    else:
        penalty = regularisation
    weight_KD, bias_K = summed(joined[weight]).solve(penalty)
    assign_projection(student, weight_KD, bias_K)
    return weight, penalty


def assign_projection(student: Encoder, weight_KD: Tensor, bias_K: Tensor | None) -> None:
    """Put a map into the student; its projection stays as it was where the map is not finite, which is an error."""
    projection = token_projection(student)
    assert projection is not None
    if not bool(weight_KD.isfinite().all() and (bias_K is None or bias_K.isfinite().all())):
        raise ValueError(
            "the fitted projection is not finite, and the student keeps the one it had: the tokens are too large to be summed, or "
            "the equations have no solution; check both models' weights, or raise regularisation"
        )
    with torch.no_grad():
        projection.linear.weight.copy_(weight_KD)
        if bias_K is not None and projection.linear.bias is not None:
            projection.linear.bias.copy_(bias_K)
