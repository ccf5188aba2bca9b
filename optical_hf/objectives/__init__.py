"""Objectives of distillation as functions of tensors: transport, and the baselines it must beat."""

from optical_hf.objectives.pairs import BatchVectors, PairTensors
from optical_hf.objectives.table import BATCH_OBJECTIVES, OBJECTIVES, Objective, objective_terms, parse_objectives
from optical_hf.objectives.transport import TransportSettings, transport

__all__ = [
    "BATCH_OBJECTIVES",
    "OBJECTIVES",
    "BatchVectors",
    "Objective",
    "PairTensors",
    "TransportSettings",
    "objective_terms",
    "parse_objectives",
    "transport",
]
