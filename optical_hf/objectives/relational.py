"""A baseline that keeps the similarities within a batch.

Where the batch is spread over devices, `PairTensors.batch` holds the vectors of all of it, gathered by the caller.

Shapes: B pairs, C pairs of the whole batch, D width.
"""

from torch import Tensor
from torch.nn.functional import normalize

from optical_hf.objectives.pairs import PairTensors


def relational(pairs: PairTensors) -> Tensor:
    """Keep the teacher's similarities: the squared difference of the two cosine matrices, averaged by row: (B,).

    Source: Park et al. 2019, arXiv:1904.05068.
    """
    batch = pairs.whole_batch
    student_CD, teacher_CD = normalize(batch.student_CD.float()), normalize(batch.teacher_CD.float())
    own = slice(batch.offset, batch.offset + len(pairs.student_vector_BD))
    return (student_CD[own] @ student_CD.T - teacher_CD[own] @ teacher_CD.T).square().mean(dim=-1)
