"""Token sets: the vectors that a sentence-transformers model gives for the tokens of texts.

Turns texts into padded token vectors with two masks. One is for the tokens that exist, the other for those that carry content:
special tokens such as [CLS] and </s> and punctuation are left out.

Shapes: B texts, N tokens after padding, D width.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import regex
import torch
from sentence_transformers.util import batch_to_device, repad_flattened_features
from tokenizers.decoders import ByteLevel
from torch import Tensor
from tqdm.auto import tqdm
from transformers import PreTrainedTokenizerBase

from optical_hf.bars import bars_shown
from optical_hf.models.layers import layer_average
from optical_hf.models.prompts import Task, prompt_of
from optical_hf.models.views import Encoder
from optical_hf.models.weights import HALF
from optical_hf.ot import content_mask

# Letters, marks, numbers, Chinese radicals, emoji, and what is left of a character that was cut between its bytes.
_CONTENT = regex.compile(
    r"(?V1)[\p{L}\p{M}\p{N}\p{Han}\p{Emoji_Modifier}\p{Regional_Indicator}\uFFFD[\p{Extended_Pictographic}--\p{P}]]"
)
_BYTE = regex.compile(r"<0x([0-9A-F]{2})>")
_LETTERS_TO_BYTES = ByteLevel()


class TokenSet(NamedTuple):
    """The tokens of a batch of texts.

    Attributes:
        tokens_BND: token vectors as the model searches or pools them. Of a late-interaction model they have unit length, where it
            normalises its tokens as ours do. Of a one-vector model they have any length: its pooled vector alone is normalised.
        mask_BN: True where a token exists.
        content_BN: True where a token exists and is neither special nor punctuation nor of the prompt, as its text decides and not
            the tokenizer's spelling of it; `mask_BN` for a text of nothing else.
        vector_BD: the text's one vector where the model has one, else the mean of its tokens, which is not of unit length.
    """

    tokens_BND: Tensor
    mask_BN: Tensor
    content_BN: Tensor
    vector_BD: Tensor


def preprocess(model: Encoder, texts: Sequence[str], task: Task) -> dict[str, Any]:
    """Tokenize texts as `encode_query` or `encode_document` does: the model's own tokenizer, length limit, prompt and marker."""
    return model.preprocess(list(texts), prompt=prompt_of(model, task), task=task)


def preprocess_queries(model: Encoder, texts: Sequence[str]) -> dict[str, Any]:
    """Tokenize texts as the model tokenizes queries, so that training and searching see the same tokens."""
    return preprocess(model, texts, "query")


@lru_cache(maxsize=16)
def empty_ids(tokenizer: PreTrainedTokenizerBase, size: int) -> tuple[int, ...]:
    """Ids of the pieces that carry no content: special tokens, but not the unknown one, and punctuation.

    What leaving both out of the plans is worth: docs/log/2026-11/alignment.md. `size` is `len(tokenizer)`: a tokenizer whose
    vocabulary was trimmed or extended is read again, not remembered.
    """
    special = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}
    backend: Any = getattr(tokenizer, "backend_tokenizer", None)
    of_bytes = "ByteLevel" in f"{getattr(backend, 'pre_tokenizer', None)} {getattr(backend, 'decoder', None)}"
    end = getattr(getattr(backend, "model", None), "end_of_word_suffix", None) or ""
    pieces = tokenizer.get_vocab().items()
    plain = {number for piece, number in pieces if not _CONTENT.search(_text_of(piece.removesuffix(end), of_bytes))}
    return tuple(sorted(special | (plain - {tokenizer.unk_token_id})))


def _text_of(piece: str, of_bytes: bool) -> str:
    """What a piece stands for; marks of a word's beginning or inside ("##", "\u2581") may stay, they are no content either."""
    if byte := _BYTE.fullmatch(piece):
        return bytes.fromhex(byte[1]).decode("utf-8", "replace")
    return _LETTERS_TO_BYTES.decode([piece]) if of_bytes else piece


