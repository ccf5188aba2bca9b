"""A linear map of tokens fitted by InfoNCE over MaxSim: each source text is to retrieve its own document, token by token.

It knows nothing about models and texts: packed tokens come in, a weight and a bias go out. The score of a source text x with a
document y is, with s_n = normalize(W x_n + b) and document tokens t_m of unit length (Khattab and Zaharia 2020, arXiv:2004.12832):

    score(x, y) = mean over n of max over m of s_n . t_m

and the loss is the cross-entropy of the scores over the temperature (van den Oord, Li, Vinyals 2018, arXiv:1807.03748). The
candidates of a step are the documents of its texts and further ones drawn at random.

Shapes: N source texts, M documents, B texts and R further documents of a step, C candidates, Q tokens of the step's texts,
L tokens of the longest document of a chunk, D source width, K target width.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from optical_hf.models.alignment.map_descent import (
    ContrastiveMap,
    ContrastiveSettings,
    LinearMap,
    counts_of,
    descend,
    draw,
)
from optical_hf.models.alignment.own_rank import SAME
from optical_hf.models.alignment.packed_tokens import PackedTokens

BY_TOKENS = ContrastiveSettings(temperature=0.03, steps=300, queries_per_step=64, negatives=192, learning_rate=2e-3)
"""What `fit_contrastive_tokens` takes by default."""
CHUNK = 64  # documents scored together: what bounds the memory of a step
SOME = 20_000  # tokens of each kind that the mean lengths are taken from


@dataclass(frozen=True)
class TokenRows:
    """Source texts of one kind, such as bitext or index documents.

    Attributes:
        sources: tokens to be mapped.
        own_N: the number of each text's document.
        share: of a step, in proportion to the other kinds' shares.
    """

    sources: PackedTokens
    own_N: Tensor
    share: float = 1.0


def fit_contrastive_tokens(
    rows: Sequence[TokenRows],
    documents: PackedTokens,
    start: tuple[Tensor, Tensor | None],
    settings: ContrastiveSettings = BY_TOKENS,
    *,
    progress: bool = False,
) -> ContrastiveMap:
    """The linear map under which source texts retrieve their documents by MaxSim, fitted by InfoNCE.

    Lengths of tokens do not matter: sources and mapped tokens are brought to a mean length of 1 for the fit, and back after it.

    Args:
        rows: at least one kind of source texts; each step takes its share of each kind.
        documents: tokens that are searched; each different text once.
        start: weight (K, D) and bias (K,) to begin with; without a bias none is fitted.
        settings: temperature, steps and the like; `queries_per_step` source texts and `negatives` further documents a step.
        progress: show a progress bar.

    Returns:
        A `ContrastiveMap` in the dtype of the start.

    Raises:
        ValueError: for shapes that do not fit, a document that is not there, or fewer than two different documents.

    Example:
        >>> generator = torch.Generator().manual_seed(0)
        >>> texts = [torch.randn(3, 4, generator=generator) for _ in range(50)]
        >>> rows = TokenRows(PackedTokens.of(texts), torch.arange(50))
        >>> documents = PackedTokens.of([text[:, :3] for text in texts])
        >>> start = torch.ones(3, 4), torch.zeros(3)
        >>> loss = fit_contrastive_tokens([rows], documents, start, ContrastiveSettings(steps=50)).loss
        >>> loss[-1] < loss[0]
        True
    """
    _check(rows, documents, start[0])
    mean_MK = _unit_means(documents)
    if bool((mean_MK @ mean_MK[0] >= SAME).all()):
        raise ValueError("all documents are one: pass at least two different English texts")
    counts = counts_of([kind.share for kind in rows], settings.queries_per_step)

    def loss_of(mapped: LinearMap, generator: torch.Generator) -> Tensor:
        drawn = [draw(len(kind.own_N), count, generator) for kind, count in zip(rows, counts, strict=True)]
        parts = [kind.sources.rows(row_B) for kind, row_B in zip(rows, drawn, strict=True)]
        source_QD, length_B = map(torch.cat, zip(*parts, strict=True))
        own_B = torch.cat([kind.own_N[row_B] for kind, row_B in zip(rows, drawn, strict=True)])
        candidate_C = torch.cat([own_B, draw(len(documents), settings.negatives, generator)]).unique()
        score_BC = mean_maxsim(normalize(mapped(source_QD), dim=1), length_B, documents, candidate_C)
        place_B = torch.searchsorted(candidate_C, own_B)
        return own_against_others(score_BC / settings.temperature, place_B, mean_MK[candidate_C])

    some_QD = torch.cat([kind.sources.tokens_TD[:SOME].float() for kind in rows])
    return descend(start, some_QD, loss_of, settings, label="Contrastive map of tokens", progress=progress)


def own_against_others(score_BC: Tensor, own_B: Tensor, vector_CK: Tensor) -> Tensor:
    """Cross-entropy of the scores; a candidate whose vector equals that of the own one is no negative.

    Args:
        score_BC: of each source text with each candidate, over the temperature.
        own_B: the candidate that is right.
        vector_CK: a vector of unit length of each candidate.
    """
    own_B = own_B.to(score_BC.device)
    same_BC = vector_CK[own_B] @ vector_CK.T >= SAME
    same_BC[torch.arange(len(own_B), device=own_B.device), own_B] = False
    return cross_entropy(score_BC.masked_fill(same_BC, -torch.inf), own_B)


def mean_maxsim(query_QK: Tensor, length_B: Tensor, documents: PackedTokens, candidate_C: Tensor) -> Tensor:
    """MaxSim of each query with some documents, the mean over the query's tokens: (B, C).

    Args:
        query_QK: tokens of all queries end to end, of unit length.
        length_B: how many tokens each query has.
        documents: tokens of any length; they are normalised.
        candidate_C: the documents' numbers.
    """
    order_C = documents.length_N[candidate_C].argsort(stable=True)
    best: list[Tensor] = []
    for chunk in order_C.split(CHUNK):  # documents of one length together: little is filled up
        document_CLK = normalize(documents.repeated(candidate_C[chunk]), dim=-1)
        score_QCL = (query_QK @ document_CLK.flatten(0, 1).T).unflatten(1, document_CLK.shape[:2])
        best.append(score_QCL.max(dim=-1).values)
    best_QC = torch.cat(best, dim=1)[:, order_C.argsort()]
    return torch.segment_reduce(best_QC, "mean", lengths=length_B.to(best_QC.device), axis=0)


def _unit_means(texts: PackedTokens) -> Tensor:
    """The mean of each text's tokens, of unit length: equal where the tokens are."""
    lengths_N = texts.length_N.to(texts.tokens_TD.device)
    return normalize(torch.segment_reduce(texts.tokens_TD.float(), "mean", lengths=lengths_N, axis=0), dim=1)


def _check(rows: Sequence[TokenRows], documents: PackedTokens, weight_KD: Tensor) -> None:
    if not rows:
        raise ValueError("there are no source texts to fit on: pass at least one kind of rows")
    for kind in rows:
        if len(kind.sources) != len(kind.own_N) or not bool(((kind.own_N >= 0) & (kind.own_N < len(documents))).all()):
            raise ValueError(
                f"{len(kind.sources)} source texts, {len(kind.own_N)} numbers of documents and {len(documents)} documents: "
                "expected the number of a document for each source text"
            )
        width_out, width_in = weight_KD.shape
        found = (kind.sources.tokens_TD.shape[1], documents.tokens_TD.shape[1])
        if found != (width_in, width_out):
            raise ValueError(
                f"sources and documents are {found[0]} and {found[1]} wide, the start maps {width_in} to {width_out}: pass tokens "
                "of these widths"
            )
