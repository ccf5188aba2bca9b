"""The map fitted by InfoNCE: recovers a known map, beats the regression on noise, and is what the saved student computes."""

import math

import pytest
import tiny_pairs
import torch
from datasets import Dataset
from torch.nn.functional import normalize

from optical_hf.models import as_backbone, fit_alignment, token_projection
from optical_hf.models.alignment.contrastive_map import ContrastiveSettings, fit_contrastive, info_nce
from optical_hf.models.alignment.first_pass import PooledRows
from optical_hf.models.alignment.own_rank import mean_reciprocal_rank
from optical_hf.models.alignment.pair_tokens import pooled
from optical_hf.models.alignment.ridge_regression import NormalEquations
from optical_hf.models.teachers.teacher import EncoderTeacher
from optical_hf.training import save_student

FEW = ContrastiveSettings(steps=200, queries_per_step=64, negatives=128, learning_rate=1e-2)


def rows(count: int, noise: float = 0.0, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Unit targets of width 8, and sources of width 12 that a linear map gives of them.

    With noise, half of a target varies little and is read exactly, and the half that varies much is hidden by the noise.
    """
    generator = torch.Generator().manual_seed(seed)
    map_KD = torch.randn(8, 12, generator=torch.Generator().manual_seed(9))
    scale_K = torch.tensor([1.0] * 4 + [0.3 if noise else 1.0] * 4)
    target_NK = normalize(torch.randn(count, 8, generator=generator) * scale_K, dim=1)
    noise_K = noise * torch.tensor([1.0] * 4 + [0.0] * 4)
    return (target_NK + noise_K * torch.randn(count, 8, generator=generator)) @ map_KD, target_NK


def ridge(source_ND: torch.Tensor, target_NK: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    sums = NormalEquations.zeros(source_ND.shape[1], target_NK.shape[1])
    sums.add(source_ND, target_NK)
    weight_KD, bias_K = sums.solve(1e-3)
    return weight_KD.float(), bias_K.float()


def rank(source_ND: torch.Tensor, target_NK: torch.Tensor, weight_KD: torch.Tensor, bias_K: torch.Tensor) -> float:
    mapped_NK = normalize(source_ND @ weight_KD.T + bias_K, dim=1)
    return mean_reciprocal_rank(mapped_NK @ target_NK.T, torch.arange(len(target_NK)), target_NK)


def test_a_known_map_is_recovered_from_a_random_start():
    source_ND, target_NK = rows(400)
    start = torch.randn(8, 12, generator=torch.Generator().manual_seed(3)), torch.zeros(8)
    weight_KD, bias_K, loss = fit_contrastive(source_ND, target_NK, target_NK, start, FEW)
    new_ND, new_NK = rows(200, seed=5)
    assert rank(new_ND, new_NK, *start) < 0.2
    assert rank(new_ND, new_NK, weight_KD, bias_K) > 0.95
    assert len(loss) == 10
    assert loss[-1] < loss[0]


def test_it_retrieves_more_than_the_regression_where_sources_are_noisy():
    source_ND, target_NK = rows(600, noise=0.6)
    start = ridge(source_ND, target_NK)
    found = fit_contrastive(source_ND, target_NK, target_NK, start, FEW)
    new_ND, new_NK = rows(400, noise=0.6, seed=5)
    assert rank(new_ND, new_NK, found.weight_KD, found.bias_K) > rank(new_ND, new_NK, *start) + 0.02


def test_equal_targets_are_no_negatives():
    target_BK = normalize(torch.tensor([[1.0, 0], [1, 0], [0, 1]]), dim=1)
    loss = info_nce(target_BK, target_BK, target_BK[:1], 1.0)
    alone = [math.log(1 + math.exp(-1)), math.log(1 + math.exp(-1)), math.log(1 + 3 * math.exp(-1))]
    assert float(loss) == pytest.approx(sum(alone) / 3, abs=1e-6)


def test_the_loss_is_the_formula_and_so_is_its_gradient():
    generator = torch.Generator().manual_seed(0)
    target_BK, wrong_RK = (normalize(torch.randn(n, 4, generator=generator), dim=1) for n in (5, 7))
    mapped_BK = torch.randn(5, 4, generator=generator, dtype=torch.float32).requires_grad_()
    loss = info_nce(mapped_BK, target_BK, wrong_RK, 0.3)
    unit_BK, all_CK = normalize(mapped_BK, dim=1), torch.cat([target_BK, wrong_RK])
    by_hand = sum(
        -(unit_BK[i] @ target_BK[i]) / 0.3 + torch.log(torch.exp(all_CK @ unit_BK[i] / 0.3).sum()) for i in range(5)
    )
    assert torch.allclose(loss, by_hand / 5, atol=1e-6)
    (one,), (other,) = (torch.autograd.grad(value, mapped_BK, retain_graph=True) for value in (loss, by_hand / 5))
    assert torch.allclose(one, other, atol=1e-6)


def test_the_seed_decides_and_the_global_generator_is_left_alone():
    source_ND, target_NK = rows(300, noise=0.5)
    start = ridge(source_ND, target_NK)
    before = torch.random.get_rng_state()
    short = {"steps": 20, "queries_per_step": 32, "negatives": 16}
    first, again, other = (
        fit_contrastive(source_ND, target_NK, target_NK, start, ContrastiveSettings(seed=seed, **short)).weight_KD
        for seed in (0, 0, 1)
    )
    assert torch.equal(first, again)
    assert not torch.allclose(first, other, atol=1e-4)
    assert torch.equal(before, torch.random.get_rng_state())


def test_lengths_change_nothing_but_the_length():
    source_ND, target_NK = rows(300, noise=0.5)
    weight_KD, bias_K = ridge(source_ND, target_NK)
    short = ContrastiveSettings(steps=30, queries_per_step=64, negatives=64)
    one = fit_contrastive(source_ND, target_NK, target_NK, (weight_KD, bias_K), short)
    long = fit_contrastive(
        source_ND * 50, target_NK * 7, target_NK * 3, (weight_KD / 50 * 7, bias_K * 7), short, progress=False
    )
    assert torch.allclose(one.weight_KD * 7 / 50, long.weight_KD, rtol=1e-3, atol=1e-4)
    assert torch.allclose(one.bias_K * 7, long.bias_K, rtol=1e-3, atol=1e-3)


def test_a_start_without_bias_gets_none():
    source_ND, target_NK = rows(100)
    start = torch.randn(8, 12), None
    found = fit_contrastive(source_ND, target_NK, target_NK[:0], start, ContrastiveSettings(steps=5))
    assert found.bias_K is None
    assert len(found.loss) == 5


def test_what_cannot_be_fitted_is_refused():
    source_ND, target_NK = rows(20)
    start = torch.randn(8, 12), torch.zeros(8)
    fitted = {"source_ND": source_ND, "target_NK": target_NK, "negatives_MK": target_NK, "start": start}
    broken_NK = target_NK.clone()
    broken_NK[3] = torch.nan
    with pytest.raises(ValueError, match="1 of 20 rows of the target are NaN"):
        fit_contrastive(**fitted | {"target_NK": broken_NK})
    with pytest.raises(ValueError, match="1 of 20 rows of the negatives are NaN"):
        fit_contrastive(**fitted | {"negatives_MK": broken_NK})
    with pytest.raises(ValueError, match="8, 8, 8 wide, the start maps 12 to 8"):
        fit_contrastive(**fitted | {"source_ND": target_NK})
    with pytest.raises(ValueError, match="20 sources and 19 targets"):
        fit_contrastive(**fitted | {"target_NK": target_NK[1:]})
    with pytest.raises(ValueError, match="all targets are one vector"):
        fit_contrastive(**fitted | {"target_NK": target_NK[:1].expand(20, 8), "negatives_MK": target_NK[:1]})
    wrong = {"temperature": 0, "steps": 0, "queries_per_step": 1, "negatives": -1, "learning_rate": 0.0}
    for name, value in wrong.items():
        with pytest.raises(ValueError, match=f"{name} is {value}"):
            ContrastiveSettings(**{name: value})


def test_rows_are_joined_with_each_english_text_once_among_the_negatives():
    gathered = PooledRows()
    gathered.add(torch.eye(3), torch.eye(3) * 2, torch.tensor([7, 8, 7]))
    gathered.add(torch.eye(3)[:1], torch.eye(3)[:1], torch.tensor([8]))
    source_ND, target_NK, negatives_MK = gathered.joined()
    assert (len(source_ND), len(target_NK)) == (4, 4)
    assert torch.equal(negatives_MK, torch.eye(3)[:2] * 2)


@pytest.mark.parametrize("start", ["ridge", "transport"])
def test_a_student_is_fitted_from_either_start_and_nothing_but_its_projection_moves(start, tmp_path):
    student, teacher = tiny_pairs.pair()
    before = {name: p.clone() for name, p in student.named_parameters()}
    options = {
        "rounds": 1,
        "regularisation": 1e-3,
        "steps": 40,
        "queries_per_step": 64,
        "negatives": 64,
        "progress": False,
    }
    report = fit_alignment(
        student, teacher, tiny_pairs.bitext(), method="contrastive", start=start, held_out=20, **options
    )
    moved = {name for name, p in student.named_parameters() if not torch.equal(p, before[name])}
    assert moved == {"1.linear.weight", "1.linear.bias"}
    assert len(report.transport_cost) == (start == "transport")
    assert report.loss[-1] < report.loss[0]
    assert "contrastive loss" in str(report)
    assert report.after.vector > report.before.vector
    again, _ = tiny_pairs.pair()
    fit_alignment(again, teacher, tiny_pairs.bitext(), method="contrastive", start=start, held_out=20, **options)
    assert torch.equal(student[1].linear.weight, again[1].linear.weight)
    save_student(student, tmp_path / "student")
    saved = type(student)(str(tmp_path / "student"))
    texts = tiny_pairs.bitext()["target"][:8]
    (tokens,) = EncoderTeacher(as_backbone(student)).iter_token_sets(texts, batch_size=8)
    linear = token_projection(student).linear
    fitted_BK = normalize(linear(pooled(tokens, "mean")), dim=1)
    assert torch.allclose(torch.from_numpy(saved.encode(texts)), fitted_BK.detach(), atol=1e-5)


def test_one_vector_students_alone_are_fitted_by_contrast():
    student, teacher = tiny_pairs.pair(kind="late_interaction")
    before = token_projection(student).linear.weight.clone()
    with pytest.raises(ValueError, match="take method='transport'"):
        fit_alignment(student, teacher, tiny_pairs.bitext(), method="contrastive", progress=False)
    assert torch.equal(token_projection(student).linear.weight, before)


def test_pairs_of_one_english_text_leave_the_student_as_it_was():
    student, teacher = tiny_pairs.pair()
    before = token_projection(student).linear.weight.clone()
    pairs = Dataset.from_list([{"source": "a red ball", "target": text} for text in ("ein Ball", "kubad")])
    with pytest.raises(ValueError, match="at least two different English texts"):
        fit_alignment(student, teacher, pairs, method="contrastive", regularisation=1e-3, progress=False)
    assert torch.equal(token_projection(student).linear.weight, before)
    with pytest.raises(ValueError, match="unknown start 'zero'"):
        fit_alignment(student, teacher, tiny_pairs.bitext(), method="contrastive", start="zero")
    with pytest.raises(ValueError, match="temperature is -1"):
        fit_alignment(student, teacher, tiny_pairs.bitext(), method="contrastive", temperature=-1)
