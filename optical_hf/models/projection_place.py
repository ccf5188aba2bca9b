"""Where a Dense layer stands: on the tokens before the pooling, or behind it. The two give one vector where they commute.

In memory a projection stands on the tokens: losses, plans, caches and MaxSim read them, and training reads them inside the forward
pass that accelerate wraps. On disk a one-vector student stands in the order of servers, with the Dense behind the pooling
(standard_layout.py). Here a model that was read in that order is put back.
"""

import logging

from sentence_transformers import MultiVectorEncoder, SentenceTransformer
from sentence_transformers.base.modules import Dense
from sentence_transformers.sentence_transformer.modules import Pooling
from torch import nn

Model = SentenceTransformer | MultiVectorEncoder
logger = logging.getLogger(__name__)

PICKED = ("cls", "lasttoken")
"""Poolings that take one token as it is: they commute with any layer on tokens."""
AVERAGES = ("mean", "weightedmean")
"""Poolings whose weights sum to 1: they commute with a linear layer, its bias too."""


def order_obstacle(pooling_mode: object, linear: bool, bias: bool = True) -> str | None:
    """Why a Dense layer before a pooling is another function than behind it, None where it is the same.

    Args:
        pooling_mode: as sentence-transformers names it.
        linear: whether the layer has no activation.
        bias: whether it adds one.

    Example:
        >>> order_obstacle("mean", linear=True)
        >>> order_obstacle("max", linear=True)
        "the pooling 'max' does not commute with a Dense layer"
    """
    if pooling_mode in PICKED or (pooling_mode in AVERAGES and linear):
        return None
    if pooling_mode == "mean_sqrt_len_tokens" and linear and not bias:
        return None
    what = "a Dense layer" if linear else "the activation of the Dense layer"
    return f"the pooling {pooling_mode!r} does not commute with {what}"


def is_linear(dense: Dense) -> bool:
    """Whether a Dense layer has no activation."""
    return isinstance(dense.activation_function, nn.Identity)


def pooled_denses(model: Model) -> list[Dense]:
    """The Dense layers that read the pooled vector."""
    return [m for m in model if isinstance(m, Dense) and m.module_input_name == "sentence_embedding"]


def pooled_projection(model: Model) -> Dense | None:
    """The one linear layer behind a model's pooling, as students in the order of servers have it; else None."""
    denses = pooled_denses(model)
    return denses[0] if len(denses) == 1 and is_linear(denses[0]) and not denses[0].use_residual else None


def on_tokens(dense: Dense) -> Dense:
    """A Dense layer that reads tokens in place of the pooled vector; the weights are shared."""
    moved = Dense(
        dense.in_features, dense.out_features, dense.bias, dense.activation_function,
        module_input_name="token_embeddings", use_residual=dense.use_residual,
    )  # fmt: skip
    for name, module in dense.named_children():
        setattr(moved, name, module)
    return moved.train(dense.training)


def denses_on_tokens(model: Model) -> list[Dense]:
    """The Dense layers behind a model's pooling, as layers on its tokens; the weights are shared.

    Raises:
        ValueError: where they would give another vector there: another pooling, or another module in between.
    """
    denses = pooled_denses(model)
    if not denses:
        return []
    place, pooling = _pooling(model)
    if pooling is None or list(model)[place + 1 : place + 1 + len(denses)] != denses:
        names = ", ".join(type(module).__name__ for module in model)
        raise ValueError(
            f"cannot put the Dense layer on the tokens of {names}: expected it right behind the pooling; search this model by one "
            "vector a text"
        )
    for dense in denses:
        if obstacle := order_obstacle(pooling.pooling_mode, is_linear(dense), dense.linear.bias is not None):
            raise ValueError(
                f"cannot put the Dense layer behind the pooling on the tokens: {obstacle}, and the vectors would be others; "
                "search this model by one vector a text, or take one that pools by mean, cls or lasttoken"
            )
    return [on_tokens(dense) for dense in denses]


def put_projection_on_tokens(model: Model) -> None:
    """Put the one linear layer behind a model's pooling before it, in place: the same vector, and tokens of its width.

    A model without one, or whose vector would be another, stays as it is.
    """
    if pooled_projection(model) is None:
        return
    try:
        (dense,) = denses_on_tokens(model)
    except ValueError:
        return
    place, pooling = _pooling(model)
    if pooling is not None:
        model[place] = dense
        model[place + 1] = Pooling(dense.out_features, pooling.pooling_mode, pooling.include_prompt)


def check_left_out(model: Model) -> None:
    """Warn of layers behind a model's pooling that a new student of it will not have.

    Raises:
        ValueError: where they are one linear layer, as of a trained student, which its pooling does not let on the tokens.
    """
    if pooled_projection(model) is not None:
        denses_on_tokens(model)
    if denses := pooled_denses(model):
        logger.warning(
            "%d Dense layer%s behind the pooling (%s) belong to the checkpoint's own vector and are left out: the student gets a "
            "new projection of its tokens",
            len(denses), "" if len(denses) == 1 else "s",
            ", ".join(f"{d.in_features} to {d.out_features}, {type(d.activation_function).__name__}" for d in denses),
        )  # fmt: skip


def _pooling(model: Model) -> tuple[int, Pooling | None]:
    """The place of a model's pooling, and the pooling; None where there is none."""
    return next(((place, m) for place, m in enumerate(model) if isinstance(m, Pooling)), (0, None))
