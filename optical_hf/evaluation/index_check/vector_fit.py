"""How well vectors that a teacher gives now fit those that are stored, whatever their width and precision.

Shapes: R rows, D width of the stored vectors.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import normalize

from optical_hf.stores.document_store import Precision
from optical_hf.stores.vectors import VectorSet

LEAST: dict[Precision, float] = {"float32": 0.99, "float16": 0.99, "int8": 0.95, "binary": 0.95}
"""The mean cosine from which a setting counts as the one that an index was made with."""
SAME_LENGTH = 0.01
"""How far lengths may be from each other, relatively, and count as equal."""


class Fit(NamedTuple):
    """Vectors now beside those that are stored.

    Attributes:
        own: mean cosine of a text's vector with its stored one.
        other: mean cosine with the stored vectors of other texts.
        unit_length: whether the stored vectors have length 1; None where they have neither that nor the length that the
            teacher gives.
    """

    own: float
    other: float
    unit_length: bool | None

    @property
    def lift(self) -> float:
        """How far `own` is from `other` to 1: 1 for the same vectors, 0 where a text's own vector is no nearer than others."""
        return (self.own - self.other) / max(1e-6, 1 - self.other)


def fit_of(read: VectorSet, stored: VectorSet, precision: Precision) -> Fit:
    """Compare what a teacher reads now with what is stored.

    Args:
        read: at least as wide as what is stored; it is cut to that width.
        stored: of the same texts.
        precision: of what is stored. Signs are compared with signs. Whole numbers are compared after each dimension was
            standardised, whatever range it was rounded by.
    """
    if stored.lengths is not None and read.lengths is not None:
        return _fit_of_tokens(read, stored)
    read_RD, stored_RD = read.vectors[:, : stored.width], stored.vectors
    length_R, stored_length_R = read_RD.norm(dim=1), stored_RD.norm(dim=1)
    if precision == "binary":
        read_RD, stored_RD = torch.sign(read_RD), torch.sign(stored_RD - 0.5 * (stored_RD.min() >= 0))
    elif precision == "int8":
        read_RD, stored_RD = _standardised(read_RD), _standardised(stored_RD)
    cosine_RR = normalize(read_RD, dim=1) @ normalize(stored_RD, dim=1).T
    own, other = _mean_of_own_and_others(cosine_RR)
    exact = precision in ("float32", "float16")
    return Fit(own, other, _is_unit(stored_length_R, length_R) if exact else None)


def _fit_of_tokens(read: VectorSet, stored: VectorSet) -> Fit:
    """Mean over the stored tokens of a text of the cosine with the nearest token that is read."""
    assert read.lengths is not None
    assert stored.lengths is not None
    ones = [normalize(part, dim=1) for part in read.vectors[:, : stored.width].split(read.lengths.tolist())]
    kept = [normalize(part, dim=1) for part in stored.vectors.split(stored.lengths.tolist())]
    cosine_RR = torch.stack([torch.stack([(there @ one.T).amax(1).mean() for there in kept]) for one in ones])
    own, other = _mean_of_own_and_others(cosine_RR)
    return Fit(own, other, _is_unit(stored.vectors.norm(dim=1), stored.vectors.norm(dim=1)))


def _mean_of_own_and_others(cosine_RR: Tensor) -> tuple[float, float]:
    count, own = len(cosine_RR), float(cosine_RR.diagonal().mean())
    if count == 1:
        return own, 0.0
    return own, float((cosine_RR.sum() - cosine_RR.diagonal().sum()) / (count * (count - 1)))


def _standardised(vector_RD: Tensor) -> Tensor:
    return (vector_RD - vector_RD.mean(dim=0)) / vector_RD.std(dim=0, correction=0).clamp(min=1e-6)


def _is_unit(stored_R: Tensor, read_R: Tensor) -> bool | None:
    if bool(((stored_R - 1).abs() < SAME_LENGTH).all()):
        return True
    same = float(((stored_R - read_R).abs() / read_R).median()) < SAME_LENGTH
    return False if same else None
