"""What is checked of a run's arguments when they are made: ours by type and range, and those of transformers that cannot work here.

`tests/training/test_argument_table.py` places every field of `TrainingArguments`.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from transformers import TrainingArguments

from optical_hf.settings import checked

INFINITY = float("inf")
# What a number must be, in words and as a test.
RANGES: dict[str, tuple[str, Callable[[float], bool]]] = {
    "alignment_pairs": ("1 or more", lambda value: value >= 1),
    "document_share": ("more than 0 and less than 1", lambda value: 0 < value < 1),
    "query_share": ("more than 0 and less than 1", lambda value: 0 < value < 1),
    "max_documents": ("1 or more", lambda value: value >= 1),
    "projection_learning_rate": ("0 or more", lambda value: 0 <= value < INFINITY),
    "sampling_temperature": ("1 or more", lambda value: value >= 1),
    "sampling_max_repeats": ("1 or more", lambda value: value >= 1),
    "tokens_per_batch": ("1 or more", lambda value: value >= 1),
    "early_stopping_patience": ("1 or more", lambda value: value >= 1),
}

NO_PREDICTIONS = "a student gives no predictions to compute metrics of; leave it out, and pass evaluators"
NO_HALF = "it would leave the student in half precision after an evaluation; train with bf16=True or fp16=True"
# What an argument of transformers must be left at (None, False, 0, "no" or empty), and why.
LEFT_OUT = {
    "label_smoothing_factor": "a student has no labels to smooth; leave it at 0",
    "neftune_noise_alpha": "a sentence-transformers model has no place for noise on its embeddings; leave it out",
    "use_liger_kernel": "Liger has no kernels for a sentence-transformers model; leave it off",
    "include_num_input_tokens_seen": "transformers cannot count the tokens of pairs; leave it at 'no', padding is logged",
    "include_for_metrics": NO_PREDICTIONS,
    "batch_eval_metrics": NO_PREDICTIONS,
    "bf16_full_eval": NO_HALF,
    "fp16_full_eval": NO_HALF,
    "parallelism_config": "a student and its texts are not cut up over devices; use DDP or FSDP2 (examples/accelerate)",
    "remove_unused_columns": "it would drop the text columns before the collator reads them; leave it off",
}
IN_BACKWARD = (
    "it moves the weights during the backward pass, before a loss that is not finite can stop the step; take another optimizer, "
    "such as 'adamw_torch'"
)
NO_OPTIMIZER = "only the student is pushed, never an optimizer; take 'every_save' or 'end'"
# Single values that are refused.
REFUSED_VALUES = {
    "debug": {"underflow_overflow": "it cannot read attention masks; leave it out, a loss that is not finite names its pairs"},
    "hub_strategy": {"checkpoint": NO_OPTIMIZER, "all_checkpoints": NO_OPTIMIZER},
    "optim": dict.fromkeys(
        ("lomo", "adalomo", "galore_adamw_layerwise", "galore_adamw_8bit_layerwise", "galore_adafactor_layerwise",
         "apollo_adamw_layerwise"), IN_BACKWARD,
    ),
}  # fmt: skip
ACCELERATOR = {"dispatch_batches": False, "split_batches": False, "use_seedable_sampler": True}


def check_own(args: TrainingArguments, annotations: Mapping[str, Any]) -> None:
    """Check the type and range of every field that our arguments add to those of transformers.

    Args:
        args: the arguments.
        annotations: of our class; `HfArgumentParser` takes the None out of the types that its fields have.

    Raises:
        ValueError: a value that is none of its choices, of another type, or out of range.
    """
    inherited = {field.name for field in fields(TrainingArguments)}
    for name in [name for name in annotations if name not in inherited]:
        value = checked(getattr(args, name), annotations[name], name)
        if value is not None and name in RANGES and not RANGES[name][1](value):
            raise ValueError(f"{name}: expected {RANGES[name][0]}, got {value}")


def check_inherited(args: TrainingArguments) -> None:
    """Refuse what transformers offers and a student cannot have.

    Raises:
        ValueError: naming the argument, and what to do in its place.
    """
    for name, why in LEFT_OUT.items():
        value = getattr(args, name)
        if value and value != "no":
            raise ValueError(f"{name} is {value!r}: {why}")
    for name, refused in REFUSED_VALUES.items():
        given = getattr(args, name)
        for value in given if isinstance(given, list) else [given]:
            plain = getattr(value, "value", value)
            if plain in refused:
                raise ValueError(f"{name} is {plain!r}: {refused[plain]}")
    for name, wanted in ACCELERATOR.items():
        if (given := getattr(args.accelerator_config, name)) is not wanted:
            raise ValueError(
                f"accelerator_config has {name}={given}: expected {wanted}, for each process reads its own share of every batch of "
                "texts, in an order that the seed decides"
            )
