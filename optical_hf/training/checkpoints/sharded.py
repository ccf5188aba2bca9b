"""A student whose weights are shared out over devices (FSDP2): saved whole, loaded whole, whole while it is evaluated.

A sharded model can be neither copied nor saved as sentence-transformers lays it out, so a skeleton without weights is kept from
before the sharding: filled with gathered weights, it is what is saved.
"""

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import StateDictOptions, set_model_state_dict
from torch.distributed.fsdp import FSDPModule
from transformers import TrainingArguments

from optical_hf.models import Encoder, layer_average
from optical_hf.training.checkpoints.student_saving import load_weights


def check_deepspeed(args: TrainingArguments) -> None:
    """Refuse a sharing out of weights by DeepSpeed, which nothing here gathers.

    Raises:
        ValueError: for ZeRO stage 3.
    """
    if args.deepspeed_plugin is not None and args.deepspeed_plugin.zero_stage == 3:
        raise ValueError(
            "ZeRO stage 3 shares the student's weights out and would evaluate and save pieces of it: use stage 2 "
            "(examples/accelerate/deepspeed_zero2.yaml), or FSDP2 (fsdp2.yaml), which is gathered"
        )


def skeleton_before_sharding(accelerator: Accelerator, student: Encoder) -> Encoder:
    """The student without its weights, but for the few of averaged layers; and the student made ready for accelerate to shard.

    Raises:
        ValueError: where accelerate would gather no weights to save.
    """
    plugin = accelerator.state.fsdp_plugin
    if "FULL_STATE_DICT" not in str(plugin.state_dict_type):
        raise ValueError(
            f"fsdp_state_dict_type is {plugin.state_dict_type.name}: nothing that loads elsewhere would be saved, for a student is "
            "saved whole, as sentence-transformers lays it out; set fsdp_state_dict_type: FULL_STATE_DICT"
        )
    # accelerate 1.15 looks for a last norm with weights among the children of the model's base; ours is `Normalize`, which has
    # none and cannot be sharded. Where there is no base by that name it looks for none.
    student.base_model_prefix = "no_base"
    average = layer_average(student)
    chosen = set() if average is None else {id(p) for p in average.parameters()}  # a checkpoint must have the same
    stand_ins = {
        id(p): nn.Parameter(
            p.detach().cpu().clone() if id(p) in chosen else torch.empty_like(p, device="meta"), p.requires_grad
        )
        for p in student.parameters()
    }
    return copy.deepcopy(student, memo=stand_ins)


def filled(skeleton: Encoder, weights: Mapping[str, Tensor]) -> Encoder:
    """A skeleton with weights, which it shares."""
    skeleton.load_state_dict(dict(weights), assign=True)
    return skeleton


def load_sharded(student: Encoder, skeleton: Encoder, folder: str | Path) -> None:
    """Put the weights of a checkpoint into a sharded student; every process must call this."""
    here = {
        name: torch.empty_like(weight, device="cpu") for name, weight in skeleton.named_parameters() if weight.is_meta
    }
    whole = filled(skeleton, skeleton.state_dict() | here)
    load_weights(whole, folder)
    set_model_state_dict(student, whole.state_dict(), options=StateDictOptions(full_state_dict=True))


@contextmanager
def gathered(student: nn.Module, reshard_after_forward: bool = True) -> Iterator[None]:
    """Hold the student whole on every device, so that each may run it as often as it likes; nothing for one not sharded."""
    parts = [module for module in student.modules() if isinstance(module, FSDPModule)]
    for part in parts:
        part.set_reshard_after_forward(False, recurse=False)
        part.unshard()
    try:
        yield
    finally:
        for part in parts:
            part.reshard()
            part.set_reshard_after_forward(reshard_after_forward and part is not student, recurse=False)
