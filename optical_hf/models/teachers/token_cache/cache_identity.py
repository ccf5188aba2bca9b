"""What the tokens in a cache depend on, read from an encoder and hashed to a key.

Two encoders share a key only where weights, modules, tokenizer, prompt, length limit and the way of storing agree. So an
encoder that changed in any of these never reads what another one wrote.
"""

import json
from dataclasses import asdict, dataclass
from typing import Literal, Self, get_args

from optical_hf.models.fingerprint import digest_of, modules_hash, processors_hash, releases, weights_hash
from optical_hf.models.prompts import prompt_of, reads_alike
from optical_hf.models.teacher_space import embedding_width, pooling_mode
from optical_hf.models.tokens import Encoder
from optical_hf.models.views import Kind, kind_of

StoredDtype = Literal["float16", "int8"]

FORMAT = 2
"""Version of the layout and of what stands in it; 1 had another idea of punctuation."""


@dataclass(frozen=True)
class CacheIdentity:
    """What the tokens in a cache depend on, and what a reader must know of the encoder that is not loaded.

    Attributes:
        weights: hash of every parameter and persistent buffer, names and dtypes included.
        modules: hash of the modules' and the backbone's configuration.
        tokenizer: hash of the tokenizer.
        prompt: text put in front of every query, "" for none.
        max_length: tokens of a text at most, None where the model has no limit.
        dtype: how token vectors are stored.
        width: width of the token vectors.
        pooling: how the encoder pools, for the closed form.
        libraries: releases of the libraries that ran the encoder; older caches do not say.
        document: what documents are read with, "" where they are read as queries are.
        format: version of the shards.
        mass: older caches held a mass for each token, which nothing reads any more.
        kind: how the encoder searches; older caches do not say. Not part of the key.
    """

    weights: str
    modules: str
    tokenizer: str
    prompt: str
    max_length: int | None
    dtype: StoredDtype
    width: int
    pooling: str
    libraries: str = ""
    document: str = ""
    format: int = FORMAT
    mass: str = "uniform"
    kind: Kind | None = None

    @classmethod
    def of(cls, model: Encoder, dtype: StoredDtype = "float16") -> Self:
        """The identity of a cache of a model's tokens.

        Raises:
            ValueError: for an unknown way of storing.
        """
        if dtype not in get_args(StoredDtype):
            raise ValueError(f"unknown cache dtype {dtype!r}: expected one of {', '.join(get_args(StoredDtype))}")
        return cls(
            weights=weights_hash(model),
            modules=modules_hash(model),
            tokenizer=processors_hash(model),
            prompt=prompt_of(model, "query") or "",
            max_length=model.max_seq_length,
            dtype=dtype,
            width=embedding_width(model),
            pooling=pooling_mode(model),
            libraries=releases(),
            document="" if reads_alike(model) else f"prompt {prompt_of(model, 'document') or ''!r}",
            kind=kind_of(model),
        )

    @property
    def key(self) -> str:
        """The name of the cache: 16 hexadecimal digits."""
        values = {name: value for name, value in asdict(self).items() if name != "kind"}
        return digest_of({n: value for n, value in values.items() if value or n not in ("libraries", "document")})[:16]

    def bytes_needed(self, texts: int, tokens: int) -> int:
        """Bytes on disk of so many texts and tokens, headers left out."""
        token = self.width * 2 if self.dtype == "float16" else self.width + 4  # int8 with a float32 scale
        return tokens * (token + 1) + texts * (self.width * 2 + 16 + 8)

    def to_json(self) -> str:
        """All of it as text."""
        return json.dumps(asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read back what `to_json` wrote."""
        return cls(**json.loads(text))
