"""Whether a student still reproduces the index: held-out documents, read by the student, retrieve their own vectors.

It needs no other language, so it tells a loss of English apart from a loss across languages.

Shapes: N documents, K width.
"""

import torch
from datasets import Dataset
from torch.nn.functional import normalize

from optical_hf.models import Encoder
from optical_hf.models.alignment.own_rank import own_rank, same_targets, text_numbers

HELD_OUT = 200


class IndexReproduction:
    """An evaluator of a one-vector student: R@1 in [0, 1] of each document's own vector among those of all.

    Args:
        rows: held-out documents with `source` and `vector`, as `english_rows` gives them.
    """

    def __init__(self, rows: Dataset) -> None:
        self.texts = rows["source"][:]
        self.vector_NK = torch.as_tensor(rows.with_format("torch")["vector"][:], dtype=torch.float32)
        self.same_NN = same_targets(text_numbers(self.texts), self.vector_NK)

    @torch.no_grad()
    def __call__(self, student: Encoder) -> dict[str, float]:
        """The metric `reproduced`."""
        read_NK = student.encode_query(self.texts, convert_to_tensor=True, show_progress_bar=False).float().cpu()
        score_NN = normalize(read_NK, dim=1) @ normalize(self.vector_NK, dim=1).T
        return {"reproduced": float((own_rank(score_NN, self.same_NN) == 1).float().mean())}


def split_documents(documents: Dataset) -> tuple[Dataset, Dataset]:
    """The documents to learn from, and those held out: a tenth, at most `HELD_OUT`."""
    cut = len(documents) - min(HELD_OUT, len(documents) // 10)
    return documents.select(range(cut)), documents.select(range(cut, len(documents)))
