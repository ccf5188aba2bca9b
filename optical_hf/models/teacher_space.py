"""What a student takes from its teacher: the width of its space, how tokens are pooled there, and how it is searched."""

from typing import Any, NamedTuple

from sentence_transformers import MultiVectorEncoder, SentenceTransformer
from sentence_transformers.base.modules import Dense
from sentence_transformers.sentence_transformer.modules import Pooling

from optical_hf.models.views import Encoder, Kind, backbone, kind_of, token_projection


class TeacherSpace(NamedTuple):
    """The space of a teacher.

    Attributes:
        width: of its vectors.
        pooling: how its tokens make its one vector.
        kind: how it is searched.
        has_tokens: whether it has vectors of tokens.
        device: where it computes; None where it computes nothing.
    """

    width: int
    pooling: str
    kind: Kind
    has_tokens: bool = True
    device: str | None = None


def teacher_space(teacher: Any) -> TeacherSpace:
    """The space of an encoder, or of a `Teacher` whose vectors are kept.

    Raises:
        ValueError: for an encoder with a dense layer behind its pooling, and for what is no teacher.
    """
    if not isinstance(teacher, SentenceTransformer | MultiVectorEncoder) and hasattr(teacher, "token_set"):
        return TeacherSpace(teacher.width, teacher.pooling, teacher.kind or "vector", teacher.has_tokens)
    kind = kind_of(teacher)
    if any(isinstance(m, Dense) and m.module_input_name == "sentence_embedding" for m in teacher):
        raise ValueError(
            "this teacher has a dense layer behind its pooling: its tokens and its vector live in different spaces, so there is "
            "no one space for the student's tokens; take a teacher that pools last, load it with kind='late_interaction', or "
            "export the vectors of its index and take those, load_vectors"
        )
    return TeacherSpace(embedding_width(teacher), pooling_mode(teacher), kind, device=str(teacher.device))


def embedding_width(model: Encoder) -> int:
    """The width of the vectors a model is searched with."""
    projection = token_projection(model)
    width = projection.out_features if projection is not None else model.get_embedding_dimension()
    return int(width or backbone(model).get_embedding_dimension())


def pooling_mode(model: Encoder) -> str:
    """How a model pools its tokens ("mean", "cls", ...); "mean" for a model that does not pool."""
    pooling = next((m for m in model if isinstance(m, Pooling)), None)
    return pooling.pooling_mode if pooling is not None else "mean"
