"""What determines the tokens of a cache, read from a teacher and told apart by a key.

Two teachers share a key only where weights, modules, tokenizer, prompt, length limit and the way of storing agree, so
that a teacher that changed in any of these never reads what another one wrote. Knows nothing about files.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, Self, get_args

import torch

from optical_hf.models.loading import embedding_width, pooling_mode
from optical_hf.models.tokens import Encoder, query_prompt

StoredDtype = Literal["float16", "int8"]
Mass = Literal["uniform", "norm"]

FORMAT = 1
# Of a configuration, what does not change what a model computes: where it came from, who wrote it, and the dtype, which
# the weights themselves tell.
VOLATILE = {"_name_or_path", "transformers_version", "architectures", "dtype", "torch_dtype"}


@dataclass(frozen=True)
class CacheIdentity:
    """What the tokens in a cache depend on, and what a reader must know of the teacher that is not loaded.

    Attributes:
        weights: hash of every parameter and persistent buffer, names and dtypes included.
        modules: hash of the modules' and the backbone's configuration.
        tokenizer: hash of the tokenizer.
        prompt: text put in front of every query, "" for none.
        max_length: tokens of a text at most, None where the model has no limit.
        dtype: how token vectors are stored.
        mass: how the token masses were made.
        width: width of the token vectors.
        pooling: how the teacher pools, for the closed form.
        format: version of the layout of the shards.
    """

    weights: str
    modules: str
    tokenizer: str
    prompt: str
    max_length: int | None
    dtype: StoredDtype
    mass: Mass
    width: int
    pooling: str
    format: int = FORMAT

    @classmethod
    def of(cls, teacher: Encoder, dtype: StoredDtype = "float16", mass: Mass = "uniform") -> Self:
        """Read it from a teacher.

        Raises:
            ValueError: for an unknown way of storing or of weighing.
        """
        if dtype not in get_args(StoredDtype):
            raise ValueError(f"unknown cache dtype {dtype!r}: expected one of {', '.join(get_args(StoredDtype))}")
        if mass not in get_args(Mass):
            raise ValueError(f"unknown mass {mass!r}: expected one of {', '.join(get_args(Mass))}")
        return cls(
            weights=_hash_weights(teacher),
            modules=_digest([(type(m).__name__, _configuration(m)) for m in teacher]),
            tokenizer=_digest(_tokenizer_state(teacher.tokenizer)),
            prompt=query_prompt(teacher) or "",
            max_length=teacher.max_seq_length,
            dtype=dtype,
            mass=mass,
            width=embedding_width(teacher),
            pooling=pooling_mode(teacher),
        )

    @property
    def key(self) -> str:
        """The name of the cache: 16 hexadecimal digits."""
        return _digest(asdict(self))[:16]

    def stored_as(self, dtype: StoredDtype) -> Self:
        """The same teacher, stored in another way."""
        return replace(self, dtype=dtype)

    def bytes_needed(self, texts: int, tokens: int) -> int:
        """Bytes on disk of so many texts and tokens, headers left out."""
        number = {"float16": 2, "int8": 1}[self.dtype]
        scale = 4 if self.dtype == "int8" else 0
        return tokens * (self.width * number + scale + 4 + 1) + texts * (self.width * 2 + 16 + 8)

    def to_json(self) -> str:
        """All of it as text."""
        return json.dumps(asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read back what `to_json` wrote."""
        return cls(**json.loads(text))


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


def _hash_weights(model: Encoder) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def _configuration(module: Any) -> dict[str, Any]:
    found = dict(module.get_config_dict()) if hasattr(module, "get_config_dict") else {}
    config = getattr(getattr(module, "model", None), "config", None)
    if config is not None:
        found["backbone"] = {name: value for name, value in config.to_dict().items() if name not in VOLATILE}
    return found


def _tokenizer_state(tokenizer: Any) -> Any:
    """What a tokenizer does, without the padding and truncation that each call sets anew."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        return [type(tokenizer).__name__, tokenizer.get_vocab(), tokenizer.special_tokens_map]
    state = json.loads(backend.to_str())
    return [state | {"padding": None, "truncation": None}, tokenizer.padding_side, tokenizer.truncation_side]
