"""Closed-form alignment: exact on data that a linear map explains, better by transport, flat in what it keeps."""

import pytest
import tiny_pairs
import torch

from optical_hf.data.scenes import scenes_bitext
from optical_hf.models import build_student, fit_alignment
from optical_hf.models.normal_equations import NormalEquations
from optical_hf.models.pair_tokens import PairTokenReader
from optical_hf.models.tiny import tiny_encoder


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
    assert torch.allclose((first + second).solve(0.1)[0], whole.solve(0.1)[0])
    assert torch.allclose(whole.scaled(5.0).solve(0.5)[0], whole.solve(0.1)[0])


def test_nothing_added_is_an_error():
    with pytest.raises(ValueError, match="no rows"):
        NormalEquations.zeros(2, 2).solve(1e-3)


def test_transport_rounds_lower_the_transport_cost():
    student, teacher = tiny_pairs.pair()
    report = fit_alignment(student, teacher, tiny_pairs.bitext(), rounds=4, progress=False)
    assert report.pairs == len(tiny_pairs.bitext())
    assert len(report.transport_cost) == 4
    assert report.transport_cost[-1] < report.transport_cost[0]


@pytest.mark.parametrize("method", ["ridge", "transport"])
def test_held_out_pairs_are_found_better_after_the_fit(method):
    german = scenes_bitext({"de": 500})
    teacher = tiny_encoder(german["source"], width=48, vocabulary_size=400)
    student = build_student(tiny_encoder(german["target"], width=96, vocabulary_size=600, seed=1), teacher)
    report = fit_alignment(student, teacher, german, method=method, held_out=50, progress=False)
    assert report.pairs == 450
    assert report.before.pairs == report.after.pairs == 50
    assert report.after.vector > report.before.vector + 0.3
    assert report.after.maxsim > report.before.maxsim + 0.2


def test_only_the_projection_moves():
    student, teacher = tiny_pairs.pair()
    before = {name: p.clone() for name, p in student.named_parameters()}
    fit_alignment(student, teacher, tiny_pairs.bitext(), progress=False)
    moved = {name for name, p in student.named_parameters() if not torch.equal(p, before[name])}
    assert moved == {"1.linear.weight", "1.linear.bias"}


def test_a_memory_budget_changes_nothing_but_the_memory():
    vectors = []
    for budget in (2**30, 0):
        student, teacher = tiny_pairs.pair()
        fit_alignment(student, teacher, tiny_pairs.bitext(), memory_budget=budget, progress=False)
        vectors.append(student.encode(tiny_pairs.bitext()["target"][:20]))
    # what is kept is kept in float16
    assert (vectors[0] * vectors[1]).sum(axis=1).min() > 0.999


def test_reader_keeps_nothing_beyond_its_budget():
    student, teacher = tiny_pairs.pair()
    reader = PairTokenReader(student, teacher, tiny_pairs.bitext(), batch_size=8, memory_budget=1000, progress=False)
    assert sum(len(batch.languages) for batch in reader) == len(tiny_pairs.bitext())
    assert reader._kept is None
    assert sum(len(batch.languages) for batch in reader) == len(tiny_pairs.bitext())


def test_bad_input_says_what_to_do():
    student, teacher = tiny_pairs.pair()
    with pytest.raises(ValueError, match="unknown method 'magic'"):
        fit_alignment(student, teacher, tiny_pairs.bitext(), method="magic")
    with pytest.raises(ValueError, match="no token projection"):
        fit_alignment(tiny_pairs.backbone(), teacher, tiny_pairs.bitext())
    with pytest.raises(ValueError, match="leaves nothing"):
        fit_alignment(student, teacher, tiny_pairs.bitext(), held_out=10_000)
    with pytest.raises(ValueError, match="width 32"):
        fit_alignment(student, tiny_pairs.teacher(width=48), tiny_pairs.bitext(), progress=False)
