"""Closed-form alignment: exact on data that a linear map explains, better by transport, flat in what it keeps."""

from dataclasses import replace

import pytest
import tiny_pairs
import torch
from datasets import concatenate_datasets

from optical_hf.models import as_backbone, build_student, fit_alignment
from optical_hf.models.alignment.first_pass import FOLDS, folds_of
from optical_hf.models.alignment.held_out_tokens import TokenFold
from optical_hf.models.alignment.own_rank import text_numbers
from optical_hf.models.alignment.pair_tokens import PairTokenReader
from optical_hf.models.alignment.ridge_penalty import (
    PENALTIES,
    POOLED_WEIGHTS,
    Fold,
    choose_penalty,
    choose_weight,
    held_out_rank,
)
from optical_hf.models.alignment.ridge_regression import NormalEquations
from optical_hf.models.teachers.teacher import EncoderTeacher
from optical_hf.models.tiny import tiny_encoder
from optical_hf.scenes import scenes_bitext


def sides(student, teacher):
    """Both sides of the pairs as the closed form reads them."""
    return EncoderTeacher(as_backbone(student)), EncoderTeacher(teacher)


def test_normal_equations_give_the_ridge_solution():
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(50, 4, generator=generator), torch.randn(50, 3, generator=generator)
    weights = torch.rand(50, generator=generator)
    sums = NormalEquations.zeros(4, 3)
    sums.add(x[:20], y[:20], weights[:20])
    sums.add(x[20:], y[20:], weights[20:])
    weight, bias = sums.solve(0.1)
    weight, bias = weight.clone().requires_grad_(), bias.clone().requires_grad_()
    residual = (weights.double() * (x.double() @ weight.T + bias - y.double()).square().sum(1)).sum() / 50
    (residual + 0.1 * weight.square().sum()).backward()
    assert weight.grad.abs().max() < 1e-5
    assert bias.grad.abs().max() < 1e-5


def test_normal_equations_add_and_scale():
    x, y = torch.randn(30, 4), torch.randn(30, 2)
    whole, first, second = (NormalEquations.zeros(4, 2) for _ in range(3))
    whole.add(x, y)
    first.add(x[:10], y[:10])
    second.add(x[10:], y[10:])
    assert torch.allclose((first + second).solve(0.1)[0], whole.solve(0.1)[0], atol=1e-5)
    assert torch.allclose(whole.scaled(5.0).solve(0.5)[0], whole.solve(0.1)[0], atol=1e-5)


def folds(names: str, noise: float, size: int = 60) -> dict[str, Fold]:
    """Rows of one linear map with noise, by fold."""
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(4, 50, generator=generator)
    made = {name: Fold.empty(50, 4) for name in names}
    for fold in made.values():
        x = torch.randn(size, 50, generator=generator)
        fold.add(x, x @ weight.T + noise * torch.randn(size, 4, generator=generator), torch.arange(size))
    return made


def test_the_penalty_chosen_finds_most_of_what_was_left_out():
    noisy = folds("abc", 10.0, size=30)
    sums = {name: fold.sums for name, fold in noisy.items()}
    ranks = {penalty: held_out_rank(noisy, sums, penalty) for penalty in PENALTIES}
    assert len(set(ranks.values())) > 1
    assert ranks[choose_penalty(noisy, sums)] == max(ranks.values())


@pytest.mark.slow
def test_tokens_that_mislead_raise_the_weight_of_the_pooled_vectors():
    made = folds("abc", 3.0, size=100)
    generator = torch.Generator().manual_seed(1)
    chosen = {}
    for noise in (0.0, 300.0):
        tokens = {}
        for name, fold in made.items():
            wrong_DK = noise * torch.randn(51, 4, dtype=torch.float64, generator=generator)
            tokens[name] = replace(fold.sums.scaled(20.0), outer_DK=20 * fold.sums.outer_DK + wrong_DK)
        joined = {
            weight: {name: own + made[name].sums.scaled(weight) for name, own in tokens.items()}
            for weight in POOLED_WEIGHTS
        }
        weight, penalty = choose_weight(made, joined)
        ranks = {w: held_out_rank(made, sums, choose_penalty(made, sums)) for w, sums in joined.items()}
        assert ranks[weight] >= max(ranks.values()) - 0.005
        assert penalty == choose_penalty(made, joined[weight])
        chosen[noise] = weight
    assert chosen[0.0] == POOLED_WEIGHTS[0] < chosen[300.0]


