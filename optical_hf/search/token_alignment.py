"""Why a document was found: which of its words stand for each word of the query.

"plan" is an unbalanced transport plan: the mass of the query is moved whole, and a token of the document takes what it can at a
price, so that no token takes all and words without a partner stay out. On gold alignments of words it makes fewer errors than the
nearest token (docs/log/2026-11/word_alignment.md). "maxsim" lets each token of the query choose alone: the softmax of
cosine / epsilon. Tokens are summed up by word.

Shapes: N query tokens, M document tokens, Q query words, W document words.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor

from optical_hf.models.tokens import Encoder
from optical_hf.ot import solve
from optical_hf.search.answers import Answer, FoundDocument
from optical_hf.search.query_list import Query
from optical_hf.search.word_tokens import WordTokens, word_tokens
from optical_hf.settings_checks import check_choices, check_counts

By = Literal["maxsim", "plan"]
EPSILON = 0.05
RHO = 0.1
"""The price of what a token of the document takes above or below its share of the mass, in units of the cosine."""


class Link(NamedTuple):
    """A word of a query and the word of the document that takes most of it.

    Attributes:
        query: the word.
        document: the other.
        share: of the query word's mass that it takes, in [0, 1].
        cosine: the highest between their tokens.
    """

    query: str
    document: str
    share: float
    cosine: float


@dataclass(frozen=True, eq=False)
class TokenAlignment:
    """A query and a document, word by word.

    Attributes:
        query: the query.
        document: one that was found for it.
        query_words: words of the query.
        document_words: words of the document, as far as its reader goes.
        share_QW: share of each query word's mass that goes to each word of the document.
        cosine_QW: the highest cosine between their tokens.
        by: how it was made.
    """

    query: Query
    document: FoundDocument
    query_words: list[str]
    document_words: list[str]
    share_QW: Tensor
    cosine_QW: Tensor
    by: By

    @property
    def links(self) -> list[Link]:
        """For each word of the query the word of the document that takes most of it."""
        return [
            Link(word, self.document_words[best], float(self.share_QW[row, best]), float(self.cosine_QW[row, best]))
            for row, (word, best) in enumerate(zip(self.query_words, self.share_QW.argmax(1).tolist(), strict=True))
        ]

    def chosen(self, count: int) -> list[int]:
        """The words of the document that take most of the query, at most `count`, in their order."""
        return sorted(self.share_QW.sum(0).topk(min(count, len(self.document_words))).indices.tolist())


def explain(
    student: Encoder,
    answers: Sequence[Answer],
    *,
    reader: Encoder | None = None,
    documents: int = 1,
    by: By = "plan",
    epsilon: float = EPSILON,
) -> list[TokenAlignment]:
    """Align the words of queries with those of the documents found for them.

    A student of one vector has vectors of tokens too; they are what its one vector is the mean of.

    Args:
        student: reads the queries.
        answers: from `student_search`.
        reader: reads the documents: the teacher of the index. None lets the student read their English, which is near it.
        documents: of each answer, the best ones.
        by: "plan" for the transport plan, or "maxsim".
        epsilon: entropic regularisation, in units of the cosine.

    Returns:
        An alignment for each document, answer by answer.

    Raises:
        ValueError: an unknown way, or a number out of its range.

    Example:
        >>> for link in explain(student, answers, reader=teacher)[0].links:  # doctest: +SKIP
        ...     print(link.query, link.document)
    """
    check_choices(by=(by, get_args(By)))
    check_counts(documents=documents)
    if not epsilon > 0:
        raise ValueError(f"epsilon is {epsilon}: expected a number above 0")
    found = []
    for answer in answers:
        query = word_tokens(student, answer.query.text, "query")
        for document in answer.documents[:documents]:
            if reader is None:
                words = word_tokens(student, document.text, "query")
            else:
                words = word_tokens(reader, document.text, "document")
            found.append(_aligned(answer.query, document, query, words, by, epsilon))
    return found


def _aligned(
    query: Query, document: FoundDocument, asked: WordTokens, read: WordTokens, by: By, epsilon: float
) -> TokenAlignment:
    cosine_NM = asked.token_ND @ read.token_ND.T
    if by == "plan":
        cost_1NM, held = 1 - cosine_NM.unsqueeze(0), (math.inf, RHO)
        plan_NM = solve(cost_1NM, solver="unbalanced", rho=held, epsilon=epsilon, kernel="torch").plan[0]
        share_NM = plan_NM / plan_NM.sum(1, keepdim=True).clamp(min=torch.finfo(torch.float32).tiny)
    else:
        share_NM = (cosine_NM / epsilon).softmax(1)
    size = len(asked.words), len(read.words)
    share_NW = torch.zeros(len(share_NM), size[1]).index_add_(1, read.word_N, share_NM)
    share_QW = torch.zeros(size).index_add_(0, asked.word_N, share_NW) / asked.word_N.bincount().unsqueeze(1)
    place_NM = asked.word_N[:, None] * size[1] + read.word_N[None]
    highest = torch.full((size[0] * size[1],), -1.0).scatter_reduce_(0, place_NM.flatten(), cosine_NM.flatten(), "amax")
    return TokenAlignment(query, document, asked.words, read.words, share_QW, highest.view(size), by)
