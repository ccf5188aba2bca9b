"""Optimal transport between padded token sets, batched, in torch: costs, masses, solvers and plans.

Useful alone: needs torch and POT only. docs/ot.md has the details.
"""

from optical_hf.ot.costs import cosine_cost
from optical_hf.ot.heatmap import alignment_heatmap
from optical_hf.ot.masses import content_mask, idf_mass, idf_table, normalise_mass, uniform_mass
from optical_hf.ot.plan import TransportPlan
from optical_hf.ot.plan_reading import barycentric_map, hard_alignment
from optical_hf.ot.transport import Solver, solve

__all__ = [
    "Solver",
    "TransportPlan",
    "alignment_heatmap",
    "barycentric_map",
    "content_mask",
    "cosine_cost",
    "hard_alignment",
    "idf_mass",
    "idf_table",
    "normalise_mass",
    "solve",
    "uniform_mass",
]
