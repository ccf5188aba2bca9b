"""The compiled Sinkhorn of the CPU against the torch path; test_transport_pot.py compares it with POT."""

import importlib.util
import sys
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from ot_problems import EMPTY, ragged

from optical_hf.ot import cosine_cost, entropic, solve

numba = pytest.importorskip("numba", reason='numba is not installed: pip install "optical-hf[fast]"')

from optical_hf.ot.kernels import numba_sinkhorn  # noqa: E402
from optical_hf.ot.kernels.numba_pair import compiled, fill_kernel, make_pair  # noqa: E402

TIGHT = {"tolerance": 1e-5, "max_iterations": 5000}


def both(*problem: torch.Tensor, **options: Any) -> tuple[Any, Any]:
    """The answers of the two paths."""
    compiled, expected = (solve(*problem, **options, kernel=kernel) for kernel in ("numba", "torch"))
    return compiled, expected


@pytest.mark.parametrize("epsilon", [0.5, 0.05, 0.01])
def test_the_kernel_gives_the_plan_of_the_torch_path(epsilon: float) -> None:
    got, expected = both(*ragged(), epsilon=epsilon, **TIGHT)
    assert got.converged.all()
    torch.testing.assert_close(got.plan, expected.plan, atol=1e-4, rtol=0)
    torch.testing.assert_close(got.cost, expected.cost, atol=1e-5, rtol=1e-4)
    assert (got.plan[EMPTY] == 0).all()
    assert got.iterations[EMPTY].tolist() == [0, 0, 0]


def test_auto_takes_the_kernel() -> None:
    assert torch.equal(solve(*ragged()).plan, solve(*ragged(), kernel="numba").plan)


