"""Several token caches of one encoder as one: a text is looked up in the first that has it.

Shapes: B texts, N tokens after padding, D width.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from optical_hf.models.prompts import Task
from optical_hf.models.teachers.stored_teacher import StoredTeacher
from optical_hf.models.teachers.token_cache.teacher_cache import TeacherCache
from optical_hf.models.tokens import TokenSet


class JoinedCache(StoredTeacher):
    """Token caches that lie in different folders, such as those of the bitext and of the documents.

    Args:
        parts: at least one; all of one encoder, read the same way.

    Raises:
        ValueError: no part, or parts of different encoders.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from optical_hf.models.tiny import tiny_encoder
        >>> model = tiny_encoder(["a dog"], width=16, vocabulary_size=30)
        >>> with TemporaryDirectory() as folder:
        ...     places = (("a dog", f"{folder}/1"), ("a red dog", f"{folder}/2"))
        ...     parts = [TeacherCache.build(model, [text], place, progress=False) for text, place in places]
        ...     JoinedCache(parts).lookup(["a red dog", "a dog"]).vector_BD.shape
        torch.Size([2, 16])
    """

    def __init__(self, parts: Sequence[TeacherCache]) -> None:
        if len({part.fingerprint for part in parts}) != 1:
            found = ", ".join(part.fingerprint for part in parts) or "none"
            raise ValueError(
                f"expected one or more token caches of one encoder, got {found}: build them with the same one"
            )
        self.parts = tuple(parts)
        self.width, self.pooling, self.kind = parts[0].width, parts[0].pooling, parts[0].kind

    @property
    def fingerprint(self) -> str:
        """That of its parts."""
        return self.parts[0].fingerprint

    def lookup(self, texts: Sequence[str], task: Task = "query") -> TokenSet:
        """The token set of a batch of texts; padded, float32, on the CPU.

        Raises:
            ValueError: where no part has a text, naming it.
            DamagedShardError: where its shard is damaged, naming the shard.
        """
        whose = [next((n for n, part in enumerate(self.parts) if text in part), 0) for text in texts]
        if len(set(whose)) < 2:
            return self.parts[whose[0] if whose else 0].lookup(texts, task)
        found: dict[int, tuple[Tensor, Tensor, Tensor]] = {}
        for number, part in enumerate(self.parts):
            rows = [row for row, owner in enumerate(whose) if owner == number]
            if rows:
                tokens_BND, mask_BN, content_BN, vector_BD = part.lookup([texts[row] for row in rows], task)
                for place, row in enumerate(rows):
                    own_N = mask_BN[place]
                    found[row] = tokens_BND[place, own_N], content_BN[place, own_N], vector_BD[place]
        tokens, contents, vectors = zip(*(found[row] for row in range(len(texts))), strict=True)
        tokens_BND, content_BN = (pad_sequence(list(side), batch_first=True) for side in (tokens, contents))
        mask_BN = pad_sequence([torch.ones(len(each), dtype=torch.bool) for each in tokens], batch_first=True)
        return TokenSet(tokens_BND, mask_BN, content_BN, torch.stack(vectors))
