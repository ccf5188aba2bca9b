"""Training: the arguments, the trainer, and how a student is saved."""

from optical_hf.training.adapters import merged
from optical_hf.training.arguments import OTDistillationArguments
from optical_hf.training.checkpoints.student_saving import load_weights, merge_and_save, save_student
from optical_hf.training.checks.pair_check import check_pair
from optical_hf.training.trainer.trainer import OTDistillationTrainer

__all__ = [
    "OTDistillationArguments",
    "OTDistillationTrainer",
    "check_pair",
    "load_weights",
    "merge_and_save",
    "merged",
    "save_student",
]