def token_set(model: Encoder, features: dict[str, Any], output: dict[str, Any], task: Task = "query") -> TokenSet:
    """Read the token set from what a model returned for `features`; `model` must not be wrapped (DDP, compile).

    Raises:
        ValueError: where hidden layers were to be averaged and the backbone returned none.
    """
    if "token_embeddings" not in output:
        # A CLIP text tower has one vector in the joint space and no tokens there: the vector is its one token.
        vector_BD = _full(output["sentence_embedding"])
        mask_B1 = torch.ones(len(vector_BD), 1, dtype=torch.bool, device=vector_BD.device)
        return TokenSet(vector_BD.unsqueeze(1), mask_B1, mask_B1, vector_BD)
    if layer_average(model) is not None and "all_layer_embeddings" not in output:
        raise ValueError(
            "the model averages hidden layers and its backbone returned none: the last layer would silently be taken in their "
            "place; load it with load_student, or set model[0].model.config.output_hidden_states = True"
        )
    if "cu_seq_lens_q" in output:  # flash attention read the texts end to end, without padding
        output = repad_flattened_features(dict(output))
    tokens_BND = _full(output["token_embeddings"])
    mask_BN = output["attention_mask"].bool()
    content_BN = mask_BN
    ids_BN = output.get("input_ids", features.get("input_ids"))
    if ids_BN is not None and ids_BN.shape == mask_BN.shape:
        found_BN = content_mask(ids_BN, mask_BN, empty_ids(model.tokenizer, len(model.tokenizer)))
        found_BN &= _behind_the_prompt(model, features, mask_BN, task)
        content_BN = torch.where(found_BN.any(dim=1, keepdim=True), found_BN, mask_BN)
    if output.get("sentence_embedding") is not None:
        return TokenSet(tokens_BND, mask_BN, content_BN, _full(output["sentence_embedding"]))
    weight_BN1 = mask_BN.unsqueeze(-1).to(tokens_BND.dtype)
    return TokenSet(tokens_BND, mask_BN, content_BN, (tokens_BND * weight_BN1).sum(1) / weight_BN1.sum(1).clamp(min=1))


def _behind_the_prompt(model: Encoder, features: dict[str, Any], mask_BN: Tensor, task: Task) -> Tensor:
    """True behind the prompt, which says nothing of the text it stands in front of."""
    prompt, real_BN = prompt_of(model, task), features.get("attention_mask", mask_BN)
    if not prompt or "prompt_length" not in features or real_BN.shape != mask_BN.shape:
        return torch.ones_like(mask_BN)
    return real_BN.cumsum(dim=1) > _prompt_pieces(model.tokenizer, prompt.rstrip(), len(model.tokenizer))


@lru_cache(maxsize=64)
def _prompt_pieces(tokenizer: PreTrainedTokenizerBase, prompt: str, size: int) -> int:
    """Pieces of a prompt in front of a text, with what the tokenizer puts before it; a space at its end is the text's."""
    ids = tokenizer(prompt)["input_ids"]
    return len(ids) - (ids[-1] in tokenizer.all_special_ids)


def _full(values: Tensor) -> Tensor:
    """In float32 where a teacher was loaded in half precision: costs and sums are made of them."""
    return values.float() if values.dtype in HALF else values


@torch.no_grad()
def iter_token_sets(
    model: Encoder,
    texts: Sequence[str],
    *,
    batch_size: int = 64,
    task: Task = "query",
    progress: str | None = None,
) -> Iterator[TokenSet]:
    """Encode texts in order, a padded batch at a time, without gradients.

    Args:
        model: the encoder; put in eval mode for the pass and put back after it.
        texts: the texts; sort them by length beforehand to waste little on padding.
        batch_size: texts in a batch.
        task: whether the texts are read as queries or as documents.
        progress: the label of a progress bar; None shows none.

    Yields:
        One `TokenSet` a batch, on the model's device.
    """
    was_training = model.training
    model.eval()
    try:
        for start in tqdm(
            range(0, len(texts), batch_size), desc=progress, disable=not bars_shown(progress is not None)
        ):
            features = batch_to_device(preprocess(model, texts[start : start + batch_size], task), model.device)
            yield token_set(model, features, model(dict(features), task=task), task)
    finally:
        model.train(was_training)
