"""A student whose tokens are a weighted average of several hidden layers of its backbone, and not the last layer alone.

The average is sentence-transformers' own `WeightedLayerPooling`, put between the backbone and the projection, and the backbone's
configuration says that its hidden layers are returned: what is saved loads with that library alone. The weights are kept out of
training: only their ratios count, and layers that nobody named (weight 0) would get gradients and come in.
"""

import json
import math
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from pathlib import Path

import torch
from sentence_transformers.base.modules import Transformer
from sentence_transformers.sentence_transformer.modules import WeightedLayerPooling
from torch import nn

from optical_hf.files import write_text
from optical_hf.models.views import Encoder, Kind, backbone

Layers = Sequence[int] | Mapping[int, float]
"""Hidden layers as transformers numbers them, 0 the word embeddings; with the weight of each, or all of one weight."""
DEEP = 6
"""Layers from which a student of a late-interaction teacher reads two of them."""


def layer_average(model: Encoder) -> WeightedLayerPooling | None:
    """The module that averages the hidden layers of a model, None where its tokens are those of the last one."""
    return next((m for m in model if isinstance(m, WeightedLayerPooling)), None)


def average_layers(transformer: Transformer, layers: Layers) -> WeightedLayerPooling | None:
    """The module that averages `layers` of a backbone, which from now on returns its hidden layers.

    Returns:
        The module, its weights without gradient; None where the last layer is the only one named.

    Raises:
        ValueError: no layers, a layer that does not exist or is named twice, weights below 0 or of sum 0.
    """
    count = _count(transformer)
    share = _shares(layers, count)
    if list(share) == [count]:
        return None
    first = min(share)
    weights = torch.tensor([share.get(layer, 0.0) for layer in range(first, count + 1)])
    average = WeightedLayerPooling(
        transformer.get_embedding_dimension(), count, first, nn.Parameter(weights, requires_grad=False)
    )
    transformer.model.config.output_hidden_states = True
    return average


def default_layers(transformer: Transformer, kind: Kind) -> Layers | None:
    """What a new student reads: its last layer alone, or, where tokens are searched, a quarter of the last but two as well.

    The last layer is made for what a backbone was trained on, a vector a text; the one below says more about its token, which is
    worth 2 to 3 points of MaxSim and costs the one vector a little (docs/log/2026-11/alignment.md).
    """
    count = getattr(transformer.model.config.get_text_config(), "num_hidden_layers", None)
    if kind != "late_interaction" or not isinstance(count, int) or count < DEEP:
        return None
    return {count - 2: 1.0, count: 3.0}


def averaged_layers(model: Encoder) -> dict[int, float]:
    """The hidden layers that make a model's tokens, and their shares, which sum to 1.

    Example:
        >>> from optical_hf.models.tiny import tiny_encoder
        >>> averaged_layers(tiny_encoder(["a dog"], width=16, vocabulary_size=30))
        {2: 1.0}
    """
    average = layer_average(model)
    return {_count(backbone(model)): 1.0} if average is None else _shares_of(average)


def check_same_layers(model: Encoder, saved: WeightedLayerPooling, folder: str | Path) -> None:
    """Make sure that a checkpoint's average is the model's: its weights are chosen, not learnt.

    Raises:
        ValueError: where `saved`, of the checkpoint `folder`, averages other layers or with other weights.
    """
    there, own = _shares_of(saved), averaged_layers(model)
    if not _same(there, own):
        raise ValueError(
            f"the checkpoint {str(folder)!r} averages {_names(there)}, the student {_names(own)}: its weights would mean nothing; "
            "load the student with the layers that the checkpoint was trained with"
        )


def _shares_of(average: WeightedLayerPooling) -> dict[int, float]:
    weights = average.layer_weights.detach().double()
    shares = enumerate((weights / weights.sum()).tolist(), start=average.layer_start)
    return {layer: share for layer, share in shares if share}


