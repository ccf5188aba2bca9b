"""Different teachers for different languages: one that reads each text as the teacher of its pair's language reads it.

A student of several teachers learns one space only where theirs is one: teachers of one width, such as a model and its version
tuned on a domain. Knows nothing about students or training.

Shapes: B texts, M tokens, D width.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from sentence_transformers.util import batch_to_device
from torch import Tensor
from torch.nn.functional import pad

from optical_hf.models.cache import TeacherCache, teacher_tokens
from optical_hf.models.loading import embedding_width, pooling_mode
from optical_hf.models.tokens import Encoder, TokenSet, preprocess_queries


class TeachersByLanguage:
    """Teachers by the language of the pair they teach.

    Args:
        by_language: language code -> teacher, or the cache of one; one object may teach several languages.

    Raises:
        ValueError: no teachers, or teachers of different widths or poolings.

    Example:
        >>> from optical_hf.models.tiny import tiny_encoder
        >>> one, other = (tiny_encoder(["a dog"], width=16, vocabulary_size=30, seed=s) for s in (0, 1))
        >>> teachers = TeachersByLanguage({"de": one, "so": other})
        >>> teachers.tokens(teachers.features(["a dog", "a dog"], ["de", "so"])).vector_BD.shape
        torch.Size([2, 16])
    """

    def __init__(self, by_language: Mapping[str, Encoder | TeacherCache]) -> None:
        self.by_language = dict(by_language)
        kinds = {code: (width_of(teacher), pooling_of(teacher)) for code, teacher in self.by_language.items()}
        if len(set(kinds.values())) != 1:
            raise ValueError(
                f"expected teachers of one width and pooling, got {kinds or 'none'}: a student has one projection, into one space"
            )
        self.width, self.pooling = next(iter(kinds.values()))

    @property
    def distinct(self) -> list[Encoder | TeacherCache]:
        """Each teacher once."""
        return list({id(teacher): teacher for teacher in self.by_language.values()}.values())

    def features(self, texts: Sequence[str], languages: Sequence[str]) -> dict[str, dict[str, Any]]:
        """What each teacher reads of a batch: by its place, the rows that are its own, and their features.

        Raises:
            ValueError: for a language without a teacher.
        """
        places = {id(teacher): str(place) for place, teacher in enumerate(self.distinct)}
        rows: dict[str, list[int]] = {}
        for row, code in enumerate(languages):
            if code not in self.by_language:
                raise ValueError(
                    f"a pair is in {code!r} and the teachers are for {', '.join(self.by_language)}: name one for it, or load the "
                    "bitext with languages=[...]"
                )
            rows.setdefault(places[id(self.by_language[code])], []).append(row)
        return {
            place: {
                "rows": torch.tensor(own),
                "features": _read(self.distinct[int(place)], [texts[row] for row in own]),
            }
            for place, own in rows.items()
        }

    def tokens(self, features: Mapping[str, Mapping[str, Any]]) -> TokenSet:
        """The token sets of a batch in the order of its texts, without gradient."""
        parts = [teacher_tokens(self.distinct[int(place)], part["features"]) for place, part in features.items()]
        longest = max(part.mask_BN.shape[1] for part in parts)
        order_B = torch.cat([part["rows"] for part in features.values()]).argsort()

        def joined(name: str) -> Tensor:
            values = [getattr(part, name) for part in parts]
            if name != "vector_BD":
                values = [pad(v, (0, 0) * (v.ndim - 2) + (0, longest - v.shape[1])) for v in values]
            return torch.cat(values)[order_B]

        return TokenSet(*(joined(name) for name in TokenSet._fields))

    def iter_token_sets(
        self, texts: Sequence[str], languages: Sequence[str], batch_size: int = 64
    ) -> Iterator[TokenSet]:
        """Token sets a padded batch at a time, in the order of the texts."""
        for start in range(0, len(texts), batch_size):
            batch = slice(start, start + batch_size)
            features = self.features(texts[batch], languages[batch])
            device = next((t.device for t in self.distinct if not isinstance(t, TeacherCache)), torch.device("cpu"))
            moved = {
                place: {"rows": part["rows"].to(device), "features": batch_to_device(part["features"], device)}
                for place, part in features.items()
            }
            yield self.tokens(moved)


def width_of(teacher: Encoder | TeacherCache | TeachersByLanguage) -> int:
    """The width of the vectors a teacher gives."""
    if isinstance(teacher, TeachersByLanguage):
        return teacher.width
    return teacher.identity.width if isinstance(teacher, TeacherCache) else embedding_width(teacher)


def pooling_of(teacher: Encoder | TeacherCache | TeachersByLanguage) -> str:
    """How a teacher pools its tokens."""
    if isinstance(teacher, TeachersByLanguage):
        return teacher.pooling
    return teacher.identity.pooling if isinstance(teacher, TeacherCache) else pooling_mode(teacher)


def read_teacher(teacher: Encoder | TeacherCache | TeachersByLanguage, features: Mapping[str, Any]) -> TokenSet:
    """The teacher's side of a batch, whatever the teacher is; without gradient."""
    return teacher.tokens(features) if isinstance(teacher, TeachersByLanguage) else teacher_tokens(teacher, features)


def _read(teacher: Encoder | TeacherCache, texts: list[str]) -> dict[str, Any]:
    return teacher.features(texts) if isinstance(teacher, TeacherCache) else preprocess_queries(teacher, texts)
