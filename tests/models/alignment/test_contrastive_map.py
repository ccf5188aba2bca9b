"""The map fitted by InfoNCE: recovers a known map, beats the regression on noise, and is what the saved student computes."""

import math

import pytest
import tiny_pairs
import torch
from datasets import Dataset
from torch.nn.functional import normalize

from optical_hf.models import as_backbone, fit_alignment, token_projection
from optical_hf.models.alignment.contrastive_map import ContrastiveRows, fit_contrastive, info_nce
from optical_hf.models.alignment.contrastive_rows import contrastive_rows
from optical_hf.models.alignment.first_pass import FirstPass
from optical_hf.models.alignment.index_documents import DocumentVectors
from optical_hf.models.alignment.map_descent import ContrastiveSettings
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
    weight_KD, bias_K, loss = fit_contrastive([ContrastiveRows(source_ND, target_NK)], target_NK, start, FEW)
    new_ND, new_NK = rows(200, seed=5)
    assert rank(new_ND, new_NK, *start) < 0.2
    assert rank(new_ND, new_NK, weight_KD, bias_K) > 0.95
    assert len(loss) == 10
    assert loss[-1] < loss[0]


def test_it_retrieves_more_than_the_regression_where_sources_are_noisy():
    source_ND, target_NK = rows(600, noise=0.6)
    start = ridge(source_ND, target_NK)
    found = fit_contrastive([ContrastiveRows(source_ND, target_NK)], target_NK, start, FEW)
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
        fit_contrastive(
            [ContrastiveRows(source_ND, target_NK)], target_NK, start, ContrastiveSettings(seed=seed, **short)
        ).weight_KD
        for seed in (0, 0, 1)
    )
    assert torch.equal(first, again)
    assert not torch.allclose(first, other, atol=1e-4)
    assert torch.equal(before, torch.random.get_rng_state())


def test_lengths_change_nothing_but_the_length():
    source_ND, target_NK = rows(300, noise=0.5)
    weight_KD, bias_K = ridge(source_ND, target_NK)
    short = ContrastiveSettings(steps=30, queries_per_step=64, negatives=64)
    one = fit_contrastive([ContrastiveRows(source_ND, target_NK)], target_NK, (weight_KD, bias_K), short)
    long = fit_contrastive(
        [ContrastiveRows(source_ND * 50, target_NK * 7)],
        target_NK * 3,
        (weight_KD / 50 * 7, bias_K * 7),
        short,
        progress=False,
    )
    assert torch.allclose(one.weight_KD * 7 / 50, long.weight_KD, rtol=1e-3, atol=1e-4)
    assert torch.allclose(one.bias_K * 7, long.bias_K, rtol=1e-3, atol=1e-3)


def test_a_start_without_bias_gets_none():
    source_ND, target_NK = rows(100)
    start = torch.randn(8, 12), None
    found = fit_contrastive([ContrastiveRows(source_ND, target_NK)], target_NK[:0], start, ContrastiveSettings(steps=5))
    assert found.bias_K is None
    assert len(found.loss) == 5


def test_what_cannot_be_fitted_is_refused():
    source_ND, target_NK = rows(20)
    start = torch.randn(8, 12), torch.zeros(8)
    broken_NK = target_NK.clone()
    broken_NK[3] = torch.nan

    def fit(source_ND=source_ND, target_NK=target_NK, negatives_MK=target_NK, **more):
        return fit_contrastive([ContrastiveRows(source_ND, target_NK, **more)], negatives_MK, start)

    with pytest.raises(ValueError, match="1 of 20 rows of the target are NaN"):
        fit(target_NK=broken_NK)
    with pytest.raises(ValueError, match="1 of 20 rows of the negatives are NaN"):
        fit(negatives_MK=broken_NK)
    with pytest.raises(ValueError, match="1 of 20 rows of the shifts are NaN"):
        fit(shift_PD=source_ND * broken_NK[:, :1], shifted=1.0)
    with pytest.raises(ValueError, match="8, 8, 8 wide, the start maps 12 to 8"):
        fit(source_ND=target_NK)
    with pytest.raises(ValueError, match="20 sources and 19 targets"):
        fit(target_NK=target_NK[1:])
    with pytest.raises(ValueError, match="all targets are one vector"):
        fit(target_NK=target_NK[:1].expand(20, 8), negatives_MK=target_NK[:1])
    with pytest.raises(ValueError, match="no rows"):
        fit_contrastive([], target_NK, start)
    wrong = {"temperature": 0, "steps": 0, "queries_per_step": 1, "negatives": -1, "learning_rate": 0.0}
    for name, value in wrong.items():
        with pytest.raises(ValueError, match=f"{name} is {value}"):
            ContrastiveSettings(**{name: value})


