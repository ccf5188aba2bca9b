"""The mean of several teachers: every text is read by all of them, and what is minimised is the mean over the teachers.

Two tokenizers cut a text into different tokens, so tokens cannot be averaged, but objectives and normal equations can. For squared
errors that is the objective with the mean of their vectors, up to a constant. Knows nothing about students or training.

Shapes: B texts, M tokens, D width, T teachers.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor

from optical_hf.models.prompts import Task
from optical_hf.models.teachers.language_teachers import SeveralTeachers, TeachersByLanguage, read_texts
from optical_hf.models.teachers.token_cache import TeacherCache, teacher_tokens
from optical_hf.models.tokens import Encoder, TokenSet

OneTeacher: TypeAlias = Encoder | TeacherCache
AnyTeacher: TypeAlias = OneTeacher | SeveralTeachers | Mapping[str, OneTeacher] | Sequence[OneTeacher]


class MeanOfTeachers(SeveralTeachers):
    """Teachers that all teach each pair, with equal say.

    Args:
        teachers: the teachers, or their caches.

    Raises:
        ValueError: as `SeveralTeachers`.

    Example:
        >>> from optical_hf.models.tiny import tiny_encoder
        >>> mean = MeanOfTeachers([tiny_encoder(["a dog"], width=16, vocabulary_size=30, seed=s) for s in (0, 1)])
        >>> [tokens.vector_BD.shape for tokens in mean.token_sets(mean.features(["a dog"]))]
        [torch.Size([1, 16]), torch.Size([1, 16])]
    """

    def __init__(self, teachers: Sequence[OneTeacher]) -> None:
        self.teachers = list(teachers)
        super().__init__({str(place): teacher for place, teacher in enumerate(self.teachers)})

    def features(
        self, texts: Sequence[str], languages: Sequence[str] = (), task: Task = "query"
    ) -> dict[str, dict[str, Any]]:
        """What each teacher reads of a batch, by its place; the languages make no difference."""
        return {str(place): read_texts(teacher, list(texts), task) for place, teacher in enumerate(self.teachers)}

    def token_sets(self, features: Mapping[str, Mapping[str, Any]], task: Task = "query") -> list[TokenSet]:
        """One token set a teacher, without gradient.

        Their lengths are made equal text by text, to the mean of the teachers: the closed form reads tokens before they are
        normalised, and the teacher with the longer ones would be heard alone.
        """
        sets = [teacher_tokens(teacher, features[str(place)], task) for place, teacher in enumerate(self.teachers)]
        token_TB = _to_mean_length([_token_length(found) for found in sets])
        vector_TB = _to_mean_length([found.vector_BD.norm(dim=-1) for found in sets])
        return [
            found._replace(
                tokens_BND=found.tokens_BND * token_B[:, None, None], vector_BD=found.vector_BD * vector_B[:, None]
            )
            for found, token_B, vector_B in zip(sets, token_TB, vector_TB, strict=True)
        ]


def one_teacher(teacher: AnyTeacher) -> OneTeacher | SeveralTeachers:
    """What a user gives as teacher as one: a dict is teachers by language, a sequence the mean of its teachers.

    Raises:
        ValueError: as `SeveralTeachers`.
    """
    if isinstance(teacher, Mapping):
        return TeachersByLanguage(teacher)
    return MeanOfTeachers(teacher) if isinstance(teacher, Sequence) else teacher


def _token_length(found: TokenSet) -> Tensor:
    """The mean length of the tokens of each text, (B,)."""
    length_BM = found.tokens_BND.norm(dim=-1).masked_fill(~found.mask_BN, 0.0)
    return length_BM.sum(dim=1) / found.mask_BN.sum(dim=1).clamp(min=1)


def _to_mean_length(length_TB: list[Tensor]) -> Tensor:
    """What to multiply each teacher's vectors by, (T, B)."""
    stacked_TB = torch.stack(length_TB)
    return stacked_TB.mean(dim=0) / stacked_TB.clamp(min=1e-12)
