"""Teachers by language: each text is read as the teacher of its pair's language reads it.

A student of several teachers learns one space only where theirs is one: teachers of one width, such as a model and its version
tuned on a domain.

Shapes: B texts, M tokens, D width.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import torch
from accelerate.utils import send_to_device
from torch import Tensor
from torch.nn.functional import pad

from optical_hf.models.loading import embedding_width, pooling_mode
from optical_hf.models.prompts import Task
from optical_hf.models.teachers.token_cache import TeacherCache, teacher_tokens
from optical_hf.models.tokens import Encoder, TokenSet, preprocess
from optical_hf.models.views import kind_of
from optical_hf.tables import UNKNOWN_LANGUAGE

OneTeacher: TypeAlias = Encoder | TeacherCache
AnyTeacher: TypeAlias = "OneTeacher | TeachersByLanguage | Mapping[str, OneTeacher]"


class TeachersByLanguage:
    """Teachers by the language of the pair they teach.

    Args:
        by_language: language code -> teacher, or the cache of one; one object may teach several languages.

    Raises:
        ValueError: no teachers, something that is no teacher, or teachers of different widths, poolings or kinds.

    Example:
        >>> from optical_hf.models.tiny import tiny_encoder
        >>> one, other = (tiny_encoder(["a dog"], width=16, vocabulary_size=30, seed=s) for s in (0, 1))
        >>> teachers = TeachersByLanguage({"de": one, "so": other})
        >>> teachers.token_set(teachers.features(["a dog", "a dog"], ["de", "so"])).vector_BD.shape
        torch.Size([2, 16])
    """

    def __init__(self, by_language: Mapping[str, Encoder | TeacherCache]) -> None:
        self.by_language = dict(by_language)
        for code, teacher in self.by_language.items():
            if isinstance(teacher, Mapping | list | tuple | TeachersByLanguage):
                raise ValueError(
                    f"the teacher of {code} is a {type(teacher).__name__}: expected one teacher or one token cache for a language"
                )
        # A cache does not know whether its teacher searches with one vector or with tokens.
        known = {code: kind_of(one) for code, one in self.by_language.items() if not isinstance(one, TeacherCache)}
        shapes = {code: (width_of(teacher), pooling_of(teacher)) for code, teacher in self.by_language.items()}
        if len(set(shapes.values())) != 1 or len(set(known.values())) > 1:
            told = {code: (*shape, known.get(code, "cache")) for code, shape in shapes.items()}
            raise ValueError(
                f"expected teachers of one width and pooling, and of one kind, got {told or 'none'}: a student has one "
                "projection, into one space; load them with load_teacher(path, kind=...) and leave out those of another width"
            )
        self.width, self.pooling = next(iter(shapes.values()))
        self.distinct = list({id(teacher): teacher for teacher in self.by_language.values()}.values())

    def features(
        self, texts: Sequence[str], languages: Sequence[str], task: Task = "query"
    ) -> dict[str, dict[str, Any]]:
        """What each teacher reads of a batch: by its place, the rows that are its own, and their features.

        Raises:
            ValueError: for a language without a teacher.
        """
        places = {id(teacher): str(place) for place, teacher in enumerate(self.distinct)}
        rows: dict[str, list[int]] = {}
        for row, code in enumerate(languages):
            if code not in self.by_language:
                if code == UNKNOWN_LANGUAGE:
                    raise ValueError(
                        f"teachers by language ({', '.join(self.by_language)}) need a column 'language' in the bitext, and a pair "
                        "has none: load it with optical_hf.load_bitext, or add_column"
                    )
                raise ValueError(
                    f"a pair is in {code!r} and the teachers are for {', '.join(self.by_language)}: name one for it, or load the "
                    "bitext with languages=[...]"
                )
            rows.setdefault(places[id(self.by_language[code])], []).append(row)
        return {
            place: {
                "rows": torch.tensor(own),
                "features": read_texts(self.distinct[int(place)], [texts[row] for row in own], task),
            }
            for place, own in rows.items()
        }

    def token_set(self, features: Mapping[str, Mapping[str, Any]], task: Task = "query") -> TokenSet:
        """The token set, in the order of the texts, each row by its own teacher; without gradient."""
        parts = [teacher_tokens(self.distinct[int(place)], part["features"], task) for place, part in features.items()]
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
        """`token_set` a padded batch at a time, in the order of the texts."""
        device = next((t.device for t in self.distinct if not isinstance(t, TeacherCache)), torch.device("cpu"))
        for start in range(0, len(texts), batch_size):
            batch = slice(start, start + batch_size)
            yield self.token_set(send_to_device(self.features(texts[batch], languages[batch]), device))


def one_teacher(teacher: "AnyTeacher") -> "OneTeacher | TeachersByLanguage":
    """What a user gives as teacher as one: a dict is teachers by language.

    Raises:
        ValueError: as `TeachersByLanguage`; and for anything that is no teacher.
    """
    if isinstance(teacher, Mapping):
        return TeachersByLanguage(teacher)
    if not isinstance(teacher, TeacherCache | TeachersByLanguage):
        kind_of(teacher)
    return teacher


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


def read_teacher(
    teacher: Encoder | TeacherCache | TeachersByLanguage, features: Mapping[str, Any], task: Task = "query"
) -> TokenSet:
    """What a batch is taught by, whatever the teacher is; without gradient."""
    if isinstance(teacher, TeachersByLanguage):
        return teacher.token_set(features, task)
    return teacher_tokens(teacher, features, task)


def read_texts(teacher: Encoder | TeacherCache, texts: list[str], task: Task = "query") -> dict[str, Any]:
    """What one teacher, or its cache, reads of a batch of texts."""
    return teacher.features(texts, task) if isinstance(teacher, TeacherCache) else preprocess(teacher, texts, task)
