"""The English documents of an index as training texts: the student reads each, and its target is its own vector in the index.

Shapes: N documents, D student width, K teacher width.
"""

from collections.abc import Sequence, Sized
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from datasets import Dataset
from torch import Tensor
from torch.nn.functional import normalize

from optical_hf.models.alignment.own_rank import own_rank, same_targets, text_numbers
from optical_hf.models.alignment.pooled_texts import PooledTexts
from optical_hf.tables import check_table

TEXT, VECTOR = "text", "vector"
MAX_DOCUMENTS = 20_000
"""Documents that a fit or a training reads unless it is told another number."""
Documents: TypeAlias = Dataset | Sequence[str]


@dataclass(frozen=True)
class DocumentVectors:
    """Documents as they were read.

    Attributes:
        source_ND: the student's vectors.
        target_NK: the vectors of the index.
        text_N: a number that says the text of each.
    """

    source_ND: Tensor
    target_NK: Tensor
    text_N: Tensor

    def split(self, held_out: int) -> tuple["DocumentVectors", "DocumentVectors"]:
        """All but the last `held_out`, and those."""
        cut = len(self.text_N) - held_out
        parts = [(t[:cut], t[cut:]) for t in (self.source_ND, self.target_NK, self.text_N)]
        first, last = zip(*parts, strict=True)
        return DocumentVectors(*first), DocumentVectors(*last)

    @torch.no_grad()
    def reproduced(self, weight_KD: Tensor, bias_K: Tensor | None) -> float:
        """R@1 in [0, 1] of each document's own vector among these, where the student reads its text through the map."""
        mapped_NK = normalize(torch.nn.functional.linear(self.source_ND, weight_KD, bias_K), dim=1)
        score_NN = mapped_NK @ normalize(self.target_NK, dim=1).T
        return float((own_rank(score_NN, same_targets(self.text_N, self.target_NK)) == 1).float().mean())


def sample_documents(documents: Documents, count: int, seed: int, width: int, what: str = "documents") -> Dataset:
    """At most `count` random documents, each text once.

    Args:
        documents: a `Dataset` with a column `text` and maybe `vector`, as `load_documents` gives it, or texts.
        count: the most that are taken.
        seed: of the choice and the order.
        width: of the teacher's vectors.
        what: what to call them.

    Raises:
        ValueError: for a table without texts, no documents, empty texts, or vectors of another width.
    """
    if isinstance(documents, str) or not isinstance(documents, Dataset):
        if isinstance(documents, str) or not all(isinstance(text, str) for text in documents):
            raise ValueError(
                f"{what}: expected a Dataset with a column 'text', or a list of texts; read files with load_documents(path)"
            )
        documents = Dataset.from_dict({TEXT: list(documents)})
    check_table(documents, [TEXT], what)
    if not len(documents):
        raise ValueError(f"{what}: there are none; pass at least two English texts")
    columns = [TEXT, VECTOR] if VECTOR in documents.column_names else [TEXT]
    chosen = documents.select_columns(columns).select(random_order(documents, seed)[:count])
    texts = chosen[TEXT][:]
    empty = sum(not (text or "").strip() for text in texts)
    if empty:
        raise ValueError(f"{what}: {empty} of {len(texts)} texts are empty: leave them out")
    if VECTOR in columns:
        check_widths(chosen[VECTOR][:], width, what)
    places = list({text: place for place, text in reversed(list(enumerate(texts)))}.values())
    return chosen.select(sorted(places)) if len(places) < len(texts) else chosen


def read_documents(chosen: Dataset, student: PooledTexts, teacher: PooledTexts) -> DocumentVectors:
    """The vectors of documents in the student's backbone and in the index.

    Args:
        chosen: from `sample_documents`; where it has no vectors the teacher reads the texts as documents.
        student: reads the texts as queries.
        teacher: of the index.

    Raises:
        ValueError: for vectors that are not finite, or of no length.
    """
    texts = chosen[TEXT][:]
    if VECTOR not in chosen.column_names:
        return DocumentVectors(student(texts), teacher(texts, task="document"), text_numbers(texts))
    target_NK = torch.as_tensor(chosen.with_format("torch")[VECTOR][:], dtype=torch.float32)
    check_vectors(target_NK)  # before anything is read
    source_ND = student(texts)
    return DocumentVectors(source_ND, target_NK.to(source_ND.device), text_numbers(texts))


def read_query_texts(chosen: Dataset, student: PooledTexts, teacher: PooledTexts) -> DocumentVectors:
    """The vectors of English queries, read as queries by both models.

    Args:
        chosen: from `sample_documents`; vectors they may have are not read.
        student: reads the texts.
        teacher: reads them too: its vectors are the targets.
    """
    texts = chosen[TEXT][:]
    return DocumentVectors(student(texts), teacher(texts), text_numbers(texts))


def random_order(documents: Dataset, seed: int) -> np.ndarray:
    """The order in which documents are taken."""
    return np.random.default_rng(seed).permutation(len(documents))


def check_widths(rows: Sequence[Sized], width: int, what: str) -> None:
    """Raise ValueError for vectors of another width."""
    found = {len(row) for row in rows} - {width}
    if found:
        raise ValueError(
            f"{what}: their vectors are {', '.join(map(str, sorted(found)))} wide, the teacher's {width}: pass the "
            "vectors that this teacher made"
        )


def check_vectors(vector_NK: Tensor) -> None:
    """Raise ValueError for vectors that are not finite, or of no length."""
    bad = int((~(vector_NK.norm(dim=1) > 0) | ~vector_NK.isfinite().all(dim=1)).sum())
    if bad:
        raise ValueError(
            f"documents: {bad} of {len(vector_NK)} vectors are NaN, infinite or zero: export them from the index again"
        )
