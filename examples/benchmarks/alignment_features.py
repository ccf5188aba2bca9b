"""Tokens of both models for pairs of texts, encoded once: what `alignment_variants.py` tries its variants on.

Shapes: B texts, N tokens, D width, L layers.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import torch
from sentence_transformers.util import batch_to_device
from torch import Tensor

from optical_hf.models import Encoder, preprocess_queries, token_set

LAYERS, BATCH = (3, 6, 10, 12), 64


class Text(NamedTuple):
    """The tokens of one text, float16; its ids; and which tokens carry content."""

    tokens_NLD: Tensor
    content_N: Tensor
    ids_N: Tensor


class Pair(NamedTuple):
    student: Text
    teacher: Text
    language: str


@torch.inference_mode()
def encode(model: Encoder, texts: list[str], layers: tuple[int, ...] = ()) -> list[Text]:
    """Tokens of every text, in order; of the model's backbone at `layers`, or of the whole model."""
    order, found = sorted(range(len(texts)), key=lambda i: len(texts[i])), {}
    for start in range(0, len(order), BATCH):
        rows = order[start : start + BATCH]
        features = batch_to_device(preprocess_queries(model, [texts[i] for i in rows]), model.device)
        if layers:
            output = model[0].model(
                input_ids=features["input_ids"], attention_mask=features["attention_mask"], output_hidden_states=True
            )
            states_BNLD = torch.stack([output.hidden_states[layer] for layer in layers], dim=2)
            seen = {"token_embeddings": states_BNLD[:, :, -1], "attention_mask": features["attention_mask"]}
        else:
            seen = model(dict(features), task="query")
            states_BNLD = seen["token_embeddings"].unsqueeze(2)
        tokens = token_set(model, features, seen)
        for row, i in enumerate(rows):
            real = tokens.mask_BN[row]
            found[i] = Text(
                states_BNLD[row, real].half(), tokens.content_BN[row, real], features["input_ids"][row, real]
            )
    return [found[i] for i in range(len(texts))]


def read_pairs(student: Encoder, teacher: Encoder, rows: Iterable[dict], keep: Path | None = None) -> list[Pair]:
    """Both sides of pairs, encoded; or read from the file `keep`, which is written otherwise."""
    if keep is not None and keep.exists():
        return [Pair(Text(*own), Text(*other), code) for own, other, code in torch.load(keep)]
    rows = list(rows)
    teachers = encode(teacher, [row["source"] for row in rows])
    students = encode(student, [row["target"] for row in rows], LAYERS)
    pairs = [Pair(s, t, row["language"]) for s, t, row in zip(students, teachers, rows, strict=True)]
    if keep is not None:
        torch.save([(tuple(own), tuple(other), code) for own, other, code in pairs], keep)
    return pairs
