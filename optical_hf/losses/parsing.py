"""The losses by name, and a weighted sum of them as the command line and YAML files write it."""

import re
from collections.abc import Mapping
from contextlib import suppress
from difflib import get_close_matches

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
from optical_hf.settings import checked, read_settings

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
        loss = _loss(term[1].strip(), term[2] or "")
        if loss in weights:
            raise ValueError(f"loss {str(loss)!r} is given twice in {text!r}: give it once, with the weight you want")
        weights[loss] = checked(1 if term[3] is None else _value(term[3].strip()), float, f"the weight of {loss}")
    if not weights:
        raise ValueError("no loss given: expected at least one, such as 'contrastive=1.0'")
    check_weights(weights)
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


def check_weights(losses: Mapping[Loss, float]) -> None:
    """Raise ValueError for a weight that is no finite number above 0."""
    for loss, weight in losses.items():
        if not 0 < weight < float("inf"):
            raise ValueError(
                f"the weight of {loss} is {weight}: expected a positive number; leave the loss out for none"
            )


def _loss(name: str, settings: str) -> Loss:
    if name not in LOSSES:
        near = get_close_matches(name, LOSSES, n=1)
        meant = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"unknown loss {name!r}: expected one of {', '.join(LOSSES)}{meant}")
    given = (part.partition("=") for part in settings.replace(" ", "").split(",") if part)
    return read_settings(LOSSES[name], {key: _value(text) for key, _, text in given}, f"loss {name!r}")


def _value(text: str) -> bool | int | float | str:
    """What a setting's text stands for."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        with suppress(ValueError):
            return kind(text)
    return text
