"""What is checked of a run's arguments when they are made: each of our own by its annotation and its range; of those of
transformers, that what cannot work here is not asked for.

Knows nothing about models or data. `tests/training/test_argument_table.py` places every field of `TrainingArguments`.
"""

import math
import types
from collections.abc import Callable, Mapping
from dataclasses import fields
from numbers import Integral, Real
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin

from transformers import TrainingArguments


class Range(NamedTuple):
    """Numbers that an argument may have."""

    told: str
    holds: Callable[[float], bool]


INFINITY = float("inf")
ABOVE_0 = Range("a number above 0", lambda value: 0 < value < INFINITY)
FROM_0 = Range("0 or more", lambda value: 0 <= value < INFINITY)
FROM_1 = Range("a number of at least 1", lambda value: value >= 1)
SHARE = Range("0 or more and less than 1", lambda value: 0 <= value < 1)
RANGES = {
    "alignment_pairs": ABOVE_0,
    "projection_learning_rate": FROM_0,
    "sampling_temperature": FROM_1,
    "sampling_max_repeats": FROM_1,
    "tokens_per_batch": ABOVE_0,
    "early_stopping_patience": ABOVE_0,
    "early_stopping_threshold": SHARE,
}

IN_BACKWARD = (
    "lomo", "adalomo", "galore_adamw_layerwise", "galore_adamw_8bit_layerwise", "galore_adafactor_layerwise",
    "apollo_adamw_layerwise",
)  # fmt: skip

# What an argument of transformers may not be, and why.
REFUSED: dict[str, tuple[Callable[[Any], bool], str]] = {
    "label_smoothing_factor": (lambda value: value != 0, "a student has no labels to smooth; leave it at 0"),
    "neftune_noise_alpha": (
        lambda value: value is not None,
        "a sentence-transformers model has no place for the noise that transformers adds to embeddings; leave it out",
    ),
    "use_liger_kernel": (bool, "Liger has no kernels for a sentence-transformers model; leave it off"),
    "include_num_input_tokens_seen": (
        lambda value: value not in ("no", False),
        "transformers cannot count the tokens of pairs; leave it at 'no', the logs have the share of padding",
    ),
    "include_for_metrics": (
        bool,
        "a student gives no predictions to compute metrics of; leave it out, and pass evaluators",
    ),
    "batch_eval_metrics": (
        bool,
        "a student gives no predictions to compute metrics of; leave it off, and pass evaluators",
    ),
    "bf16_full_eval": (bool, "it would leave the student in half precision after an evaluation; train with bf16=True"),
    "fp16_full_eval": (bool, "it would leave the student in half precision after an evaluation; train with fp16=True"),
    "debug": (
        lambda value: "underflow_overflow" in [getattr(option, "value", option) for option in value],
        "it cannot read the masks of attention; leave it out, a loss that is not finite names its pairs",
    ),
    "optim": (
        lambda value: getattr(value, "value", value) in IN_BACKWARD,
        "it moves the weights during the backward pass, before a loss that is not finite can stop the step; take another "
        "optimizer, such as 'adamw_torch'",
    ),
    "parallelism_config": (
        lambda value: value is not None,
        "a student and its texts are not cut up over devices; use DDP or FSDP2 (examples/accelerate)",
    ),
    "hub_strategy": (
        lambda value: getattr(value, "value", value) in ("checkpoint", "all_checkpoints"),
        "only the student is pushed, never an optimizer; take 'every_save' or 'end'",
    ),
    "remove_unused_columns": (bool, "it would drop the text columns before the collator reads them; leave it off"),
}


def check_own(args: TrainingArguments, annotations: Mapping[str, Any]) -> None:
    """Check every field that our arguments add to those of transformers.

    Args:
        args: the arguments.
        annotations: of our class; `HfArgumentParser` takes the None out of the types that its fields have.

    Raises:
        ValueError: a value that is none of its choices, of another type, or out of range.
    """
    inherited = {field.name for field in fields(TrainingArguments)}
    for name, annotation in annotations.items():
        if name in inherited:
            continue
        value = getattr(args, name)
        if not _fits(value, annotation):
            yaml = isinstance(value, str) and float in _kinds(annotation)
            hint = ", and numbers in a YAML file have a point, as in 1.0e-3" if yaml else ""
            raise ValueError(f"{name} is {value!r}: expected {_told(annotation)}{hint}")
        allowed = RANGES.get(name)
        if allowed is not None and value is not None and not allowed.holds(value):
            optional = ", or None" if _fits(None, annotation) else ""
            raise ValueError(f"{name} is {value}: expected {allowed.told}{optional}")


def check_inherited(args: TrainingArguments) -> None:
    """Refuse what transformers offers and a student cannot have.

    Raises:
        ValueError: naming the argument, and what to do in its place.
    """
    for name, (refused, why) in REFUSED.items():
        value = getattr(args, name, None)  # None where an older transformers has no such argument
        if value is not None and refused(value):
            raise ValueError(f"{name} is {getattr(value, 'value', value)!r}: {why}")
    told = args.accelerator_config
    for name, wanted in (("dispatch_batches", False), ("split_batches", False), ("use_seedable_sampler", True)):
        if getattr(told, name) is not wanted:
            raise ValueError(
                f"accelerator_config has {name}={getattr(told, name)}: expected {wanted}, for each process reads its own share of "
                "every batch of texts, in an order that the seed decides"
            )


def _kinds(annotation: Any) -> tuple[Any, ...]:
    """The members of a union, or the annotation alone."""
    return get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)


def _fits(value: Any, annotation: Any) -> bool:
    for kind in _kinds(annotation):
        if get_origin(kind) is Literal:
            if isinstance(value, str) and value in get_args(kind):
                return True
        elif kind is int or kind is float:
            numbers = Integral if kind is int else Real
            if isinstance(value, numbers) and not isinstance(value, bool) and not math.isnan(value):
                return True
        elif isinstance(value, kind):
            return True
    return False


def _told(annotation: Any) -> str:
    words: dict[Any, str] = {int: "a whole number", float: "a number", bool: "True or False", str: "a text"}
    names: list[str] = []
    for kind in _kinds(annotation):
        if get_origin(kind) is Literal:
            names += map(repr, get_args(kind))
        else:
            names.append("None" if kind is type(None) else words[kind])
    return f"{', '.join(names[:-1])} or {names[-1]}" if len(names) > 1 else names[0]
