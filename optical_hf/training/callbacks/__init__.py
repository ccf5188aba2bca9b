"""Callbacks of a distillation run: what is watched while it trains, and when it stops by itself."""

from optical_hf.training.callbacks.bad_batches import BadBatchError, BadBatches
from optical_hf.training.callbacks.batch import BatchCallback, TrainingBatch, batch_callbacks
from optical_hf.training.callbacks.collapse import CollapseDetector, CollapseError
from optical_hf.training.callbacks.defaults import default_callbacks
from optical_hf.training.callbacks.termination import CheckpointOnTermination
from optical_hf.training.callbacks.transport_diagnostics import TransportDiagnostics

__all__ = [
    "BadBatchError",
    "BadBatches",
    "BatchCallback",
    "CheckpointOnTermination",
    "CollapseDetector",
    "CollapseError",
    "TrainingBatch",
    "TransportDiagnostics",
    "batch_callbacks",
    "default_callbacks",
]
