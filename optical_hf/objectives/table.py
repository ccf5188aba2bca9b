"""The table of objectives, and the weighted sums of them a user asks for ("transport=1.0,pooled_cosine=0.5")."""

from collections.abc import Callable, Mapping
from difflib import get_close_matches

import torch
from torch import Tensor

from optical_hf.objectives.contrastive import contrastive, contrastive_maxsim
from optical_hf.objectives.pairs import PairTensors
from optical_hf.objectives.pooled import pooled_cosine, pooled_mse
from optical_hf.objectives.scores import kl_dot, kl_maxsim
from optical_hf.objectives.transport import TransportSettings, transport_loss

Objective = Callable[[PairTensors, TransportSettings], Tensor]

OBJECTIVES: dict[str, Objective] = {
    "transport": transport_loss,
    "pooled_mse": lambda pairs, _: pooled_mse(pairs),
    "pooled_cosine": lambda pairs, _: pooled_cosine(pairs),
    "contrastive": lambda pairs, _: contrastive(pairs),
    "contrastive_maxsim": lambda pairs, _: contrastive_maxsim(pairs),
    "kl_dot": lambda pairs, _: kl_dot(pairs),
    "kl_maxsim": lambda pairs, _: kl_maxsim(pairs),
}

TOKEN_BATCH_OBJECTIVES = frozenset({"kl_maxsim", "contrastive_maxsim"})
"""Objectives that need the teacher's tokens of the whole batch."""

BATCH_OBJECTIVES = TOKEN_BATCH_OBJECTIVES | {"contrastive", "kl_dot"}
"""Objectives that compare pairs with one another: they need the vectors of the whole batch, and cost 0 in a batch of one pair."""

BANK_OBJECTIVES = frozenset({"contrastive", "kl_dot"})
"""Objectives that search documents: `PairTensors.document_BD` where there are some, and `PairTensors.bank`, so that they learn
something from a batch of one."""


def parse_objectives(text: str) -> dict[str, float]:
    """Read objectives and their weights.

    Args:
        text: names separated by commas, each with "=weight" or without (weight 1).

    Returns:
        Weight by name, in the order given.

    Raises:
        ValueError: for an unknown name (with the nearest one), a name given twice, a weight that is not a positive number.

    Example:
        >>> parse_objectives("transport=1.0,pooled_cosine=0.5")
        {'transport': 1.0, 'pooled_cosine': 0.5}
    """
    weights: dict[str, float] = {}
    for part in filter(None, (p.strip() for p in text.split(","))):
        name, _, number = part.partition("=")
        name = name.strip()
        if name not in OBJECTIVES:
            near = get_close_matches(name, OBJECTIVES, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ValueError(f"unknown objective {name!r}: expected one of {', '.join(OBJECTIVES)}{hint}")
        if name in weights:
            raise ValueError(f"objective {name!r} is given twice in {text!r}: give it once, with the weight you want")
        try:
            weights[name] = float(number or 1.0)
        except ValueError:
            raise ValueError(
                f"the weight of objective {name!r} is {number!r}: expected a number, as in '{name}=0.5'"
            ) from None
        if not 0 < weights[name] < float("inf"):
            raise ValueError(
                f"the weight of objective {name!r} is {weights[name]}: expected a positive number; leave it out for none"
            )
    if not weights:
        raise ValueError("no objective given: expected at least one, such as 'transport=1.0'")
    return weights


def objective_terms(pairs: PairTensors, weights: Mapping[str, float], settings: TransportSettings) -> dict[str, Tensor]:
    """Each objective of `weights` on a batch, unweighted, in float32 whatever the models run in: (B,) by name."""
    with torch.autocast(pairs.student_BND.device.type, enabled=False):
        return {name: OBJECTIVES[name](pairs, settings) for name in weights}