def settle_layers(model: Encoder, layers: Layers | None) -> None:
    """Make sure that a student that was saved averages `layers`, and that its backbone returns them.

    Raises:
        ValueError: where it averages others.
    """
    average = layer_average(model)
    if layers is not None:
        asked, there = _shares(layers, _count(backbone(model))), averaged_layers(model)
        if not _same(asked, there):
            raise ValueError(
                f"{_names(asked)} were wanted, but the student has a projection that was fitted to {_names(there)}: on other "
                "layers it would be no better than chance; leave layers out, or start again from the student's backbone"
            )
    if average is not None:
        average.requires_grad_(False)  # loaded, they are trainable
        backbone(model).model.config.output_hidden_states = True


def keep_hidden_states(folder: str | Path) -> None:
    """Write into a saved adapter's settings that its backbone returns its hidden layers, where they are averaged.

    Of a whole student the backbone's config.json says so. With an adapter none is saved, and the one it is found by does not:
    sentence-transformers would silently take the last layer.
    """
    types = [entry["type"] for entry in json.loads(Path(folder, "modules.json").read_text(encoding="utf-8"))]
    if not any(name.endswith("WeightedLayerPooling") for name in types):
        return
    place = Path(folder, "sentence_bert_config.json")
    settings = json.loads(place.read_text(encoding="utf-8"))
    settings.setdefault("config_kwargs", {})["output_hidden_states"] = True
    write_text(place, json.dumps(settings, indent=4) + "\n")


def _count(transformer: Transformer) -> int:
    count = getattr(transformer.model.config.get_text_config(), "num_hidden_layers", None)
    if not isinstance(count, int):
        raise ValueError(
            f"the configuration of {type(transformer.model).__name__} does not say how many layers there are: they cannot be "
            "averaged; leave layers out, or take a backbone with num_hidden_layers"
        )
    return count


def _shares(layers: Layers, count: int) -> dict[int, float]:
    """The layers that count and their shares; what is no average is refused."""
    there = f"name layers from 0 (the word embeddings) to {count} (the last), such as layers=[{count - 1}, {count}]"
    if not isinstance(layers, Mapping | Sequence) or isinstance(layers, str | bytes):
        raise ValueError(f"layers is {layers!r}: expected several numbers, or weights by number; {there}")
    if not layers:
        raise ValueError(f"layers is empty: expected at least one, or None for the last one alone; {there}")
    given = dict(layers) if isinstance(layers, Mapping) else dict.fromkeys(layers, 1.0)
    for layer, weight in given.items():
        if not isinstance(layer, Integral) or isinstance(layer, bool) or not 0 <= layer <= count:
            raise ValueError(f"there is no layer {layer!r}: the backbone has {count}; {there}")
        if not isinstance(weight, Real) or not 0 <= weight < math.inf:
            raise ValueError(
                f"the weight of layer {layer} is {weight!r}: expected a number from 0 up; leave out a layer that is not wanted"
            )
    if len(given) < len(layers):
        raise ValueError(
            f"layers is {list(layers)}: one is named twice; give weights instead, such as layers={{{count}: 2}}"
        )
    total = sum(given.values())
    if not total > 0:
        raise ValueError(f"the weights of layers {list(given)} sum to 0: give at least one of them a weight above 0")
    return {int(layer): float(given[layer]) / total for layer in sorted(given) if given[layer]}


def _same(one: Mapping[int, float], other: Mapping[int, float]) -> bool:
    return one.keys() == other.keys() and all(abs(one[layer] - other[layer]) <= 1e-5 for layer in one)


def _names(shares: Mapping[int, float]) -> str:
    parts = [f"{layer}" if share == max(shares.values()) == min(shares.values()) else f"{layer} ({share:.2g})"
             for layer, share in shares.items()]  # fmt: skip
    return f"layer{'s' if len(parts) > 1 else ''} {', '.join(parts)}"
