"""Optimal transport between padded token sets, batched, in torch: costs, masses, solvers and plans.

Useful alone: needs torch and POT only, and knows nothing about encoders.
"""

from optical_hf.ot.costs import cosine_cost
from optical_hf.ot.masses import normalise_mass, uniform_mass
from optical_hf.ot.plan import TransportPlan
from optical_hf.ot.transport import solve

__all__ = ["TransportPlan", "cosine_cost", "normalise_mass", "solve", "uniform_mass"]
