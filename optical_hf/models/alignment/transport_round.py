"""One round of the closed-form OT alignment: plans under the current projection, and the regression they lead to.

Shapes: B pairs, N student tokens, M teacher tokens, D student width, K teacher width.
"""

import torch
from sentence_transformers.base.modules import Dense
from torch.nn.functional import normalize

from optical_hf.models.alignment.first_pass import folds_of
from optical_hf.models.alignment.pair_tokens import ENGLISH, PairTokenReader
from optical_hf.models.alignment.ridge_penalty import Selection
from optical_hf.models.alignment.ridge_regression import NormalEquations
from optical_hf.ot import cosine_cost, solve

Sums = dict[str, NormalEquations]


@torch.no_grad()
def transport_round(
    projection: Dense, pairs: PairTokenReader, epsilon: float, regularisation: float | Selection
) -> tuple[Sums, float]:
    """Sum the normal equations of student tokens on the barycentres of their plans, by fold; and the mean cost of the pairs."""
    by_fold: Sums = {}
    total, count = 0.0, 0.0
    for pair in pairs:
        source_BN, target_BM = pair.student.content_BN, pair.teacher.content_BN
        teacher_BMK = pair.teacher.tokens_BND
        cost_BNM = cosine_cost(projection.linear(pair.student.tokens_BND), teacher_BMK, source_BN, target_BM)
        transport = solve(cost_BNM, source_BN, target_BM, epsilon=epsilon)
        mass_BN = transport.plan.sum(dim=2).clamp(min=1e-30)
        # An average of vectors is shorter than they are: the barycentre keeps its direction and takes their mean length.
        length_BN1 = transport.plan @ teacher_BMK.norm(dim=-1, keepdim=True) / mass_BN.unsqueeze(-1)
        target_BNK = normalize(transport.plan @ teacher_BMK, dim=-1) * length_BN1
        # A token spread over many others says little about where it belongs: weigh it by the share of its largest part.
        weight_BN = transport.plan.amax(dim=2)
        for name, rows in folds_of(pair.languages, pair.text_B, regularisation).items():
            used_BN = torch.zeros_like(weight_BN, dtype=torch.bool)
            used_BN[rows] = weight_BN[rows] > 0
            if name not in by_fold:
                by_fold[name] = NormalEquations.zeros(projection.in_features, projection.out_features, mass_BN.device)
            by_fold[name].add(
                pair.student.tokens_BND[used_BN], target_BNK[used_BN], weight_BN[used_BN], count=len(rows)
            )
        translated_B = torch.tensor([language != ENGLISH for language in pair.languages], device=mass_BN.device)
        total += float(transport.cost[translated_B].sum())
        count += int(translated_B.sum())
    return by_fold, total / count if count else 0.0
