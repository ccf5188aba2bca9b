"""The CUDA kernel's arithmetic, run on the CPU by Triton's interpreter, against the torch path.

The interpreter must be on before triton is imported, so the kernel runs in one process of its own, all cases at once, and
the tests look at what it found.
"""

import importlib.util
import math
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from forked import forked
from ot_problems import EMPTY, ragged

from optical_hf.ot.entropic import solve_entropic
from optical_hf.ot.problem import masked_mass
from optical_hf.ot.solvers.sinkhorn import solve_sinkhorn
from optical_hf.ot.solvers.state import Settings, Solution

pytestmark = pytest.mark.slow  # the interpreter

CASES = {
    f"epsilon {epsilon}, rho {rho}": Settings(epsilon, 1e-5, 2000, rho, rho)
    for epsilon, rho in ((0.5, math.inf), (0.05, math.inf), (0.01, math.inf), (0.05, 0.5))
}
SHORT = Settings(1e-3, tolerance=1e-7, max_iterations=10)
TINY = Settings(1e-3, max_iterations=200)


def masses() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The ragged batch as a solver sees it: uniform masses, 0 on both sides of a pair with an empty one."""
    cost, source_mask, target_mask = ragged()
    alive = (source_mask.any(1) & target_mask.any(1))[:, None]
    source = masked_mass(source_mask & alive, None, cost[:, :, 0], torch.float32)
    return cost, source, masked_mass(target_mask & alive, None, cost[:, 0], torch.float32)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Solution]:
    if importlib.util.find_spec("triton") is None:
        pytest.skip("triton is not installed: it comes with torch's CUDA build, or pip install triton on Linux")
    cases = {**CASES, "short": SHORT, "tiny": TINY}
    folder: Path = tmp_path_factory.mktemp("triton")
    codes, told = forked(folder / "log", interpreted, list(cases.values()), folder / "out.pt")
    assert codes == [0], told[-3000:]
    return dict(zip(cases, (Solution(*tensors) for tensors in torch.load(folder / "out.pt")), strict=True))


def interpreted(cases: list[Settings], out: Path) -> None:
    """Solve the cases by a kernel that Triton, imported anew, interprets."""
    os.environ["TRITON_INTERPRET"] = "1"
    for name in list(sys.modules):
        if name.split(".")[0] == "triton" and not name.startswith("triton._C"):
            del sys.modules[name]
    from optical_hf.ot.kernels.triton_sinkhorn import solve_triton_sinkhorn

    torch.save([tuple(solve_triton_sinkhorn(*masses(), settings)) for settings in cases], out)


@pytest.mark.parametrize("case", CASES)
def test_the_kernel_gives_the_plan_of_the_torch_path(found: dict[str, Solution], case: str) -> None:
    expected = solve_sinkhorn(*masses(), CASES[case])
    assert found[case].converged_B.all()
    torch.testing.assert_close(found[case].plan_BNM, expected.plan_BNM, atol=1e-4, rtol=0)
    assert (found[case].plan_BNM[EMPTY] == 0).all()
    assert found[case].iterations_B[EMPTY].tolist() == [0, 0, 0]


def test_the_kernel_stops_where_it_is_told(found: dict[str, Solution]) -> None:
    assert found["short"].iterations_B.max() == 10
    assert not found["short"].converged_B[[0, 5]].any()


def test_the_kernel_stays_finite_at_a_tiny_epsilon(found: dict[str, Solution]) -> None:
    assert found["tiny"].plan_BNM.isfinite().all()
    assert found["tiny"].error_B.max() < 0.1


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device: the compiled kernel cannot run here")
@pytest.mark.parametrize("case", CASES)
def test_the_compiled_kernel_gives_the_plan_of_the_torch_path(case: str) -> None:
    problem = [tensor.cuda() for tensor in masses()]
    plans = [solve_entropic(*problem, replace(CASES[case], kernel=kernel)).plan_BNM for kernel in ("triton", "torch")]
    torch.testing.assert_close(*plans, atol=1e-4, rtol=0)
