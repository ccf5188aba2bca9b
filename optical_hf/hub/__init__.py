"""The Hugging Face Hub: the model card of a student, a Space to try it, and their upload."""

from optical_hf.hub.card import model_card
from optical_hf.hub.push import push_student, student_files
from optical_hf.hub.space import push_space, write_space

__all__ = ["model_card", "push_space", "push_student", "student_files", "write_space"]