def test_rows_are_joined_with_each_english_text_once_among_the_negatives():
    read = FirstPass(keep_vectors=True)
    read.add(torch.eye(3), torch.eye(3) * 2, ["de", "so", "de"], torch.tensor([7, 8, 7]))
    read.add_english(torch.eye(3) * 3, torch.eye(3) * 2, torch.tensor([7, 8, 7]))
    index = DocumentVectors(torch.ones(2, 3), torch.eye(3)[1:], torch.tensor([8, 9]))
    (pairs, documents), negatives_MK = contrastive_rows(read, index, 0.25, 0.5)
    assert (len(pairs.source_ND), len(pairs.target_NK)) == (6, 6)
    assert torch.equal(pairs.target_NK[:3], pairs.target_NK[3:])
    assert (pairs.share, documents.share, documents.shifted) == (0.75, 0.25, 0.5)
    assert torch.equal(documents.shift_PD, torch.eye(3) * -2)  # foreign - English
    assert torch.equal(negatives_MK, torch.cat([torch.eye(3)[:2] * 2, torch.eye(3)[2:]]))
    (alone,), _ = contrastive_rows(FirstPass(keep_vectors=True), index, 0.25, 0.5)
    assert (alone.share, alone.shift_PD) == (1.0, None)


def test_a_step_takes_the_share_of_each_kind_and_shifts_the_share_it_is_told():
    kind = ContrastiveRows(torch.zeros(50, 2), torch.eye(2).repeat(25, 1), shift_PD=torch.ones(3, 2), shifted=0.5)
    source_BD, row_B = kind.some(40, torch.Generator().manual_seed(0))
    assert source_BD.shape == (40, 2)
    assert len(row_B.unique()) == 40
    assert set(source_BD.flatten().tolist()) == {0.0, 1.0}
    assert 0.2 < float(source_BD.mean()) < 0.8
    still = ContrastiveRows(kind.source_ND, kind.target_NK, shift_PD=kind.shift_PD)
    assert not still.some(40, torch.Generator())[0].any()


def test_documents_pull_the_map_where_the_bitext_does_not_reach():
    """Bitext spans half of the space; documents the other half, in English alone, with an offset of the language."""
    source_ND, target_NK = rows(400)
    half = target_NK[:, 0] > 0
    offset_D = 0.7 * torch.randn(12, generator=torch.Generator().manual_seed(2))
    foreign, english = source_ND[half] + offset_D, source_ND[half]
    bitext = ContrastiveRows(torch.cat([foreign, english]), target_NK[half].repeat(2, 1))
    start = torch.randn(8, 12, generator=torch.Generator().manual_seed(3)), torch.zeros(8)
    shifts = {"shift_PD": foreign - english, "shifted": 1.0}
    documents = ContrastiveRows(source_ND[~half], target_NK[~half], **shifts)
    queries, wanted = (side[~half] for side in (rows(400, seed=0)[0] + offset_D, target_NK))
    alone = fit_contrastive([bitext], target_NK, start, FEW)
    both = fit_contrastive([bitext, documents], target_NK, start, FEW)
    assert rank(queries, wanted, *both[:2]) > rank(queries, wanted, *alone[:2])


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
