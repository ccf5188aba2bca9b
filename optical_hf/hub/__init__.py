"""The Hugging Face Hub: the model card of a student, and its upload."""

from optical_hf.hub.card import model_card
from optical_hf.hub.push import push_student, student_files

__all__ = ["model_card", "push_student", "student_files"]
