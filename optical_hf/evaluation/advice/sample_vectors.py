"""The vectors of sampled texts in the teacher's index: given ones are kept, the teacher reads the others.

Shapes: N documents, K teacher width.
"""

import torch
from datasets import Dataset
from torch import Tensor
from torch.nn.functional import cosine_similarity

from optical_hf.bars import bars_shown
from optical_hf.models.teachers.vector_teacher import VectorTeacher
from optical_hf.models.tokens import Encoder

SAME_TEACHER = 0.5
"""Mean cosine of given vectors and the teacher's, below which another model made them."""
COMPARED = 16


def read_index(teacher: Encoder | VectorTeacher, texts: list[str], batch_size: int, progress: bool) -> Tensor:
    """The vectors (N, K) that the teacher gives to documents.

    Raises:
        ValueError: a text that has no vector, where the teacher is vectors alone.
    """
    if isinstance(teacher, VectorTeacher):
        teacher.check_texts(texts, "sampled texts")
        return teacher.lookup(texts, "document").vector_BD
    shown = bars_shown(progress)
    found = teacher.encode_document(texts, batch_size=batch_size, show_progress_bar=shown, convert_to_tensor=True)
    return torch.as_tensor(found).float().cpu()


def index_vectors(chosen: Dataset, teacher: Encoder | VectorTeacher, batch_size: int, progress: bool) -> Tensor:
    """The vectors (N, K) of documents in the index.

    Args:
        chosen: with `text` and maybe `vector`.
        teacher: of the index.
        batch_size: texts in one forward pass.
        progress: show a progress bar.

    Raises:
        ValueError: given vectors that lie elsewhere than the teacher's.
    """
    texts = chosen["text"][:]
    if "vector" not in chosen.column_names:
        return read_index(teacher, texts, batch_size, progress)
    given_NK = torch.as_tensor(chosen.with_format("torch")["vector"][:], dtype=torch.float32)
    if not isinstance(teacher, VectorTeacher):
        own_NK = read_index(teacher, texts[:COMPARED], batch_size, progress=False)
        cosine = float(cosine_similarity(given_NK[:COMPARED], own_NK).mean())
        if cosine < SAME_TEACHER:
            raise ValueError(
                f"the documents' vectors are not this teacher's: their mean cosine to what it reads is {cosine:.2f}; name the "
                "teacher that made them, or leave the vectors out (--document-vector none reads the texts alone)"
            )
    return given_NK
