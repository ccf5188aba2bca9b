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

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, linear, normalize
from tqdm.auto import tqdm

from optical_hf.bars import bars_shown
from optical_hf.models.alignment.contrastive_map import TENTHS, ContrastiveMap, ContrastiveSettings, _draw
from optical_hf.models.alignment.own_rank import SAME
from optical_hf.models.alignment.packed_tokens import PackedTokens

BY_TOKENS = ContrastiveSettings(temperature=0.03, steps=300, queries_per_step=64, negatives=192, learning_rate=2e-3)
"""What `fit_contrastive_tokens` takes by default."""
CHUNK = 64  # documents scored together: what bounds the memory of a step


def fit_contrastive_tokens(
    sources: PackedTokens,
    own_N: Tensor,
    documents: PackedTokens,
    start: tuple[Tensor, Tensor | None],
    settings: ContrastiveSettings = BY_TOKENS,
    *,
    groups: Sequence[tuple[Tensor, float]] = (),
    progress: bool = False,
) -> ContrastiveMap:
    """The linear map under which source texts retrieve their documents by MaxSim, fitted by InfoNCE.

    Lengths of tokens do not matter: sources and mapped tokens are brought to a mean length of 1 for the fit, and back after it.

    Args:
        sources: tokens to be mapped.
        own_N: the number of each source text's document.
        documents: tokens that are searched; each different text once.
        start: weight (K, D) and bias (K,) to begin with; without a bias none is fitted.
        settings: temperature, steps and the like; `queries_per_step` source texts and `negatives` further documents a step.
        groups: row numbers of sources, and their share of each step; none draws from all rows alike.
        progress: show a progress bar.

    Returns:
        A `ContrastiveMap` in the dtype of the start.

    Raises:
        ValueError: for shapes that do not fit, a document that is not there, fewer than two different documents, or shares that
            do not sum to 1.

    Example:
        >>> generator = torch.Generator().manual_seed(0)
        >>> texts = [torch.randn(3, 4, generator=generator) for _ in range(50)]
        >>> sources, documents = PackedTokens.of(texts), PackedTokens.of([text[:, :3] for text in texts])
        >>> start = torch.ones(3, 4), torch.zeros(3)
        >>> found = fit_contrastive_tokens(sources, torch.arange(50), documents, start, ContrastiveSettings(steps=50))
        >>> found.loss[-1] < found.loss[0]
        True
    """
    weight_KD, bias_K = start
    _check(sources, own_N, documents, weight_KD, groups)
    mean_MK = _unit_means(documents)
    if bool((mean_MK @ mean_MK[0] >= SAME).all()):
        raise ValueError("all documents are one: pass pairs of at least two different English texts")
    length_in = _mean_length(sources)
    scaled = [weight_KD.detach().float() * length_in, *([] if bias_K is None else [bias_K.detach().float()])]
    some_QD = sources.tokens_TD[:10_000].float() / length_in
    length_out = float(linear(some_QD, *scaled).norm(dim=1).mean().clamp(min=1e-12))
    parameters = [tensor / length_out for tensor in scaled]

    def loss_of(generator: torch.Generator) -> Tensor:
        row_B = _drawn_rows(groups or [(torch.arange(len(sources)), 1.0)], settings.queries_per_step, generator)
        other_R = _draw(len(documents), settings.negatives, generator)
        candidate_C = torch.cat([own_N[row_B], other_R]).unique()
        source_QD, length_B = sources.rows(row_B)
        mapped_QK = normalize(linear(source_QD / length_in, *parameters), dim=1)
        score_BC = mean_maxsim(mapped_QK, length_B, documents, candidate_C)
        own_B = torch.searchsorted(candidate_C, own_N[row_B])
        same_BC = mean_MK[own_N[row_B]] @ mean_MK[candidate_C].T >= SAME
        same_BC[torch.arange(len(row_B)), own_B] = False
        return cross_entropy(score_BC.masked_fill(same_BC, -torch.inf) / settings.temperature, own_B)

    losses = _descend(parameters, loss_of, settings, progress)
    found = [tensor.detach() * length_out for tensor in parameters]
    if not all(bool(tensor.isfinite().all()) for tensor in found):
        raise ValueError("the fitted map is not finite: lower learning_rate, or raise temperature")
    tenths = [float(part.mean()) for part in torch.tensor(losses).tensor_split(TENTHS) if len(part)]
    bias_K = None if bias_K is None else found[1].to(bias_K)
    return ContrastiveMap((found[0] / length_in).to(weight_KD), bias_K, tenths)


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


def _descend(parameters, loss_of, settings, progress):
    generator = torch.Generator().manual_seed(settings.seed)
    optimizer = torch.optim.Adam([tensor.requires_grad_() for tensor in parameters], lr=settings.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, settings.steps)
    losses: list[float] = []
    for _ in tqdm(range(settings.steps), desc="Contrastive map of tokens", disable=not bars_shown(progress)):
        with torch.enable_grad():
            loss = loss_of(generator)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        losses.append(float(loss.detach()))
    return losses


def _drawn_rows(groups: Sequence[tuple[Tensor, float]], count: int, generator: torch.Generator) -> Tensor:
    """Rows of one step: of each group its share."""
    return torch.cat([rows[_draw(len(rows), round(share * count), generator)] for rows, share in groups])


def _unit_means(texts: PackedTokens) -> Tensor:
    sums_MK = torch.segment_reduce(
        texts.tokens_TD.float(), "mean", lengths=texts.length_N.to(texts.tokens_TD.device), axis=0
    )
    return normalize(sums_MK, dim=1)


def _mean_length(texts: PackedTokens) -> float:
    return float(texts.tokens_TD.float().norm(dim=1).mean().clamp(min=1e-12))


def _check(
    sources: PackedTokens,
    own_N: Tensor,
    documents: PackedTokens,
    weight_KD: Tensor,
    groups: Sequence[tuple[Tensor, float]],
) -> None:
    if len(sources) != len(own_N) or not bool(((own_N >= 0) & (own_N < len(documents))).all()):
        raise ValueError(
            f"{len(sources)} source texts, {len(own_N)} numbers of documents and {len(documents)} documents: expected the number "
            "of a document for each source text"
        )
    width_out, width_in = weight_KD.shape
    found = (sources.tokens_TD.shape[1], documents.tokens_TD.shape[1])
    if found != (width_in, width_out):
        raise ValueError(
            f"sources and documents are {found[0]} and {found[1]} wide, the start maps {width_in} to {width_out}: pass tokens of "
            "these widths"
        )
    if groups and abs(sum(share for _, share in groups) - 1) > 1e-6:
        raise ValueError(f"the groups' shares are {[share for _, share in groups]}: expected shares that sum to 1")
