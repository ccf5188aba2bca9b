"""Teachers by language: each text is read by the teacher of its pair's language.

The student learns one space only where theirs is one, such as a model and the same model tuned on a domain.

Shapes: B texts, M tokens, D width.
"""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn.functional import pad

from optical_hf.models.fingerprint import digest_of
from optical_hf.models.prompts import Task
from optical_hf.models.teachers.teacher import EncoderTeacher, Features, Teacher
from optical_hf.models.tokens import Encoder, TokenSet
from optical_hf.tables import UNKNOWN_LANGUAGE

OneTeacher: TypeAlias = Encoder | Teacher
AnyTeacher: TypeAlias = OneTeacher | Mapping[str, OneTeacher]


class TeachersByLanguage(Teacher):
    """A teacher that reads each text with the teacher of its language.

    Args:
        by_language: language code -> encoder or token cache; one object may teach several languages.

    Raises:
        ValueError: no teachers, something that is no teacher, or teachers of different widths, poolings or kinds.

    Example:
        >>> from optical_hf.models.tiny import tiny_encoder
        >>> one, other = (tiny_encoder(["a dog"], width=16, vocabulary_size=30, seed=s) for s in (0, 1))
        >>> teachers = TeachersByLanguage({"de": one, "so": other})
        >>> teachers.token_set(teachers.features(["a dog", "a dog"], ["de", "so"])).vector_BD.shape
        torch.Size([2, 16])
    """

    def __init__(self, by_language: Mapping[str, OneTeacher]) -> None:
        made: dict[int, Teacher] = {}
        for code, teacher in by_language.items():
            if isinstance(teacher, Mapping | TeachersByLanguage):
                raise ValueError(f"the teacher of {code} is itself several: expected one teacher or one token cache")
            made.setdefault(id(teacher), as_teacher(teacher))
        self.distinct = list(made.values())
        self.place = {code: list(made).index(id(teacher)) for code, teacher in by_language.items()}
        kinds = {teacher.kind for teacher in self.distinct} - {None}
        shapes = {(teacher.width, teacher.pooling) for teacher in self.distinct}
        if len(shapes) != 1 or len(kinds) > 1:
            teachers = {code: self.distinct[place] for code, place in self.place.items()}
            given = {code: (one.width, one.pooling, one.kind) for code, one in teachers.items()}
            raise ValueError(
                f"expected teachers of one width and pooling, and of one kind, got {given or 'none'}: a student has one "
                "projection, into one space; load them with load_teacher(path, kind=...) and leave out those of another width"
            )
        self.width, self.pooling = shapes.pop()
        self.kind = kinds.pop() if kinds else None
        self.has_tokens = all(teacher.has_tokens for teacher in self.distinct)
        self.encoders = tuple(encoder for teacher in self.distinct for encoder in teacher.encoders)

    @property
    def fingerprint(self) -> str:
        """The hash of the teachers' own, by language."""
        return digest_of({code: self.distinct[place].fingerprint for code, place in self.place.items()})

    def features(self, texts: Sequence[str], languages: Sequence[str] = (), *, task: Task = "query") -> Features:
        """What each teacher reads of a batch: by its place, the rows that are its own, and their features.

        Raises:
            ValueError: for a language without a teacher, and texts without a language.
        """
        if len(languages) != len(texts):
            raise ValueError(
                "teachers by language need the language of each text, and documents and query texts have none: pass one teacher, "
                "or documents with their vectors"
            )
        rows: dict[int, list[int]] = {}
        for row, code in enumerate(languages):
            if code not in self.place:
                named = ", ".join(self.place)
                if code == UNKNOWN_LANGUAGE:
                    raise ValueError(
                        f"teachers by language ({named}) need a column 'language' in the bitext, and a pair has none: load it with "
                        "optical_hf.load_bitext, or add_column"
                    )
                raise ValueError(
                    f"a pair is in {code!r} and the teachers are for {named}: name one for it, or load the bitext with "
                    "languages=[...]"
                )
            rows.setdefault(self.place[code], []).append(row)
        return {
            str(place): {
                "rows": torch.tensor(own),
                "features": self.distinct[place].features([texts[row] for row in own], task=task),
            }
            for place, own in rows.items()
        }

    def token_set(self, features: Features, task: Task = "query") -> TokenSet:
        """The token set in the order of the texts, each row by its own teacher."""
        parts = [self.distinct[int(place)].token_set(part["features"], task) for place, part in features.items()]
        longest = max(part.mask_BN.shape[1] for part in parts)
        order_B = torch.cat([part["rows"] for part in features.values()]).argsort()

        def joined(name: str) -> Tensor:
            values = [getattr(part, name) for part in parts]
            if name != "vector_BD":
                values = [pad(v, (0, 0) * (v.ndim - 2) + (0, longest - v.shape[1])) for v in values]
            return torch.cat(values)[order_B]

        return TokenSet(*(joined(name) for name in TokenSet._fields))


def as_teacher(teacher: AnyTeacher) -> Teacher:
    """A `Teacher` from an encoder, a token cache, or a dict of them by language.

    Raises:
        ValueError: for anything else, and as `TeachersByLanguage`.
    """
    if isinstance(teacher, Teacher):
        return teacher
    return TeachersByLanguage(teacher) if isinstance(teacher, Mapping) else EncoderTeacher(teacher)
