"""Trim a student's vocabulary to the pieces a corpus uses.

A multilingual encoder keeps most of its weights in embeddings of pieces that a given language never meets. Texts of the
corpus are split as before, so their embeddings stay what they were, to the bit: a Unigram segmentation that was best
among all pieces is best among fewer, a WordPiece one takes the longest piece that is left. Where that fails (a word
with a character no piece has), every piece of the word is kept, and the corpus is read again to be sure.
The idea: Abdaoui, Pradel, Sigel 2020 (arXiv:2010.05609).
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer
from transformers import PreTrainedModel

from optical_hf.models.texts import Texts, texts_of
from optical_hf.models.tokens import Encoder
from optical_hf.models.vocabulary.student_vocabulary import embedding, plain_model, replace_tokenizer
from optical_hf.models.vocabulary.tokenizer_state import (
    State,
    pieces,
    pieces_within,
    read_state,
    rebuilt,
    runnable,
    select,
)

logger = logging.getLogger(__name__)

TEXTS_AT_ONCE = 1000


@dataclass(frozen=True)
class TrimReport:
    """The report of `trim_vocabulary`.

    Attributes:
        pieces_before: rows of the embedding matrix before.
        pieces_after: rows after.
        bytes_before: bytes of all the student's weights before.
        bytes_after: bytes after.
    """

    pieces_before: int
    pieces_after: int
    bytes_before: int
    bytes_after: int


def trim_vocabulary(student: Encoder, corpus: Texts) -> TrimReport:
    """Keep the pieces that a corpus uses, in place; embeddings of its texts stay exactly what they were.

    Special and added tokens and the pieces of the prompts are kept too. So is the piece of every single character in a kept piece:
    words of the same script that the corpus lacks can still be spelt.

    Args:
        student: a student, or any encoder on an XLM-R (Unigram) or BERT (WordPiece) tokenizer. Views of it made by
            `as_vector` and `as_late_interaction` share its backbone and are trimmed with it.
        corpus: texts, or a table of bitext, of which `target` is taken. Take all the student will read: bitext, queries,
            and a sample of the language at large.

    Returns:
        The number of pieces and the size of the weights, before and after.

    Raises:
        ValueError: for a tokenizer of another type, a backbone with an adapter, or no texts.

    Example:
        >>> student = load_student("intfloat/multilingual-e5-small", teacher)                   # doctest: +SKIP
        >>> trim_vocabulary(student, bitext).pieces_after                                       # doctest: +SKIP
        7123
    """
    model = plain_model(student)
    texts = _with_prompts(student, texts_of(corpus, "target"))
    state = read_state(student.tokenizer)
    whole = runnable(state)

    kept = _used(whole, texts) | _indispensable(state, model)
    kept |= _single_characters(state, kept)
    trimmed = select(state, sorted(kept))
    while changed := list(_changed(whole, runnable(trimmed), sorted(kept), texts)):
        logger.info("%d texts would be split otherwise: keeping every piece of their words", len(changed))
        kept |= pieces_within(state, changed)
        trimmed = select(state, sorted(kept))

    rows_before, bytes_before = embedding(model).num_embeddings, _bytes(student)
    _select_rows(model, sorted(kept))
    replace_tokenizer(student, rebuilt(student.tokenizer, trimmed))
    return TrimReport(rows_before, len(kept), bytes_before, _bytes(student))


def _with_prompts(student: Encoder, texts: Sequence[str]) -> list[str]:
    prompts = {prompt for prompt in (student.prompts or {}).values() if prompt}
    return [*texts, *(prompt + text for prompt in sorted(prompts) for text in texts)]


def _used(tokenizer: Tokenizer, texts: Sequence[str]) -> set[int]:
    found: set[int] = set()
    for part in _parts(texts):
        for encoding in tokenizer.encode_batch(part):
            found.update(encoding.ids)
    return found


def _indispensable(state: State, model: PreTrainedModel) -> set[int]:
    """Ids that tokenizer or model name, and those below the padding's, from which some models count positions."""
    found = {token["id"] for token in state["added_tokens"]}
    config = model.config.to_dict()
    found |= {value for name, value in config.items() if name.endswith("_token_id") and isinstance(value, int)}
    found |= set(range((config.get("pad_token_id") or 0) + 1))
    known = pieces(state)
    found &= set(known.values())
    if state["model"]["type"] == "Unigram":
        vocabulary = state["model"]["vocab"]
        # An unknown character costs what the rarest piece does and 10 more: without that piece it would grow cheaper.
        found.add(min(range(len(vocabulary)), key=lambda i: vocabulary[i][1]))
        if state["model"]["unk_id"] is not None:
            found.add(state["model"]["unk_id"])
        if state["model"].get("byte_fallback"):
            found |= {known[name] for byte in range(256) if (name := f"<0x{byte:02X}>") in known}
    else:
        found.add(known[state["model"]["unk_token"]])
    return found


def _single_characters(state: State, kept: set[int]) -> set[int]:
    prefix = state["model"].get("continuing_subword_prefix") or ""
    bare = {i: piece.removeprefix(prefix) if prefix else piece for piece, i in pieces(state).items()}
    characters = {character for i in kept for character in bare.get(i, "")}
    return {i for i, piece in bare.items() if piece in characters}


def _changed(whole: Tokenizer, trimmed: Tokenizer, kept: Sequence[int], texts: Sequence[str]) -> Iterator[str]:
    """The texts that the trimmed tokenizer splits otherwise."""
    for part in _parts(texts):
        pairs = zip(part, whole.encode_batch(part), trimmed.encode_batch(part), strict=True)
        yield from (text for text, old, new in pairs if [kept[i] for i in new.ids] != old.ids)


def _parts(texts: Sequence[str]) -> Iterator[list[str]]:
    for start in range(0, len(texts), TEXTS_AT_ONCE):
        yield list(texts[start : start + TEXTS_AT_ONCE])


def _select_rows(model: PreTrainedModel, kept: Sequence[int]) -> None:
    old = embedding(model).weight
    rows = old.detach()[torch.as_tensor(list(kept), device=old.device)].clone()
    model.resize_token_embeddings(len(kept), mean_resizing=False)
    with torch.no_grad():
        embedding(model).weight.requires_grad_(old.requires_grad).copy_(rows)
    for name, value in model.config.to_dict().items():
        if name.endswith("_token_id") and isinstance(value, int):
            setattr(model.config, name, kept.index(value) if value in kept else None)


def _bytes(model: Encoder) -> int:
    return sum(parameter.nbytes for parameter in model.parameters())