@pytest.mark.slow
def test_the_pooled_weight_is_chosen_by_what_the_student_is_searched_by(monkeypatch):
    judged = []
    monkeypatch.setattr(TokenFold, "found", lambda fold, weight, bias: judged.append(len(fold)) or len(judged))
    for kind in ("vector", "late_interaction"):
        assert not judged
        student, teacher = tiny_pairs.pair(kind=kind)
        report = fit_alignment(student, teacher, tiny_pairs.bitext(), method="transport", rounds=2, progress=False)
        assert report.pooled_weight in POOLED_WEIGHTS
        assert f"pooled weight {report.pooled_weight:g}" in str(report)
    assert report.pooled_weight == POOLED_WEIGHTS[-1]  # what is judged last is found best here
    shares = {text % FOLDS for text in text_numbers(tiny_pairs.bitext()["source"][:]).tolist()}
    assert len(judged) == len(POOLED_WEIGHTS) * len(shares) == len(POOLED_WEIGHTS) * FOLDS  # in the first round alone
    assert sum(judged[:FOLDS]) == len(tiny_pairs.bitext())  # English read by the student is not searched
    student, teacher = tiny_pairs.pair()
    options = {"method": "transport", "rounds": 1, "progress": False}
    assert fit_alignment(student, teacher, tiny_pairs.bitext(), pooled_weight=5, **options).pooled_weight == 5
    assert fit_alignment(student, teacher, tiny_pairs.bitext(), regularisation=1e-3, **options).pooled_weight == 2
    assert fit_alignment(student, teacher, tiny_pairs.bitext(), **options | {"method": "ridge"}).pooled_weight is None


def test_a_fold_is_scored_under_the_map_of_the_others():
    made = folds("ab", 0.0)
    sums = {name: fold.sums for name, fold in made.items()}
    assert held_out_rank(made, sums, 1e-5) == pytest.approx(1.0)
    sums["a"] = NormalEquations.zeros(50, 4)
    sums["a"].add(torch.eye(50), torch.zeros(50, 4))  # b, under the map that all is nothing
    assert held_out_rank(made, sums, 1e-5) < 1.0


def test_english_is_never_left_out():
    made = folds("ab", 0.0)
    english = Fold.empty(50, 4)
    english.add(torch.randn(9, 50), torch.randn(9, 4), torch.arange(9), torch.zeros(9, dtype=torch.bool))
    sums = {"de": made["a"].sums, "en": english.sums}
    with pytest.raises(ValueError, match="translations of several English texts"):
        choose_penalty({"de": made["a"], "en": english}, sums)


def test_the_sample_of_a_fold_is_uniform_and_flat():
    fold = Fold.empty(1, 1)
    for start in range(0, 5000, 100):
        rows = torch.arange(start, start + 100).float().unsqueeze(1)
        fold.add(rows, rows, rows.squeeze(1).long())
    source_SD, target_SK, _ = (torch.stack(column) for column in zip(*fold.sample.items, strict=True))
    assert torch.equal(source_SD, target_SK)
    assert len(source_SD.unique()) == len(fold) == 500
    assert abs(float(source_SD.mean()) - 2500) < 250


@pytest.mark.slow
def test_a_chosen_penalty_gives_what_the_same_number_gives():
    student, teacher = tiny_pairs.pair()
    report = fit_alignment(student, teacher, tiny_pairs.bitext(), method="ridge", progress=False)
    assert report.regularisation in PENALTIES
    again, _ = tiny_pairs.pair()
    fit_alignment(
        again, teacher, tiny_pairs.bitext(), method="ridge", regularisation=report.regularisation, progress=False
    )
    assert torch.allclose(student[1].linear.weight, again[1].linear.weight, atol=5e-3)


@pytest.mark.slow
def test_shares_of_the_pairs_keep_all_pairs_of_one_english_text_together():
    student, teacher = tiny_pairs.pair()
    few = tiny_pairs.bitext(24)
    many_way = concatenate_datasets([few, few.map(lambda row: {"target": row["id"]})])
    for batch_size in (3, 8):
        share_of: dict[int, str] = {}
        for pair in PairTokenReader(
            *sides(student, teacher), many_way, batch_size=batch_size, progress=False, also_english=True
        ):
            for share, rows in folds_of(pair.text_B).items():
                for text in pair.text_B[rows].tolist():
                    assert share_of.setdefault(text, share) == share
        assert len(set(share_of.values())) == FOLDS