@pytest.mark.parametrize("shape", [(40, 40), (70, 33), (9, 50)])
def test_late_pairs_take_newton_steps_to_the_plan_of_the_torch_path(shape: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(2)
    tokens = torch.randn(6, 70, 16, generator=generator)
    cost = cosine_cost(tokens[:, : shape[0]], tokens.flip(1)[:, : shape[1]] + 0.3)
    got, expected = both(cost, epsilon=0.005, **TIGHT)
    assert got.converged.all()
    assert got.iterations.max() < 400
    torch.testing.assert_close(got.plan, expected.plan, atol=1e-4, rtol=0)


@pytest.mark.parametrize("seed", [0, 1])
def test_masks_need_not_be_prefixes_and_masses_not_be_uniform(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    cost = torch.rand(8, 13, 11, generator=generator)
    masks = [torch.rand(8, size, generator=generator) < 0.6 for size in (13, 11)]
    masses = [torch.rand(8, size, generator=generator) ** 3 * mask for size, mask in zip((13, 11), masks, strict=True)]
    masses = [mass / mass.sum(1, keepdim=True).clamp(min=1e-9) for mass in masses]
    for options in ({}, {"source_mass": masses[0], "target_mass": masses[1]}):
        got, expected = both(cost, *masks, epsilon=0.05, **TIGHT, **options)
        torch.testing.assert_close(got.plan, expected.plan, atol=1e-4, rtol=0)
        assert (got.plan[~(masks[0][:, :, None] & masks[1][:, None, :])] == 0).all()


@pytest.mark.parametrize("fill", [torch.nan, torch.inf, -torch.inf])
def test_what_stands_under_zero_mass_cannot_matter(fill: float) -> None:
    cost, source_mask, target_mask = ragged()
    dirty = torch.where(source_mask[:, :, None] & target_mask[:, None, :], cost, fill)
    assert torch.equal(solve(dirty, source_mask, target_mask).plan, solve(cost, source_mask, target_mask).plan)


def test_sets_of_one_token_and_identical_tokens() -> None:
    cost = torch.rand(3, 1, 5, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(solve(cost, kernel="numba").plan, torch.full((3, 1, 5), 0.2))
    tokens = torch.randn(2, 9, 4, generator=torch.Generator().manual_seed(0))
    same = solve(cosine_cost(tokens, tokens), epsilon=1e-3, kernel="numba")
    torch.testing.assert_close(same.plan, torch.eye(9).expand(2, 9, 9) / 9, atol=1e-4, rtol=0)


@pytest.mark.parametrize("scale", [1.0, 50.0])
def test_a_tiny_epsilon_stays_finite(scale: float) -> None:
    cost, source_mask, target_mask = ragged()
    got, expected = both(cost * scale, source_mask, target_mask, epsilon=1e-3)
    assert got.plan.isfinite().all()
    assert got.marginal_error.max() < expected.marginal_error.max() + 0.01


def test_a_pair_that_breaks_is_finished_in_the_log_domain() -> None:
    cost = torch.rand(3, 6, 5, generator=torch.Generator().manual_seed(1))
    cost[1] *= 1e37  # times 1 / epsilon that is inf in float32
    got, expected = both(cost, max_iterations=50)
    assert got.plan.isfinite().all()
    torch.testing.assert_close(got.plan[[0, 2]], expected.plan[[0, 2]], atol=1e-4, rtol=0)


def test_one_long_pair_among_short_ones() -> None:
    generator = torch.Generator().manual_seed(6)
    cost = torch.rand(5, 300, 200, generator=generator)
    source_mask = torch.arange(300) < torch.tensor([3, 4, 300, 2, 5])[:, None]
    target_mask = torch.arange(200) < torch.tensor([2, 3, 200, 4, 1])[:, None]
    got, expected = both(cost, source_mask, target_mask, **TIGHT)
    assert got.converged.all()
    torch.testing.assert_close(got.plan, expected.plan, atol=1e-4, rtol=0)


def test_the_number_of_threads_changes_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    cost, source_mask, target_mask = (
        torch.cat(parts) for parts in zip(*(ragged(seed) for seed in range(4)), strict=True)
    )
    monkeypatch.setattr(numba_sinkhorn, "CELLS_PER_THREAD", 1)
    plans = []
    for threads in (1, 2, 3):
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        plans.append(solve(cost, source_mask, target_mask, kernel="numba").plan)
    assert torch.equal(plans[0], plans[1])
    assert torch.equal(plans[0], plans[2])


@pytest.mark.parametrize("most", [1, 7, 50, 200])
def test_the_kernel_stops_where_it_is_told(most: int) -> None:
    cost = torch.rand(2, 12, 10, generator=torch.Generator().manual_seed(8))
    result = solve(cost, epsilon=1e-3, max_iterations=most, tolerance=1e-9, kernel="numba")
    assert result.iterations.tolist() == [most, most]
    assert not result.converged.any()
    measured = (result.plan.sum(2) - 1 / 12).abs().sum(1) + (result.plan.sum(1) - 1 / 10).abs().sum(1)
    torch.testing.assert_close(result.marginal_error, measured, atol=1e-6, rtol=1e-4)


def test_the_gradient_is_that_of_the_torch_path() -> None:
    cost, source_mask, target_mask = ragged()
    gradients = []
    for kernel in ("numba", "torch"):
        leaf = cost.clone().requires_grad_()
        solve(leaf, source_mask, target_mask, kernel=kernel, **TIGHT).cost.sum().backward()
        gradients.append(leaf.grad)
    torch.testing.assert_close(*gradients, atol=2e-4, rtol=0)


def test_partial_runs_in_the_kernel_too() -> None:
    got, expected = both(*ragged(), solver="partial", share=0.6, **TIGHT)
    torch.testing.assert_close(got.plan, expected.plan, atol=1e-4, rtol=0)


@pytest.mark.slow
def test_one_compiled_graph_gives_the_eager_values() -> None:
    cost, source_mask, target_mask = ragged()

    def loss(cost: torch.Tensor) -> torch.Tensor:
        return solve(cost, source_mask, target_mask, kernel="numba").cost.sum()

    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(cost), loss(cost))


@pytest.mark.parametrize("options", [{"dtype": torch.float64}, {"solver": "unbalanced"}])
def test_what_does_not_fit_runs_in_torch_and_is_refused_by_name(options: dict) -> None:
    assert solve(*ragged(), **options).converged.all()
    with pytest.raises(ValueError, match=r'kernel: "numba" needs .*To fix this, use kernel="auto"'):
        solve(*ragged(), kernel="numba", **options)


def test_without_numba_auto_runs_in_torch_and_the_name_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(entropic, "find_spec", lambda name: None if name == "numba" else found(name))
    entropic._kernel.cache_clear()
    try:
        assert torch.equal(solve(*ragged()).plan, solve(*ragged(), kernel="torch").plan)
        with pytest.raises(ImportError, match=r'pip install "optical-hf\[fast\]"'):
            solve(*ragged(), kernel="numba")
    finally:
        entropic._kernel.cache_clear()


def test_a_numba_that_cannot_be_imported_is_told_once_and_torch_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    # Python raises ImportError for a module that stands in sys.modules as None.
    monkeypatch.setitem(sys.modules, "optical_hf.ot.kernels.numba_sinkhorn", None)
    entropic._kernel.cache_clear()
    try:
        with pytest.warns(UserWarning, match="versions of numba and numpy"):
            plan = solve(*ragged()).plan
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert torch.equal(solve(*ragged()).plan, plan)
        assert torch.equal(solve(*ragged(), kernel="torch").plan, plan)
        with pytest.raises(ImportError):
            solve(*ragged(), kernel="numba")
    finally:
        entropic._kernel.cache_clear()


@numba.njit
def powers(exponents: np.ndarray) -> np.ndarray:
    pair = make_pair(1, len(exponents))
    pair.scaled[:] = -np.inf
    pair.f[:] = 0
    pair.g[:] = 0
    pair.scaled[0, : len(exponents)] = exponents
    fill_kernel(pair)
    return pair.kernel[0, : len(exponents)].copy()


@pytest.mark.full
@pytest.mark.slow  # compiles two functions anew
def test_a_power_of_two_is_that_of_numpy_to_the_rounding_of_float32() -> None:
    exponents = np.linspace(-86, 20, 100_003).astype(np.float32)
    expected = np.exp2(exponents.astype(np.float64))
    assert np.abs(powers(exponents) / expected - 1).max() < 2e-7
    assert powers(np.array([-86.5, -1e30, -np.inf, 0.0], np.float32)).tolist() == [0, 0, 0, 1]


def test_without_a_folder_for_the_cache_the_kernel_is_compiled_once_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*, cache: bool = False, **options: Any) -> Any:
        if cache:
            raise RuntimeError("cannot cache function: no locator available for file")
        return lambda function: (function, options)

    monkeypatch.setattr(numba, "njit", refuse)
    function, options = compiled(entry=True)(len)
    assert function is len
    assert options == {"nogil": True, "error_model": "numpy"}
