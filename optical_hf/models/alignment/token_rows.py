"""The rows of the gradient steps by MaxSim: bitext and index documents as packed tokens, and the documents they search.

Shapes: N texts, M different English texts.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from optical_hf.models.alignment.contrastive_tokens import TokenRows
from optical_hf.models.alignment.index_documents import DocumentVectors
from optical_hf.models.alignment.own_rank import first_of_each, text_numbers
from optical_hf.models.alignment.packed_tokens import PackedTokens
from optical_hf.models.alignment.pair_tokens import PairTokens, pooled
from optical_hf.models.prompts import Task
from optical_hf.models.teachers.teacher import Teacher
from optical_hf.models.tokens import TokenSet


@dataclass
class PackedPairs:
    """Content tokens of both sides of the pairs, batch by batch.

    Attributes:
        tokens_per_text: the most that are kept of a text.
        foreign: the student's tokens of the foreign sides.
        english: its tokens of the English sides; empty where it reads none.
        targets: the teacher's tokens of the English sides.
        texts: a number that says the English text of each pair.
    """

    tokens_per_text: int
    foreign: list[PackedTokens] = field(default_factory=list)
    english: list[PackedTokens] = field(default_factory=list)
    targets: list[PackedTokens] = field(default_factory=list)
    texts: list[Tensor] = field(default_factory=list)

    def add(self, pair: PairTokens) -> None:
        """Add foreign sides."""
        self.foreign.append(PackedTokens.of_set(pair.student, self.tokens_per_text))
        self.targets.append(PackedTokens.of_set(pair.teacher, self.tokens_per_text))
        self.texts.append(pair.text_B)

    def add_english(self, pair: PairTokens) -> None:
        """Add the English sides of the pairs just added, as the student reads them."""
        self.english.append(PackedTokens.of_set(pair.student, self.tokens_per_text))


@dataclass(frozen=True)
class DocumentTokens:
    """Index documents as they were read: their pooled vectors; and where MaxSim is to find them, their content tokens.

    Attributes:
        vectors: of both models.
        sources: the student's tokens.
        targets: the teacher's.
    """

    vectors: DocumentVectors
    sources: PackedTokens | None = None
    targets: PackedTokens | None = None

    def split(self, held_out: int) -> tuple["DocumentTokens", DocumentVectors]:
        """All but the last `held_out`, and the vectors of those."""
        first, last = self.vectors.split(held_out)
        row_N = torch.arange(len(first.text_N))
        return DocumentTokens(first, *(side and side.select(row_N) for side in (self.sources, self.targets))), last


def read_document_tokens(
    texts: Sequence[str],
    student: Teacher,
    teacher: Teacher,
    tokens_per_text: int,
    batch_size: int,
    device: torch.device,
) -> DocumentTokens:
    """Read documents, the student as queries and the teacher as documents.

    Args:
        texts: the documents.
        student: the frozen backbone.
        teacher: of the index.
        tokens_per_text: the most that are kept of a document.
        batch_size: texts read together.
        device: where the tokens are put.
    """
    order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
    sides: list[tuple[Tensor, PackedTokens]] = []
    read_as: tuple[tuple[Teacher, Task], ...] = ((student, "query"), (teacher, "document"))
    for reader, task in read_as:
        packs, vectors = [], []
        for found in reader.iter_token_sets([texts[place] for place in order], batch_size, task):
            tokens = TokenSet(*(tensor.to(device) for tensor in found))
            packs.append(PackedTokens.of_set(tokens, tokens_per_text))
            vectors.append(pooled(tokens, teacher.pooling).float())
        back_N = torch.tensor(order).argsort()
        vector_ND = torch.cat(vectors)
        sides.append((vector_ND[back_N.to(device)], PackedTokens.joined(packs).select(back_N)))
    (source_ND, sources), (target_NK, targets) = sides
    return DocumentTokens(DocumentVectors(source_ND, target_NK, text_numbers(texts)), sources, targets)


def token_rows(
    pairs: PackedPairs, index: DocumentTokens | None, document_share: float
) -> tuple[list[TokenRows], PackedTokens]:
    """The kinds of rows of the gradient steps, and the tokens of each different English text, which they search.

    Foreign and English sides have equal shares. A text that is a document and stands in the bitext too is searched as the document.

    Args:
        pairs: the bitext; may be empty.
        index: the documents; None where there are none.
        document_share: share of a step's texts that are documents, where there are pairs too.

    Raises:
        ValueError: where all texts are one, or there are none.
    """
    texts, targets, rows = [*pairs.texts], [*pairs.targets], []
    if index is not None and index.sources is not None and index.targets is not None:
        texts, targets = [index.vectors.text_N, *texts], [index.targets, *targets]
    if not texts:
        raise ValueError("the bitext gave no pairs: pass at least one pair, or documents")
    text_N = torch.cat(texts)
    first_M = first_of_each(text_N)
    if len(first_M) < 2:
        raise ValueError("all texts are one English text: pass at least two different English texts")
    order_M = text_N[first_M].argsort()
    own_N = order_M[torch.searchsorted(text_N[first_M][order_M], text_N)]
    share = 1.0
    if index is not None and index.sources is not None:
        share = 1 - document_share
        rows.append(TokenRows(index.sources, own_N[: len(index.sources)], document_share if pairs.texts else 1.0))
        own_N = own_N[len(index.sources) :]
    if pairs.texts:
        rows.append(TokenRows(PackedTokens.joined(pairs.foreign), own_N, share / 2 if pairs.english else share))
    if pairs.english:
        once = first_of_each(own_N)
        rows.append(TokenRows(PackedTokens.joined(pairs.english).select(once), own_N[once], share / 2))
    return rows, PackedTokens.joined(targets).select(first_M)
