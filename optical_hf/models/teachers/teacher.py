"""The `Teacher` that training and the closed form read: an encoder, a token cache, or an index's own vectors.

A teacher with one vector a text and no tokens is one too: its token set is that vector alone.

Shapes: B texts, M tokens, D width.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from accelerate.utils import send_to_device

from optical_hf.models.fingerprint import encoder_fingerprint
from optical_hf.models.prompts import Task
from optical_hf.models.teacher_space import embedding_width, pooling_mode
from optical_hf.models.tokens import Encoder, TokenSet, iter_token_sets, preprocess, token_set
from optical_hf.models.views import Kind, kind_of

Features = dict[str, Any]


class Teacher(ABC):
    """A frozen source of token sets: the target of a student.

    Attributes:
        width: width of its vectors, D.
        pooling: how its tokens make its one vector ("mean", "cls", ...).
        kind: whether it searches with one vector a text or one a token; None where that is not known.
        encoders: the models that must be in memory for it; none where its vectors are kept.
        tokenizer: what cuts English texts into tokens; None where no text is cut.
        has_tokens: whether it has vectors of tokens; without, its token set is its one vector, and nothing can be moved onto that.
    """

    width: int
    pooling: str
    kind: Kind | None = None
    encoders: tuple[Encoder, ...] = ()
    tokenizer: Any = None
    has_tokens: bool = True

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """A hash that differs between teachers with different vectors."""

    @abstractmethod
    def features(self, texts: Sequence[str], *, task: Task = "query") -> Features:
        """What is read of a batch of texts before the vectors are made: a collator calls this in a loader's process.

        Args:
            texts: English texts.
            task: whether the texts are read as queries or as documents.
        """

    @abstractmethod
    def token_set(self, features: Features, task: Task = "query") -> TokenSet:
        """The token set of a batch of `features`, without gradient."""

    def check_texts(self, texts: Sequence[str], what: str = "English sides of the bitext") -> None:
        """Raise ValueError where it cannot read some of the texts, before the first is read; an encoder reads all."""
        return

    def iter_token_sets(self, texts: Sequence[str], batch_size: int = 64, task: Task = "query") -> Iterator[TokenSet]:
        """The token sets of texts, a padded batch at a time, in the order of the texts."""
        device = self.encoders[0].device if self.encoders else torch.device("cpu")
        for start in range(0, len(texts), batch_size):
            features = self.features(texts[start : start + batch_size], task=task)
            yield self.token_set(send_to_device(features, device), task)


class EncoderTeacher(Teacher):
    """A sentence-transformers model as a teacher.

    Args:
        model: from `load_teacher`.

    Raises:
        ValueError: for anything that is no SentenceTransformer or MultiVectorEncoder.

    Example:
        >>> from optical_hf.models.tiny import tiny_encoder
        >>> teacher = EncoderTeacher(tiny_encoder(["a dog"], width=16, vocabulary_size=30))
        >>> teacher.token_set(teacher.features(["a dog", "a red dog"])).vector_BD.shape
        torch.Size([2, 16])
    """

    def __init__(self, model: Encoder) -> None:
        self.kind = kind_of(model)
        self.model, self.encoders = model, (model,)
        self.tokenizer = getattr(model, "tokenizer", None)
        self.width, self.pooling = embedding_width(model), pooling_mode(model)

    @property
    def fingerprint(self) -> str:
        """The hash of all that decides its vectors."""
        return encoder_fingerprint(self.model)

    def features(self, texts: Sequence[str], *, task: Task = "query") -> Features:
        """The texts as the model's tokenizer cuts them, prompt and length limit included."""
        return preprocess(self.model, texts, task)

    @torch.no_grad()
    def token_set(self, features: Features, task: Task = "query") -> TokenSet:
        """The token set that the model computes."""
        return token_set(self.model, dict(features), self.model(dict(features), task=task), task)

    def iter_token_sets(self, texts: Sequence[str], batch_size: int = 64, task: Task = "query") -> Iterator[TokenSet]:
        """The token sets of texts; the model is in eval mode meanwhile."""
        return iter_token_sets(self.model, texts, batch_size=batch_size, task=task)


def as_teacher(teacher: Encoder | Teacher) -> Teacher:
    """A `Teacher` as it is, an encoder as one.

    Raises:
        ValueError: for anything else.
    """
    return teacher if isinstance(teacher, Teacher) else EncoderTeacher(teacher)
