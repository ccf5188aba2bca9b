"""One round of the closed-form OT alignment: plans under the current projection, and the regression they lead to.

Shapes: B pairs, N student tokens, M teacher tokens, D student width, K teacher width.
"""

import torch
from sentence_transformers.base.modules import Dense
from torch import Tensor

from optical_hf.models.alignment.barycentres import barycentres
from optical_hf.models.alignment.first_pass import folds_of
from optical_hf.models.alignment.pair_tokens import ENGLISH, PairTokenReader, PairTokens
from optical_hf.models.alignment.ridge_regression import NormalEquations
from optical_hf.ot import cosine_cost, solve

Sums = dict[str, NormalEquations]


@torch.no_grad()
def transport_round(projection: Dense, pairs: PairTokenReader, epsilon: float) -> tuple[Sums, float]:
    """Sum the normal equations of student tokens on the barycentres of their plans, by fold; and the mean cost of the pairs."""
    by_fold: Sums = {}
    total, count = 0.0, 0.0
    for pair in pairs:
        source_BN, target_BM = pair.student.content_BN, pair.teacher.content_BN
        cost_BNM = cosine_cost(
            projection.linear(pair.student.tokens_BND), pair.teacher.tokens_BND, source_BN, target_BM
        )
        transport = solve(cost_BNM, source_BN, target_BM, epsilon=epsilon)
        add_barycentres(by_fold, pair, transport.plan)
        translated_B = torch.tensor([language != ENGLISH for language in pair.languages], device=transport.cost.device)
        total += float(transport.cost[translated_B].sum())
        count += int(translated_B.sum())
    return by_fold, total / count if count else 0.0


def add_barycentres(by_fold: Sums, pair: PairTokens, plan_BNM: Tensor) -> None:
    """Add the student's tokens of a batch, and where a plan leads them, to the normal equations of their folds."""
    source_BND, teacher_BMK = pair.student.tokens_BND, pair.teacher.tokens_BND
    target_BNK, weight_BN = barycentres(plan_BNM, teacher_BMK)
    for name, rows in folds_of(pair.text_B).items():
        used_BN = torch.zeros_like(weight_BN, dtype=torch.bool)
        used_BN[rows] = weight_BN[rows] > 0
        if name not in by_fold:
            by_fold[name] = NormalEquations.zeros(source_BND.shape[2], teacher_BMK.shape[2], source_BND.device)
        by_fold[name].add(source_BND[used_BN], target_BNK[used_BN], weight_BN[used_BN], count=len(rows))
