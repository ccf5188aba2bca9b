"""Several token caches of one encoder as one: a text is looked up in the first that has it."""

from collections.abc import Sequence

from optical_hf.models.prompts import Task
from optical_hf.models.teachers.stored_teacher import StoredTeacher
from optical_hf.models.teachers.token_cache.teacher_cache import TeacherCache, padded
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
        whose = (next((part for part in self.parts if text in part), self.parts[0]) for text in texts)
        return padded([entry for text, part in zip(texts, whose, strict=True) for entry in part.entries([text], task)])
