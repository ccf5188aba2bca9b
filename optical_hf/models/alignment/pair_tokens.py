"""The tokens of translated pairs, a batch at a time, from a teacher and a frozen student backbone.

Rounds of alignment read the same tokens again and again. They are kept in float16 while they fit a memory budget, and encoded
again when they do not. So a million pairs cost time and not memory.

Shapes: B pairs, N student tokens, M teacher tokens, D student width, K teacher width.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, NamedTuple

import torch
from sentence_transformers.sentence_transformer.modules import Pooling
from torch import Tensor
from tqdm.auto import tqdm

from optical_hf.bars import bars_shown
from optical_hf.models.alignment.own_rank import text_numbers
from optical_hf.models.teachers.teacher import Teacher
from optical_hf.models.tokens import TokenSet
from optical_hf.tables import language_of

ENGLISH = "en"
WINDOW = 100  # batches sorted by length together
LINEAR = ("mean", "cls", "lasttoken", "weightedmean")  # poolings that a linear map of the tokens goes through


class PairTokens(NamedTuple):
    """Both sides of a batch of pairs, and the languages.

    Attributes:
        student: the student's tokens before its projection.
        teacher: the teacher's tokens.
        languages: of the pairs.
        text_B: a number that says the English text of each pair: equal where it is the same.
        english: the English text of each pair.
    """

    student: TokenSet
    teacher: TokenSet
    languages: list[str]
    text_B: Tensor
    english: list[str]


class PairTokenReader:
    """The token sets of a bitext, batch by batch, as often as it is iterated over.

    Args:
        student: the tokens before the student's projection: `as_backbone` of it as a teacher, or the cache of that.
        teacher: the teacher.
        bitext: rows with `source` (English), `target` and maybe `language`; anything that can be iterated more than once.
        device: where the tokens are put.
        batch_size: pairs in a batch.
        memory_budget: bytes of float16 tokens kept between rounds; beyond it, batches are encoded again.
        progress: show a progress bar.
        also_english: after each batch yield its English side again, read by the student as a translation of itself ("en").
    """

    def __init__(
        self,
        student: Teacher,
        teacher: Teacher,
        bitext: Iterable[Mapping[str, Any]],
        *,
        device: torch.device | None = None,
        batch_size: int = 64,
        memory_budget: int = 2 * 2**30,
        progress: bool = True,
        also_english: bool = False,
    ) -> None:
        self.student, self.teacher, self.bitext = student, teacher, bitext
        self.device = device or torch.device("cpu")
        self.batch_size, self.memory_budget, self.progress = batch_size, memory_budget, progress
        self.also_english = also_english
        self._kept: list[PairTokens] | None = []

    def __iter__(self) -> Iterator[PairTokens]:
        if self._kept:
            for pair in self._kept:
                yield _cast(pair, torch.float32)
            return
        keep, used = self._kept is not None, 0
        kept: list[PairTokens] = []
        for pair in self._encode():
            if keep:
                half = _cast(pair, torch.float16)
                used += sum(t.nbytes for side in (half.student, half.teacher) for t in side)
                keep = used <= self.memory_budget
                if keep:
                    kept.append(half)
                else:
                    kept.clear()
            yield pair
        self._kept = kept if keep else None

    def _encode(self) -> Iterator[PairTokens]:
        rows = iter(self.bitext)
        with tqdm(desc="Encoding pairs", disable=not bars_shown(self.progress)) as bar:
            while window := list(islice(rows, WINDOW * self.batch_size)):
                window.sort(key=lambda row: len(row["target"]))
                codes, english = [language_of(row) for row in window], [row["source"] for row in window]
                teachers = self.teacher.iter_token_sets(english, self.batch_size)
                for start, found in zip(range(0, len(window), self.batch_size), teachers, strict=True):
                    batch = slice(start, start + self.batch_size)
                    teacher, text_B = self._moved(found), text_numbers(english[batch])
                    foreign = self._student_tokens([row["target"] for row in window[batch]])
                    yield PairTokens(foreign, teacher, codes[batch], text_B, english[batch])
                    if self.also_english:
                        itself = self._student_tokens(english[batch])
                        yield PairTokens(itself, teacher, [ENGLISH] * len(text_B), text_B, english[batch])
                    bar.update(len(text_B))

    def _student_tokens(self, texts: list[str]) -> TokenSet:
        (tokens,) = self.student.iter_token_sets(texts, batch_size=len(texts))
        return self._moved(tokens)

    def _moved(self, tokens: TokenSet) -> TokenSet:
        return TokenSet(*(tensor.to(self.device) for tensor in tokens))


def _cast(pair: PairTokens, dtype: torch.dtype) -> PairTokens:
    def side(tokens: TokenSet) -> TokenSet:
        return TokenSet(*(t.to(dtype) if t.is_floating_point() else t for t in tokens))

    return pair._replace(student=side(pair.student), teacher=side(pair.teacher))


def pooled(tokens: TokenSet, mode: str | tuple[str, ...]) -> Tensor:
    """Pool tokens before any normalisation, as sentence-transformers does: by the mask, on whichever side padding is.

    Raises:
        ValueError: for a pooling that is no weighted mean of the tokens with fixed weights, which no linear map can match.
    """
    if mode not in LINEAR:
        raise ValueError(
            f"pooling {mode!r} cannot be aligned in closed form: expected a model that pools by one of {', '.join(LINEAR)}"
        )
    features = {"token_embeddings": tokens.tokens_BND, "attention_mask": tokens.mask_BN.long()}
    found: Tensor = Pooling(tokens.tokens_BND.shape[-1], mode)(features)["sentence_embedding"]
    return found
