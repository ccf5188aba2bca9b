"""Adapters of PEFT on a student's backbone: put on, folded in, read back; and those that cannot learn, named."""

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from peft import PeftConfig, PeftModel, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from peft.tuners.tuners_utils import BaseTunerLayer
from safetensors.torch import load_file
from transformers import set_seed

from optical_hf.models import Encoder, backbone

ADAPTER_WEIGHTS, ADAPTER_CONFIG = "adapter_model.safetensors", "adapter_config.json"


def has_adapter(model: Encoder) -> bool:
    """Whether the student's backbone is wrapped by PEFT."""
    return isinstance(backbone(model).model, PeftModel)


def put_adapter(model: Encoder, config: PeftConfig | None, seed: int) -> None:
    """Wrap the student's backbone, where there is a `config`.

    Args:
        model: the student, changed in place.
        config: of the adapter, None for none.
        seed: of the weights that the adapter starts from.

    Raises:
        ValueError: where the student was loaded with an adapter, which does not learn, or the adapter is one of prompts.
    """
    module = backbone(model)
    if _came_with_adapter(model):
        raise ValueError(
            f"the student was loaded with an adapter ({_named(module.model)}), which does not learn: the projection alone "
            "would move. Go on with its run (resume_from_checkpoint, and its peft_config), or fold the adapter in: "
            "merge_and_save(student, folder), then load_student(folder, teacher)"
        )
    if config is None:
        return
    if config.is_prompt_learning:
        raise ValueError(
            f"peft_config is {config.peft_type.value}: it puts tokens of its own beside those of a text, and cannot be folded into "
            "the weights of a student; take one that changes weights, such as LoraConfig"
        )
    set_seed(seed)  # the adapter a run starts from is that of its seed, as its dropout is
    module.model = get_peft_model(module.model, config)


def merged(model: Encoder) -> Encoder:
    """The student with its adapter folded into the backbone, as a copy; the model itself where it has none."""
    if not has_adapter(model) and not _came_with_adapter(model):
        return model
    whole = copy.deepcopy(model)
    module = backbone(whole)
    if isinstance(module.model, PeftModel):
        module.model = module.model.merge_and_unload()
        return whole
    inside = module.model  # transformers put the adapter into the model itself, and has no way to fold it in
    for name, layer in list(inside.named_modules()):
        if isinstance(layer, BaseTunerLayer):
            layer.merge()
            parent, _, last = name.rpartition(".")
            setattr(inside.get_submodule(parent), last, layer.get_base_layer())
    module.model = type(inside)(inside.config).to(inside.device, inside.dtype).eval()
    module.model.load_state_dict(inside.state_dict())
    return whole


def load_adapter(model: Encoder, folder: Path) -> None:
    """Put the adapter of a checkpoint into a student that has one of the same kind.

    Raises:
        ValueError: where there is none in the checkpoint, or in the student, or they are of different kinds.
    """
    if not (folder / ADAPTER_WEIGHTS).exists():
        raise ValueError(
            f"{str(folder)!r} has no {ADAPTER_WEIGHTS}: it was saved without an adapter; resume without peft_config"
        )
    saved = json.loads((folder / ADAPTER_CONFIG).read_text(encoding="utf-8"))
    if not has_adapter(model):
        raise ValueError(
            f"{str(folder)!r} holds an adapter ({_named(saved)}) and the student has none: give the trainer the peft_config that "
            "the checkpoint was trained with"
        )
    inside = backbone(model).model
    weights, own = load_file(folder / ADAPTER_WEIGHTS), get_peft_model_state_dict(inside)
    if {name: value.shape for name, value in weights.items()} != {name: value.shape for name, value in own.items()}:
        raise ValueError(
            f"{str(folder)!r} holds an adapter ({_named(saved)}) and peft_config makes another ({_named(inside)}): give the "
            "trainer the peft_config that the checkpoint was trained with"
        )
    set_peft_model_state_dict(inside, weights)


def _came_with_adapter(model: Encoder) -> bool:
    """Whether the student's folder held an adapter, which transformers put into the backbone, frozen."""
    return bool(getattr(backbone(model).model, "_hf_peft_config_loaded", False))


def _named(config: Mapping[str, Any] | Any) -> str:
    """An adapter in words: of its configuration, or of the model that has it."""
    if not isinstance(config, Mapping):
        config = next(iter(config.peft_config.values())).to_dict()
    kind, targets = config["peft_type"], config.get("target_modules") or []
    shown = targets if isinstance(targets, str) else sorted(targets)
    rank = f", r={config['r']}" if "r" in config else ""
    return f"{getattr(kind, 'value', kind)}{rank}, target_modules={shown}"
