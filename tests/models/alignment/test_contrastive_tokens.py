"""The map of tokens fitted by InfoNCE over MaxSim: its scores are the library's, its loss the formula, its search better."""

from dataclasses import replace

import pytest
import torch
from sentence_transformers import util
from torch.nn.functional import normalize

from optical_hf.models.alignment.contrastive_tokens import TokenRows, fit_contrastive_tokens, mean_maxsim
from optical_hf.models.alignment.map_descent import ContrastiveSettings
from optical_hf.models.alignment.own_rank import mean_reciprocal_rank
from optical_hf.models.alignment.packed_tokens import PackedTokens
from optical_hf.models.alignment.ridge_regression import NormalEquations

FEW = ContrastiveSettings(0.05, steps=150, queries_per_step=24, negatives=40, learning_rate=2e-2)
MAP_KD = torch.randn(6, 10, generator=torch.Generator().manual_seed(9))


def texts(count: int, noise: float = 0.0, seed: int = 0) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Documents of 2 to 5 tokens; sources hold them in reverse order, mapped to another width.

    With noise, half of a token varies little and is read exactly, and the half that varies much is hidden by the noise.
    """
    generator = torch.Generator().manual_seed(seed)
    scale_K = torch.tensor([1.0] * 3 + [0.3 if noise else 1.0] * 3)
    documents = [torch.randn(2 + n % 4, 6, generator=generator) * scale_K for n in range(count)]
    noise_K = noise * torch.tensor([1.0] * 3 + [0.0] * 3)
    sources = [(d.flip(0) + noise_K * torch.randn(d.shape, generator=generator)) @ MAP_KD for d in documents]
    return sources, documents


def rank(
    sources: list[torch.Tensor], documents: list[torch.Tensor], weight_KD: torch.Tensor, bias_K: torch.Tensor
) -> float:
    """What a late-interaction student with this projection finds."""
    mapped = [normalize(source @ weight_KD.T + bias_K, dim=1) for source in sources]
    score_SS = util.maxsim(mapped, [normalize(document, dim=1) for document in documents])
    return mean_reciprocal_rank(score_SS, torch.arange(len(documents)), torch.stack([d.mean(0) for d in documents]))


def fit(sources, documents, start, settings=FEW, own_N=None):
    rows = TokenRows(PackedTokens.of(sources), torch.arange(len(sources)) if own_N is None else own_N)
    return fit_contrastive_tokens([rows], PackedTokens.of(documents), start, settings)


def random_start() -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(6, 10, generator=torch.Generator().manual_seed(3)), torch.zeros(6)


def test_scores_are_those_of_the_library():
    sources, documents = texts(90)
    mapped = [normalize(source @ MAP_KD.T, dim=1).half().float() for source in sources[:7]]
    chosen = torch.randperm(90, generator=torch.Generator().manual_seed(0))[:80]  # more than a chunk, in any order
    packed = PackedTokens.of(documents)
    found = mean_maxsim(torch.cat(mapped), torch.tensor([len(m) for m in mapped]), packed, chosen)
    searched = [normalize(documents[i].half().float(), dim=1) for i in chosen]
    assert torch.allclose(found, util.mean_maxsim(mapped, searched), atol=1e-6)


def test_a_known_map_is_recovered_from_a_random_start():
    found = fit(*texts(150), random_start())
    new = texts(100, seed=5)
    assert rank(*new, *random_start()) < 0.3
    assert rank(*new, found.weight_KD, found.bias_K) > 0.95
    assert len(found.loss) == 10
    assert found.loss[-1] < found.loss[0]


def test_it_retrieves_more_than_the_regression_where_tokens_are_noisy():
    sources, documents = texts(200, noise=0.6)
    sums = NormalEquations.zeros(10, 6)
    sums.add(torch.cat(sources), torch.cat([document.flip(0) for document in documents]))
    start = tuple(tensor.float() for tensor in sums.solve(1e-3))
    found = fit(sources, documents, start)
    new = texts(150, noise=0.6, seed=5)
    assert rank(*new, found.weight_KD, found.bias_K) > rank(*new, *start) + 0.02


def test_the_first_loss_is_the_formula_and_equal_documents_are_no_negatives():
    sources, documents = texts(6)
    documents[3] = documents[0].clone()
    start = random_start()
    one = ContrastiveSettings(0.1, steps=1, queries_per_step=6, negatives=6)
    loss = fit(sources, documents, start, one).loss[0]
    mapped = [normalize(s.half().float() @ start[0].T, dim=1) for s in sources]
    score_BC = util.mean_maxsim(mapped, [normalize(d.half().float(), dim=1) for d in documents]) / 0.1
    score_BC[0, 3] = score_BC[3, 0] = -torch.inf
    assert loss == pytest.approx(-float(score_BC.log_softmax(dim=1).diagonal().mean()), abs=1e-5)


def test_several_sources_of_one_document_share_it():
    sources, documents = texts(5)
    settings = ContrastiveSettings(0.1, steps=1, queries_per_step=10, negatives=0)
    twice = fit(sources * 2, documents, random_start(), settings, own_N=torch.arange(5).repeat(2)).loss
    once = fit(sources, documents, random_start(), settings).loss
    assert twice == pytest.approx(once, abs=1e-5)


def test_the_seed_decides_and_the_global_generator_is_left_alone():
    both, before = texts(80, noise=0.5), torch.random.get_rng_state()
    short = replace(FEW, steps=5)
    first, again, other = (fit(*both, random_start(), replace(short, seed=seed)).weight_KD for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.allclose(first, other, atol=1e-4)
    assert torch.equal(before, torch.random.get_rng_state())


def test_lengths_change_nothing_but_the_length():
    sources, documents = texts(60, noise=0.5)
    weight_KD, bias_K = random_start()
    short = replace(FEW, steps=10)
    one = fit(sources, documents, (weight_KD, bias_K), short)
    long = fit([s * 8 for s in sources], [d * 4 for d in documents], (weight_KD / 8 * 4, bias_K), short)
    assert torch.allclose(one.weight_KD / 8 * 4, long.weight_KD, rtol=1e-3, atol=1e-3)


def test_kinds_of_rows_get_their_shares():
    sources, documents = texts(40)
    packed, settings = PackedTokens.of(documents), replace(FEW, steps=1, queries_per_step=12, negatives=40)
    one, other = (
        TokenRows(PackedTokens.of(sources[own]), torch.arange(40)[own], share)
        for own, share in ((slice(10), 5), (slice(10, 12), 1))
    )
    # Every row of both kinds and every document are in the one step: the loss is the mean over twelve rows.
    losses = [
        fit_contrastive_tokens(rows, packed, random_start(), settings).loss[0]
        for rows in ([one, other], [one], [other])
    ]
    assert losses[0] == pytest.approx((10 * losses[1] + 2 * losses[2]) / 12, abs=1e-5)


def test_a_start_without_bias_gets_none():
    found = fit(*texts(20), (random_start()[0], None), replace(FEW, steps=3))
    assert found.bias_K is None
    assert len(found.loss) == 3


def test_what_cannot_be_fitted_is_refused():
    sources, documents = texts(20)
    with pytest.raises(ValueError, match="20 source texts, 19 numbers of documents"):
        fit(sources, documents, random_start(), own_N=torch.arange(19))
    with pytest.raises(ValueError, match="20 source texts, 20 numbers of documents and 19 documents"):
        fit(sources, documents[:19], random_start())
    with pytest.raises(ValueError, match="10 and 10 wide, the start maps 10 to 6"):
        fit(sources, sources, random_start())
    with pytest.raises(ValueError, match="all documents are one"):
        fit(sources, documents[:1] * 20, random_start())
    with pytest.raises(ValueError, match="at least one kind of rows"):
        fit_contrastive_tokens([], PackedTokens.of(documents), random_start())
