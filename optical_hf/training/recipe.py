"""The recipe of `optical-hf train`: what it sets where nothing else is said.

The learning rate and the start were compared on sets kept for choosing (docs/log/2026-11/backbone.md), with all-MiniLM-L6-v2 and
multilingual-e5-small; the other values are those of that comparison.
"""

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any

RECIPE: Mapping[str, Any] = MappingProxyType(
    {
        "losses": "contrastive(bank=4096)=1.0",
        "per_device_train_batch_size": 48,
        "learning_rate": 4e-5,
        "warmup_steps": 0.1,
        "max_steps": 240,
        "freeze_embeddings": True,
        "train_sampling_strategy": "group_by_length",
    }
)
"""Fields of `OTDistillationArguments`, to be passed on: `OTDistillationArguments("runs/so", **RECIPE)`."""


def recipe_beside(given: Collection[str]) -> dict[str, Any]:
    """The recipe's values for fields that are not given.

    Args:
        given: names of the fields that have a value already. A number of epochs takes the place of one of steps.

    Example:
        >>> sorted(recipe_beside({"losses", "num_train_epochs", "learning_rate", "warmup_steps", "train_sampling_strategy"}))
        ['freeze_embeddings', 'per_device_train_batch_size']
    """
    taken = {*given, *(["max_steps"] if "num_train_epochs" in given else [])}
    return {name: value for name, value in RECIPE.items() if name not in taken}
