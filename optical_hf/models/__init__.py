"""Teachers and students: load them, view them as one vector or one a token, align them in closed form."""

from optical_hf.models.alignment import AlignmentReport, fit_alignment
from optical_hf.models.kinds import Kind, as_late_interaction, as_vector, backbone, kind_of, token_projection
from optical_hf.models.loading import build_student, embedding_width, load_student, load_teacher
from optical_hf.models.tokens import Encoder, TokenSet, iter_token_sets, preprocess_queries, token_set

__all__ = [
    "AlignmentReport",
    "Encoder",
    "Kind",
    "TokenSet",
    "as_late_interaction",
    "as_vector",
    "backbone",
    "build_student",
    "embedding_width",
    "fit_alignment",
    "iter_token_sets",
    "kind_of",
    "load_student",
    "load_teacher",
    "preprocess_queries",
    "token_projection",
    "token_set",
]
