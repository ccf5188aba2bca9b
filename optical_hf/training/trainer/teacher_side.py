"""The teacher's side of a batch: the English sides, and the relevant documents that are searched in their place.

Vectors that the rows came with, such as those of an index, stand in place of what the teacher would read.

Shapes: B pairs, K teacher width.
"""

from collections.abc import Mapping
from typing import Any

import torch
from datasets import Dataset
from torch import Tensor

from optical_hf.models import TokenSet
from optical_hf.models.teachers.teacher import Teacher


def english_side(teacher: Teacher, inputs: Mapping[str, Any]) -> TokenSet:
    """The token sets of the English sides.

    Args:
        teacher: reads them as queries; not at all where every row has a vector and the collator left it unread.
        inputs: a batch of `PairCollator`.

    Returns:
        The token sets, each vector the one that its row came with. Where the teacher did not read all rows, a text's vector is its
        one token.
    """
    given_BK = inputs.get("vectors")
    read = teacher.token_set(inputs["teacher"]) if "teacher" in inputs else None
    if given_BK is None:
        assert read is not None
        return read
    unknown_B = given_BK.isnan().any(dim=1)
    if read is not None and len(read.vector_BD) == len(given_BK):
        vector_BK = torch.where(unknown_B.unsqueeze(1), read.vector_BD, given_BK.to(read.vector_BD))
        return read._replace(vector_BD=vector_BK)
    vector_BK = given_BK.clone()
    if read is not None:
        vector_BK[unknown_B] = read.vector_BD.to(vector_BK)
    mask_B1 = torch.ones_like(unknown_B).unsqueeze(1)
    return TokenSet(vector_BK.unsqueeze(1), mask_B1, mask_B1, vector_BK)


def relevant_side(teacher: Teacher, inputs: Mapping[str, Any], english: TokenSet | None = None) -> Tensor | None:
    """The vectors of the relevant documents of a batch (B, K), the English side's where a row has none; None without such a column.

    Args:
        teacher: reads them as documents.
        inputs: a batch of `PairCollator`.
        english: what `english_side` gave for it, where it is known already.
    """
    read_RK = teacher.token_set(inputs["relevant"], "document").vector_BD if "relevant" in inputs else None
    has_relevant_B = inputs.get("has_relevant")
    if has_relevant_B is None or bool(has_relevant_B.all()):
        return read_RK
    vector_BK = (english or english_side(teacher, inputs)).vector_BD.clone()
    if read_RK is not None:
        vector_BK[has_relevant_B] = read_RK.to(vector_BK)
    return vector_BK


def unread_texts(rows: Dataset, needs_tokens: bool) -> list[str]:
    """The English sides of bitext that the teacher is to read.

    Args:
        rows: with `source`, and maybe `vector`.
        needs_tokens: whether it reads those of rows with a vector too.
    """
    texts: list[str] = rows["source"][:]
    if needs_tokens or "vector" not in rows.column_names:
        return texts
    known = rows.with_format("arrow")["vector"][:].is_valid().to_pylist()
    return [text for text, given in zip(texts, known, strict=True) if not given]
