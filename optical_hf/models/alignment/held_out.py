"""R@1 among held-out pairs: how often a translation retrieves its own English side.

Every English side is a document; the question is how often the nearest one to the translation is its own. A small closed set
flatters: for numbers to report, use `optical_hf.evaluate_retrieval`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from sentence_transformers.util import cos_sim

from optical_hf.models.alignment.own_rank import own_rank, same_targets, text_numbers
from optical_hf.models.teacher_space import pooling_mode
from optical_hf.models.tokens import Encoder
from optical_hf.models.views import as_late_interaction, as_vector


@dataclass(frozen=True)
class HeldOutScore:
    """R@1 in [0, 1] among the held-out pairs, by one vector and by MaxSim."""

    pairs: int
    vector: float
    maxsim: float


@torch.no_grad()
def held_out_score(
    student: Encoder, teacher: Encoder, pairs: Sequence[Mapping[str, Any]], batch_size: int = 64
) -> HeldOutScore:
    """Search the English sides of `pairs` with their translations, by one vector and by MaxSim."""
    queries, documents = [p["target"] for p in pairs], [p["source"] for p in pairs]
    mode = pooling_mode(teacher)
    kwargs: dict[str, Any] = {"batch_size": batch_size, "show_progress_bar": False}
    document_SK = as_vector(teacher, mode).encode_document(documents, convert_to_tensor=True, **kwargs).float()
    same_SS = same_targets(text_numbers(documents), document_SK)
    score_SS = cos_sim(as_vector(student, mode).encode_query(queries, convert_to_tensor=True, **kwargs), document_SK)
    vector = (own_rank(score_SS, same_SS) == 1).float().mean()
    late, late_teacher = as_late_interaction(student), as_late_interaction(teacher)
    searched = [tokens_MK.float() for tokens_MK in late_teacher.encode_document(documents, **kwargs)]
    score_SS = late.similarity(late.encode_query(queries, **kwargs), searched)
    maxsim = (own_rank(score_SS, same_SS) == 1).float().mean()
    return HeldOutScore(len(pairs), float(vector), float(maxsim))


def split_held_out(bitext: Any, held_out: int, seed: int) -> tuple[Any, list[Mapping[str, Any]]]:
    """Take random English texts with all their pairs, at least `held_out` pairs, out of a `Dataset`: what is left, and those.

    Raises:
        ValueError: for a stream, and where nothing would be left.
    """
    if not held_out or bitext is None:
        return bitext, []
    if not isinstance(bitext, Dataset):
        raise ValueError(
            "held_out needs a datasets.Dataset: a stream cannot be sampled; pass held_out=0 or load it whole"
        )
    texts = text_numbers(bitext["source"][:]).tolist()
    pairs_of = Counter(texts)
    chosen: set[int] = set()
    count = 0
    for row in np.random.default_rng(seed).permutation(len(texts)):
        if count >= held_out:
            break
        if texts[row] not in chosen:
            chosen.add(texts[row])
            count += pairs_of[texts[row]]
    left = [row for row, text in enumerate(texts) if text not in chosen]
    if not left:
        raise ValueError(f"held_out={held_out} leaves nothing of {len(bitext)} pairs to fit on; ask for fewer")
    return bitext.select(left), list(bitext.select([row for row, text in enumerate(texts) if text in chosen]))
