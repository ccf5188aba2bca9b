"""The rows of the contrastive map's gradient steps: bitext, English queries, documents, and those moved by a language's shift.

Shapes: M negatives, U vectors of documents that are not read, K teacher width.
"""

from dataclasses import replace

import torch
from torch import Tensor

from optical_hf.models.alignment.contrastive_map import ContrastiveRows
from optical_hf.models.alignment.first_pass import FirstPass
from optical_hf.models.alignment.index_documents import DocumentVectors
from optical_hf.models.alignment.map_descent import ContrastiveSettings
from optical_hf.models.alignment.own_rank import first_of_each

PASSES_OF_ENGLISH = 20
"""Without bitext more passes over few documents forget the other languages (docs/log/2026-11/alignment.md)."""


def few_passes(settings: ContrastiveSettings, *kinds: DocumentVectors | None) -> ContrastiveSettings:
    """The settings where all rows are English: at most `PASSES_OF_ENGLISH` passes over them."""
    return settings.at_most(PASSES_OF_ENGLISH, sum(len(rows.text_N) for rows in kinds if rows is not None))


def contrastive_rows(
    read: FirstPass,
    index: DocumentVectors | None,
    document_share: float,
    pseudo_foreign: float,
    queries: DocumentVectors | None = None,
    query_share: float = 0.0,
    sentences: DocumentVectors | None = None,
    relevance: DocumentVectors | None = None,
    unread_UK: Tensor | None = None,
) -> tuple[list[ContrastiveRows], Tensor]:
    """The kinds of rows of the gradient steps; and the negatives (M, K): a vector of each English text, and `unread_UK`.

    Args:
        read: the pairs, their vectors kept.
        index: the documents; None where there are none.
        document_share: share of a step's rows that are documents, where there are pairs too.
        pseudo_foreign: share of a step's documents that are moved by the difference foreign - English of a random pair.
        queries: English queries; None where there are none.
        query_share: share of a step's rows that are those, and the pairs of `relevance`; half of it each where there are both.
        sentences: of the documents, half of the documents' share; None where there are none.
        relevance: English queries whose targets are documents that answer them; None where there are none.
        unread_UK: further vectors of the index, which are negatives alone.

    Raises:
        ValueError: where all texts are one.
    """
    rows, targets, texts = [], [], []
    if read.pairs:
        rows.append(ContrastiveRows(*read.vectors.rows(), share=1 - document_share if index is not None else 1.0))
        targets, texts = [*read.vectors.targets], [*read.vectors.texts]
    if index is not None:
        share = document_share if read.pairs else 1.0
        shift_PD = read.vectors.shifts() if read.pairs and pseudo_foreign else None
        kinds = [index] if sentences is None else [index, sentences]
        rows += [ContrastiveRows(k.source_ND, k.target_NK, share / len(kinds), shift_PD, pseudo_foreign) for k in kinds]
        targets.append(index.target_NK)
        texts.append(index.text_N)
    asked = [kind for kind in (queries, relevance) if kind is not None]
    if asked:
        rows = [replace(kind, share=kind.share * (1 - query_share)) for kind in rows]
        rows += [ContrastiveRows(kind.source_ND, kind.target_NK, query_share / len(asked)) for kind in asked]
        targets += [kind.target_NK for kind in asked]
        texts += [kind.text_N for kind in asked]
    if not texts:
        raise ValueError("the bitext gave no pairs: pass at least one pair, or documents")
    first_M = first_of_each(torch.cat(texts))
    if len(first_M) < 2:
        raise ValueError("all texts are one English text: pass at least two different English texts")
    target_NK = torch.cat(targets)
    negatives_MK = target_NK[first_M.to(target_NK.device)]
    return rows, negatives_MK if unread_UK is None else torch.cat([negatives_MK, unread_UK.to(negatives_MK)])
