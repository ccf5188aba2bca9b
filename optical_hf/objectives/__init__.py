"""Objectives of distillation as functions of tensors: transport, and the baselines it must beat."""

from optical_hf.objectives.pairs import PairTensors
from optical_hf.objectives.table import OBJECTIVES, Objective, objective_terms, parse_objectives
from optical_hf.objectives.transport import TransportSettings, transport

__all__ = [
    "OBJECTIVES",
    "Objective",
    "PairTensors",
    "TransportSettings",
    "objective_terms",
    "parse_objectives",
    "transport",
]
