"""What determines the tokens of a cache, read from a teacher and told apart by a key.

Two teachers share a key only where weights, modules, tokenizer, prompt, length limit and the way of storing agree, so
that a teacher that changed in any of these never reads what another one wrote. Knows nothing about files.
"""

import json
from dataclasses import asdict, dataclass, replace
from typing import Literal, Self, get_args

from optical_hf.models.fingerprint import digest_of, modules_hash, processors_hash, releases, weights_hash
from optical_hf.models.loading import embedding_width, pooling_mode
from optical_hf.models.prompts import prompt_of, reads_alike
from optical_hf.models.tokens import Encoder

StoredDtype = Literal["float16", "int8"]
Mass = Literal["uniform", "norm"]

FORMAT = 2
"""Of the layout and of what stands in it; 1 had another idea of punctuation."""


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
        libraries: releases of the libraries that ran the teacher; caches of before do not say.
        document: what documents are read with, "" where they are read as queries are.
        format: version of the shards.
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
    libraries: str = ""
    document: str = ""
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
            weights=weights_hash(teacher),
            modules=modules_hash(teacher),
            tokenizer=processors_hash(teacher),
            prompt=prompt_of(teacher, "query") or "",
            max_length=teacher.max_seq_length,
            dtype=dtype,
            mass=mass,
            width=embedding_width(teacher),
            pooling=pooling_mode(teacher),
            libraries=releases(),
            document="" if reads_alike(teacher) else f"prompt {prompt_of(teacher, 'document') or ''!r}",
        )

    @property
    def key(self) -> str:
        """The name of the cache: 16 hexadecimal digits."""
        values = asdict(self)
        stated = {name: value for name, value in values.items() if value or name not in ("libraries", "document")}
        return digest_of(stated)[:16]

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