def test_the_english_side_is_read_right_after_its_pairs():
    student, teacher = tiny_pairs.pair()
    reader = PairTokenReader(
        *sides(student, teacher), tiny_pairs.bitext(), batch_size=8, progress=False, also_english=True
    )
    batches = list(reader)
    assert [set(b.languages) == {"en"} for b in batches] == [False, True] * (len(tiny_pairs.bitext()) // 8)
    for pair, itself in zip(batches[::2], batches[1::2], strict=True):
        assert torch.equal(pair.teacher.tokens_BND, itself.teacher.tokens_BND)
        assert torch.equal(pair.text_B, itself.text_B)
    assert student.training


@pytest.mark.slow
def test_english_read_by_the_student_changes_the_map_and_not_the_count():
    maps = []
    for also_english in (False, True):
        student, teacher = tiny_pairs.pair()
        report = fit_alignment(
            student, teacher, tiny_pairs.bitext(), method="transport", also_english=also_english, progress=False
        )
        assert report.pairs == len(tiny_pairs.bitext())
        maps.append(student[1].linear.weight)
    assert not torch.allclose(maps[0], maps[1], atol=1e-3)


def test_nothing_added_is_an_error():
    with pytest.raises(ValueError, match="no rows"):
        NormalEquations.zeros(2, 2).solve(1e-3)


@pytest.mark.slow
def test_transport_rounds_lower_the_transport_cost():
    student, teacher = tiny_pairs.pair()
    report = fit_alignment(student, teacher, tiny_pairs.bitext(), method="transport", rounds=4, progress=False)
    assert report.pairs == len(tiny_pairs.bitext())
    assert len(report.transport_cost) == 4
    assert report.transport_cost[-1] < report.transport_cost[0]


@pytest.mark.slow
@pytest.mark.parametrize("method", ["ridge", "transport"])
def test_held_out_pairs_are_found_better_after_the_fit(method):
    german = scenes_bitext({"de": 500})
    teacher = tiny_encoder(german["source"], width=48, vocabulary_size=400)
    student = build_student(tiny_encoder(german["target"], width=96, vocabulary_size=600, seed=1), teacher)
    # This student's tokenizer was learnt from German: it has no English to read.
    report = fit_alignment(student, teacher, german, method=method, held_out=50, also_english=False, progress=False)
    assert report.pairs == 450
    assert report.before.pairs == report.after.pairs == 50
    assert report.after.vector > report.before.vector + 0.3
    assert report.after.maxsim > report.before.maxsim + 0.15


@pytest.mark.slow
def test_only_the_projection_moves():
    student, teacher = tiny_pairs.pair()
    before = {name: p.clone() for name, p in student.named_parameters()}
    fit_alignment(student, teacher, tiny_pairs.bitext(), method="transport", progress=False)
    moved = {name for name, p in student.named_parameters() if not torch.equal(p, before[name])}
    assert moved == {"1.linear.weight", "1.linear.bias"}


@pytest.mark.slow
def test_a_memory_budget_changes_nothing_but_the_memory():
    vectors = []
    for budget in (2**30, 0):
        student, teacher = tiny_pairs.pair()
        fit_alignment(student, teacher, tiny_pairs.bitext(), method="transport", memory_budget=budget, progress=False)
        vectors.append(student.encode(tiny_pairs.bitext()["target"][:20]))
    # what is kept is kept in float16
    assert (vectors[0] * vectors[1]).sum(axis=1).min() > 0.999


@pytest.mark.slow
def test_reader_keeps_nothing_beyond_its_budget():
    student, teacher = tiny_pairs.pair()
    reader = PairTokenReader(
        *sides(student, teacher), tiny_pairs.bitext(), batch_size=8, memory_budget=1000, progress=False
    )
    assert sum(len(batch.languages) for batch in reader) == len(tiny_pairs.bitext())
    assert reader._kept is None
    assert sum(len(batch.languages) for batch in reader) == len(tiny_pairs.bitext())


def test_bad_input_says_what_to_do():
    student, teacher = tiny_pairs.pair()
    with pytest.raises(ValueError, match="unknown method 'magic'"):
        fit_alignment(student, teacher, tiny_pairs.bitext(), method="magic")
    with pytest.raises(ValueError, match="unknown regularisation 'guess'"):
        fit_alignment(student, teacher, tiny_pairs.bitext(), method="transport", regularisation="guess")
    with pytest.raises(ValueError, match="no pairs"):
        fit_alignment(student, teacher, [], method="transport", progress=False)
    with pytest.raises(ValueError, match="no token projection"):
        fit_alignment(tiny_pairs.backbone(), teacher, tiny_pairs.bitext(), method="transport")
    with pytest.raises(ValueError, match="leaves nothing"):
        fit_alignment(student, teacher, tiny_pairs.bitext(), method="transport", held_out=10_000)
    with pytest.raises(ValueError, match="width 32"):
        fit_alignment(student, tiny_pairs.teacher(width=48), tiny_pairs.bitext(), method="transport", progress=False)
