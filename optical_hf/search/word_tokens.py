"""The words of a text and the token vectors of each, as a model reads it.

A word here is what stands between spaces, without punctuation; in a script that has no spaces it is a piece of the tokenizer.

Shapes: N tokens, D width.
"""

from collections.abc import Sequence
from typing import NamedTuple

import regex
import torch
from sentence_transformers.util import batch_to_device
from torch import Tensor

from optical_hf.models.prompts import Task, prompt_of
from optical_hf.models.tokens import Encoder, preprocess, token_set

UNSPACED = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}]")

ENDS = regex.compile(r"^[\p{P}\p{S}]+|[\p{P}\p{S}]+$")


class WordTokens(NamedTuple):
    """The words of a text.

    Attributes:
        words: in their order.
        word_N: the place of the word that each token belongs to.
        token_ND: vectors of the tokens, of unit length.
    """

    words: list[str]
    word_N: Tensor
    token_ND: Tensor


@torch.no_grad()
def word_tokens(model: Encoder, text: str, task: Task) -> WordTokens:
    """Read a text and sort the vectors of its tokens by word; special tokens, punctuation and the prompt are left out.

    Args:
        model: reads the text, up to its own limit of tokens.
        text: a query or a document.
        task: which of the two it is.
    """
    features = batch_to_device(preprocess(model, [text], task), model.device)
    was_training = model.training
    read = token_set(model.eval(), features, model(dict(features), task=task), task)
    model.train(was_training)
    places = read.content_BN[0].nonzero().squeeze(1)
    spans = _spans(model, text, task, features["input_ids"][0].tolist())
    words, word_N = _grouped([spans[place] for place in places.tolist()])
    return WordTokens(
        words, torch.tensor(word_N), torch.nn.functional.normalize(read.tokens_BND[0, places].cpu(), dim=1)
    )


class _Span(NamedTuple):
    """What a piece stands for, and where; no place where it is not known."""

    text: str
    start: int
    end: int


def _spans(model: Encoder, text: str, task: Task, ids: list[int]) -> list[_Span]:
    tokenizer, whole = model.tokenizer, f"{prompt_of(model, task) or ''}{text}"
    if getattr(tokenizer, "is_fast", False):
        encoded = tokenizer(whole, return_offsets_mapping=True, truncation=True, max_length=len(ids))
        if encoded["input_ids"] == ids:  # not where a model puts a marker into each text
            return [_trimmed(whole, start, end) for start, end in encoded["offset_mapping"]]
    pieces = tokenizer.convert_ids_to_tokens(ids)
    return [
        _Span(tokenizer.convert_tokens_to_string([piece]).strip(), 2 * n, 2 * n + 1) for n, piece in enumerate(pieces)
    ]


def _trimmed(text: str, start: int, end: int) -> _Span:
    """A span without the space that some tokenizers count to the piece behind it."""
    piece = text[start:end]
    start += len(piece) - len(piece.lstrip())
    return _Span(piece.strip(), start, start + len(piece.strip()))


def _grouped(spans: Sequence[_Span]) -> tuple[list[str], list[int]]:
    """Join pieces that follow each other without a space."""
    words: list[str] = []
    places: list[int] = []
    last = -1
    for span in spans:
        joined = words and span.start <= last and not (UNSPACED.search(span.text) or UNSPACED.search(words[-1]))
        if joined:
            words[-1] += span.text if span.start == last else ""
        else:
            words.append(span.text)
        places.append(len(words) - 1)
        last = max(last, span.end)
    return [ENDS.sub("", word) or word for word in words], places
