"""Objectives of distillation as functions of tensors: transport, and the baselines it must beat."""

from optical_hf.objectives.pairs import DocumentBank, PairTensors, WholeBatch
from optical_hf.objectives.table import (
    BANK_OBJECTIVES,
    BATCH_OBJECTIVES,
    OBJECTIVES,
    TOKEN_BATCH_OBJECTIVES,
    Objective,
    objective_terms,
    parse_objectives,
)
from optical_hf.objectives.transport import TransportSettings, transport

__all__ = [
    "BANK_OBJECTIVES",
    "BATCH_OBJECTIVES",
    "OBJECTIVES",
    "TOKEN_BATCH_OBJECTIVES",
    "DocumentBank",
    "Objective",
    "PairTensors",
    "TransportSettings",
    "WholeBatch",
    "objective_terms",
    "parse_objectives",
    "transport",
]
