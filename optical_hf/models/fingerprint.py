"""Hashes of everything that decides the vectors of a model: models that may give different vectors have different hashes.

Weights, every module's settings, tokenizers and image processors, prompts, limits, and the releases of the libraries that run
them.
"""

import hashlib
import json
import re
from collections.abc import Set
from importlib.metadata import version
from typing import Any

import torch
from torch import nn

from optical_hf.models.views import Encoder

# Of a configuration, what does not change what a model computes: where it came from, who wrote it, and the dtype, which
# the weights themselves tell.
VOLATILE = {
    *("_name_or_path", "transformers_version", "architectures", "dtype", "torch_dtype"),
    *("processor_class", "_processor_class", "base_model_name_or_path", "revision", "inference_mode"),
}
LIBRARIES = ("sentence-transformers", "transformers")


def encoder_fingerprint(model: Encoder) -> str:
    """The hash of all that decides what `encode` returns, for texts and images, queries and documents.

    Args:
        model: as it is now: a limit or a prompt that is set later makes another one of it.
    """
    prompts = (model.prompts, model.default_prompt_name, getattr(model, "truncate_dim", None))
    parts = (
        type(model).__name__,
        weights_hash(model),
        modules_hash(model),
        processors_hash(model),
        prompts,
        releases(),
    )
    return digest_of(parts)


def weights_hash(model: nn.Module) -> str:
    """The hash of every parameter and persistent buffer, names, dtypes and shapes included."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def modules_hash(model: nn.Module) -> str:
    """The hash of the modules, nested ones included: their types, settings, limits and adapters."""
    own = {*model.children()}
    named = [(name, m) for name, m in model.named_modules() if m in own or hasattr(m, "get_config_dict")]
    return digest_of([(name, type(module).__name__, _settings(module)) for name, module in named])


def processors_hash(model: nn.Module) -> str:
    """The hash of the tokenizers and image processors of the modules."""
    return digest_of([_processor_state(module) for module in model.modules() if hasattr(module, "get_config_dict")])


def releases() -> str:
    """The releases of the libraries that run a model, without the number of the patch."""
    return ", ".join(f"{name} {'.'.join(version(name).split('.')[:2])}" for name in LIBRARIES)


def digest_of(value: Any) -> str:
    """The hash of numbers, texts, lists, mappings and sets."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=_plain).encode()).hexdigest()


def _plain(value: Any) -> Any:
    return sorted(map(str, value)) if isinstance(value, Set) else str(value)


def _settings(module: Any) -> dict[str, Any]:
    known = module.get_config_dict() if hasattr(module, "get_config_dict") else _without_addresses(module)
    found = {"module": known, "limit": getattr(module, "max_seq_length", None)}
    inner: Any = getattr(module, "model", None)
    if hasattr(inner, "config"):
        found["backbone"] = lasting(inner.config.to_dict())
    adapters = getattr(inner, "peft_config", None)
    if isinstance(adapters, dict):
        found["adapters"] = {name: lasting(adapter.to_dict()) for name, adapter in adapters.items()}
        found["active"] = str(getattr(inner, "active_adapters", None))
    return found


def lasting(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings that change what a model computes: not where it came from."""
    return {name: value for name, value in settings.items() if name not in VOLATILE}


def _processor_state(module: Any) -> Any:
    """What a module's tokenizer and image processor do, without the padding and truncation that each call sets anew."""
    processor = getattr(module, "processor", None)
    others: list[Any] = [
        getattr(processor, name, None) for name in ("image_processor", "feature_extractor", "video_processor")
    ]
    states = [lasting(other.to_dict()) for other in others if hasattr(other, "to_dict")]
    tokenizer = getattr(module, "tokenizer", None)
    return [
        None if tokenizer is None else _tokenizer_state(tokenizer),
        states,
        getattr(processor, "chat_template", None),
    ]


def _tokenizer_state(tokenizer: Any) -> Any:
    backend = getattr(tokenizer, "backend_tokenizer", tokenizer)
    if hasattr(backend, "to_str"):
        state = json.loads(backend.to_str()) | {"padding": None, "truncation": None}
        return [state, getattr(tokenizer, "padding_side", None), getattr(tokenizer, "truncation_side", None)]
    if hasattr(tokenizer, "special_tokens_map"):
        return [type(tokenizer).__name__, tokenizer.get_vocab(), tokenizer.special_tokens_map]
    return _without_addresses((type(tokenizer).__name__, vars(tokenizer)))


def _without_addresses(value: Any) -> str:
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))
