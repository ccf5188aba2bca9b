"""Problems with a known answer, and hostile ones, that the tests of this folder share."""

from dataclasses import dataclass
from importlib.util import find_spec

import pytest
import torch
from hypothesis import strategies as st

from optical_hf.ot import cosine_cost

ALL = ["sinkhorn", "ipot", "unbalanced", "partial", "exact"]
BALANCED = ["sinkhorn", "ipot", "exact"]
KERNELS = ["torch", pytest.param("numba", marks=pytest.mark.skipif(find_spec("numba") is None, reason="no numba"))]


@dataclass(frozen=True)
class Known:
    """A batch of one problem, its masses, and the closed form of its entropic plan or of its optimal cost."""

    cost: torch.Tensor
    source: torch.Tensor
    target: torch.Tensor
    plan: torch.Tensor | None = None
    best: float | None = None


def _generator(draw: st.DrawFn) -> torch.Generator:
    return torch.Generator().manual_seed(draw(st.integers(0, 2**31)))


def _masses(count: int, generator: torch.Generator) -> torch.Tensor:
    mass = 0.1 + torch.rand(1, count, generator=generator, dtype=torch.float64)
    return mass / mass.sum()


@st.composite
def separable(draw: st.DrawFn) -> Known:
    """C_ij = f_i + g_j: every plan costs the same, and the entropic one is the product a b'."""
    generator = _generator(draw)
    n, m = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    f, g = torch.rand(1, n, generator=generator).double(), torch.rand(1, m, generator=generator).double()
    a, b = _masses(n, generator), _masses(m, generator)
    best = float((a * f).sum() + (b * g).sum())
    return Known(f[:, :, None] + g[:, None, :], a, b, plan=a[:, :, None] * b[:, None, :], best=best)


@st.composite
def planted(draw: st.DrawFn) -> Known:
    """C = f + g - eps log(P / a b') with a plan P of our choice, which is then the entropic plan at eps = 0.1."""
    generator = _generator(draw)
    n, m = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    plan = torch.rand(1, n, m, generator=generator).double() + 0.05
    plan = plan / plan.sum()
    a, b = plan.sum(2), plan.sum(1)
    f, g = torch.rand(1, n, 1, generator=generator), torch.rand(1, 1, m, generator=generator)
    return Known(f + g - 0.1 * (plan / (a[:, :, None] * b[:, None, :])).log(), a, b, plan=plan)


@st.composite
def line(draw: st.DrawFn) -> Known:
    """Equally many points on a line under |x - y|^2: the optimum matches them in order."""
    generator = _generator(draw)
    n = draw(st.integers(1, 8))
    x, y = torch.rand(n, generator=generator).double(), torch.rand(n, generator=generator).double()
    uniform = torch.full((1, n), 1 / n, dtype=torch.float64)
    best = float((x.sort().values - y.sort().values).square().mean())
    return Known((x[:, None] - y[None, :]).square()[None], uniform, uniform, best=best)


def ragged(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Pairs: 0 ordinary, 1 fully padded, 2 source empty, 3 target empty, 4 one token each, 5 as long as it gets."""
    generator = torch.Generator().manual_seed(seed)
    source = torch.randn(6, 9, 4, generator=generator)
    target = torch.randn(6, 7, 4, generator=generator)
    source_mask = torch.arange(9) < torch.tensor([6, 0, 0, 5, 1, 9])[:, None]
    target_mask = torch.arange(7) < torch.tensor([4, 0, 5, 0, 1, 7])[:, None]
    return cosine_cost(source, target, source_mask, target_mask), source_mask, target_mask


EMPTY = [1, 2, 3]
FULL = [0, 4, 5]
