"""Teachers and students: load them, search them by one vector a text or one a token, fit them in closed form."""

from optical_hf.models.alignment.alignment_settings import AlignmentSettings
from optical_hf.models.alignment.fit_alignment import AlignmentReport, fit_alignment
from optical_hf.models.layers import Layers, averaged_layers, layer_average
from optical_hf.models.loading import build_student, load_student, load_teacher
from optical_hf.models.teacher_space import embedding_width
from optical_hf.models.teachers.vector_teacher import VectorTeacher, load_vectors
from optical_hf.models.tokens import TokenSet, iter_token_sets, preprocess, preprocess_queries, token_set
from optical_hf.models.translation.from_english import load_translators
from optical_hf.models.translation.seq2seq import load_translator
from optical_hf.models.two_towers import save_towers
from optical_hf.models.views import (
    Encoder,
    Kind,
    as_backbone,
    as_late_interaction,
    as_vector,
    backbone,
    before_projection,
    kind_of,
    token_projection,
)

__all__ = [
    "AlignmentReport",
    "AlignmentSettings",
    "Encoder",
    "Kind",
    "Layers",
    "TokenSet",
    "VectorTeacher",
    "as_backbone",
    "as_late_interaction",
    "as_vector",
    "averaged_layers",
    "backbone",
    "before_projection",
    "build_student",
    "embedding_width",
    "fit_alignment",
    "iter_token_sets",
    "kind_of",
    "layer_average",
    "load_student",
    "load_teacher",
    "load_translator",
    "load_translators",
    "load_vectors",
    "preprocess",
    "preprocess_queries",
    "save_towers",
    "token_projection",
    "token_set",
]
