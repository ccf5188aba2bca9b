"""A teacher whose token sets are kept: they are looked up by text, and no encoder is in memory."""

from abc import abstractmethod
from collections.abc import Sequence

from optical_hf.models.prompts import Task
from optical_hf.models.teachers.teacher import Features, Teacher
from optical_hf.models.tokens import TokenSet

FEATURES = ("cached_tokens", "cached_mask", "cached_content", "cached_vector")


class StoredTeacher(Teacher):
    """A teacher that looks texts up."""

    @abstractmethod
    def lookup(self, texts: Sequence[str], task: Task = "query") -> TokenSet:
        """The token set of a batch of texts, padded, float32, on the CPU.

        Raises:
            ValueError: where a text is not there, naming it.
        """

    def features(self, texts: Sequence[str], *, task: Task = "query") -> Features:
        """The tokens as a dict of tensors, in place of the features a tokenizer gives: what a collator wants.

        `PairCollator(student=..., teacher=teacher.features)` reads the teacher's side from disk, in the loaders.
        """
        return dict(zip(FEATURES, self.lookup(texts, task), strict=True))

    def token_set(self, features: Features, task: Task = "query") -> TokenSet:
        """The token set that `features` holds.

        Raises:
            ValueError: where tokenized text comes and there is no teacher to read it.
        """
        if FEATURES[0] not in features:
            raise ValueError(
                "the batch holds tokenized text and the teacher's vectors are kept, not computed: collate with "
                "teacher=teacher.features"
            )
        return TokenSet(*(features[name] for name in FEATURES))
