"""Our own arguments: every one is checked by its annotation and its range when the arguments are made."""

from dataclasses import fields
from typing import Literal, get_args, get_origin

import pytest
from test_trainer import arguments
from transformers import TrainingArguments

from optical_hf.losses import Contrastive
from optical_hf.training import OTDistillationArguments
from optical_hf.training.argument_checks import RANGES

INHERITED = {f.name for f in fields(TrainingArguments)}
OWN = {name: kind for name, kind in OTDistillationArguments.__annotations__.items() if name not in INHERITED}


def kinds(annotation):
    """The members of a union, or the annotation alone."""
    return (
        (annotation,)
        if annotation in (int, float, bool, str) or get_origin(annotation) is Literal
        else get_args(annotation)
    )


CHOICES = [name for name, annotation in OWN.items() if any(get_origin(kind) is Literal for kind in kinds(annotation))]
NUMBERS = [name for name, annotation in OWN.items() if {int, float} & set(kinds(annotation))]


@pytest.mark.parametrize("name", CHOICES)
def test_a_choice_that_does_not_exist_is_refused_when_the_arguments_are_made(tmp_path, name):
    with pytest.raises(ValueError, match=rf"{name}: expected one of .+, got 'sinkhron'"):
        arguments(tmp_path, **{name: "sinkhron"})


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", [-1, float("nan"), "many", True], ids=str)
def test_a_number_out_of_range_or_of_another_type_is_refused(tmp_path, name, value):
    assert name in RANGES  # a new number is given a range
    with pytest.raises(ValueError, match=rf"{name}: expected"):
        arguments(tmp_path, **{name: value})


@pytest.mark.parametrize(
    ("kwargs", "told"),
    [
        ({"losses": "transprt"}, "did you mean 'transport'"),
        ({"losses": "transport(epsilon=0)"}, "epsilon"),
        ({"losses": 3}, "losses: expected text, got 3"),
        ({"alignment": "magic"}, "expected one of contrastive, transport, ridge, none"),
        ({"alignment_pairs": 2.5}, "expected a whole number"),
        ({"projection_learning_rate": float("inf")}, "expected 0 or more"),
        ({"sampling_temperature": 0.5}, "expected 1 or more"),
        ({"sampling_temperature": 2.0, "train_sampling_strategy": "sequential"}, "leave one of them out"),
        ({"sampling_max_repeats": 2.0}, "sampling_temperature, which is not set"),
        ({"freeze_embeddings": "yes"}, "expected true or false"),
    ],
)
def test_arguments_out_of_range_are_refused(tmp_path, kwargs, told):
    with pytest.raises(ValueError, match=told):
        arguments(tmp_path, **kwargs)


def test_the_default_is_contrastive_after_transport_in_closed_form(tmp_path):
    args = OTDistillationArguments(str(tmp_path), use_cpu=True)
    assert (args.alignment, args.loss_weights) == (None, {Contrastive(): 1.0})
