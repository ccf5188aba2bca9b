"""The losses by name, and a weighted sum of them as the command line and YAML files write it."""

import re
from collections.abc import Mapping
from dataclasses import fields
from difflib import get_close_matches
from typing import Any, get_type_hints

import torch
from torch import Tensor

from optical_hf.losses.contrastive import Contrastive
from optical_hf.losses.contrastive_maxsim import ContrastiveMaxSim
from optical_hf.losses.kl_dot import KLDot
from optical_hf.losses.kl_maxsim import KLMaxSim
from optical_hf.losses.loss import Loss
from optical_hf.losses.pair_tensors import PairTensors
from optical_hf.losses.pooled_cosine import PooledCosine
from optical_hf.losses.pooled_mse import PooledMSE
from optical_hf.losses.transport_loss import Transport

LOSSES: dict[str, type[Loss]] = {
    loss.name: loss for loss in (Transport, PooledMSE, PooledCosine, Contrastive, ContrastiveMaxSim, KLDot, KLMaxSim)
}

TERM = re.compile(r"\s*([^,=()]*)\s*(?:\(([^()]*)\))?\s*(?:=([^,()]*))?(?:,|$)")


def parse_losses(text: str) -> dict[Loss, float]:
    """Read losses with their settings and weights.

    Args:
        text: names separated by commas, each with settings in brackets and "=weight" (1 without), both optional.

    Returns:
        Weight by loss, in the order given.

    Raises:
        ValueError: an unknown name or setting (with the nearest one), a loss given twice, a value or weight out of range.

    Example:
        >>> {str(loss): weight for loss, weight in parse_losses("contrastive(bank=512)=1.0,transport=0.5").items()}
        {'contrastive(bank=512)': 1.0, 'transport': 0.5}
    """
    weights: dict[Loss, float] = {}
    place = 0
    while text[place:].strip(" ,"):
        term = TERM.match(text, place)
        if term is None:
            raise ValueError(f"cannot read the losses at {text[place:]!r}: expected 'name(setting=value)=weight', ...")
        place = term.end()
        if not term[0].strip(" ,"):
            continue
        name, settings, weight = term[1].strip(), term[2], term[3]
        loss = _loss(name, settings)
        if loss in weights:
            raise ValueError(f"loss {str(loss)!r} is given twice in {text!r}: give it once, with the weight you want")
        weights[loss] = 1.0 if weight is None else _weight(name, weight)
    if not weights:
        raise ValueError("no loss given: expected at least one, such as 'contrastive=1.0'")
    return weights


def losses_text(losses: Mapping[Loss, float]) -> str:
    """The text that `parse_losses` reads as these losses."""
    return ",".join(f"{loss}={weight:g}" for loss, weight in losses.items())


def loss_names(losses: Mapping[Loss, float]) -> dict[Loss, str]:
    """What each loss is called in the logs: its name, with a number behind it where several share one."""
    names: dict[Loss, str] = {}
    for loss in losses:
        same = sum(other.name == loss.name for other in names)
        names[loss] = loss.name if not same else f"{loss.name}_{same + 1}"
    return names


def loss_terms(pairs: PairTensors, losses: Mapping[Loss, float]) -> dict[Loss, Tensor]:
    """Each loss on a batch, unweighted, in float32 whatever the models run in: (B,)."""
    with torch.autocast(pairs.student_BND.device.type, enabled=False):
        return {loss: loss(pairs) for loss in losses}


def _loss(name: str, settings: str | None) -> Loss:
    cls = LOSSES.get(name)
    if cls is None:
        raise ValueError(f"unknown loss {name!r}: expected one of {', '.join(LOSSES)}{_meant(name, LOSSES)}")
    kinds = get_type_hints(cls)
    known = [f.name for f in fields(cls)]
    values: dict[str, Any] = {}
    for part in filter(None, ((settings or "").replace(" ", "")).split(",")):
        key, _, value = part.partition("=")
        if key not in known:
            raise ValueError(
                f"loss {name!r} has no setting {key!r}: it has {', '.join(known) or 'none'}{_meant(key, known)}"
            )
        values[key] = _value(name, key, value, kinds[key])
    return cls(**values)


def _value(name: str, key: str, text: str, kind: Any) -> Any:
    if kind is bool:
        if text.lower() not in ("true", "false"):
            raise ValueError(f"loss {name!r}: {key} is {text!r}: expected true or false")
        return text.lower() == "true"
    if kind not in (int, float):
        return text
    try:
        return kind(text)
    except ValueError:
        wanted = "a whole number" if kind is int else "a number"
        raise ValueError(f"loss {name!r}: {key} is {text!r}: expected {wanted}") from None


def _weight(name: str, text: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        raise ValueError(f"the weight of loss {name!r} is {text!r}: expected a number, as in '{name}=0.5'") from None
    if not 0 < weight < float("inf"):
        raise ValueError(f"the weight of loss {name!r} is {weight}: expected a positive number; leave it out for none")
    return weight


def _meant(name: str, known: Any) -> str:
    near = get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
