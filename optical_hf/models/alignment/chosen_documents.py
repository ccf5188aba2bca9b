"""What a fit takes of an index: documents that the student reads, and others of which the vectors alone are negatives.

Shapes: U documents that nobody reads, K teacher width.
"""

from dataclasses import dataclass

import numpy as np
import torch
from datasets import Dataset
from torch import Tensor

from optical_hf.models.alignment.index_documents import (
    VECTOR,
    Documents,
    check_vectors,
    check_widths,
    random_order,
    sample_documents,
)

MAX_UNREAD = 100_000
"""Vectors of further documents that a fit takes as negatives: nobody reads their texts."""


@dataclass(frozen=True)
class ChosenDocuments:
    """A random choice of the documents of an index.

    Attributes:
        read: with `text` and maybe `vector`.
        unread: further ones, with `vector`; None where they have none.
    """

    read: Dataset
    unread: Dataset | None = None

    @classmethod
    def of(cls, documents: "Documents | ChosenDocuments", count: int, seed: int, width: int) -> "ChosenDocuments":
        """The first `count` of a random order are read, and at most `MAX_UNREAD` after them are not; what was chosen stays.

        Raises:
            ValueError: as `sample_documents` does.
        """
        if isinstance(documents, ChosenDocuments):
            return documents
        read = sample_documents(documents, count, seed, width)
        if not isinstance(documents, Dataset) or VECTOR not in documents.column_names:
            return cls(read)
        places = random_order(documents, seed)[count : count + MAX_UNREAD]
        return cls(read, documents.select_columns([VECTOR]).select(places))

    def unread_vectors(self, width: int) -> Tensor:
        """The vectors of documents that nobody reads, (U, K).

        Raises:
            ValueError: for vectors of another width, that are not finite, or of no length.
        """
        if self.unread is None:
            return torch.empty(0, width)
        rows = self.unread.with_format("numpy")[VECTOR][:]
        check_widths(rows, width, "documents")
        vector_UK = torch.as_tensor(np.asarray(rows, dtype=np.float32)).reshape(len(self.unread), width)
        check_vectors(vector_UK)
        return vector_UK
