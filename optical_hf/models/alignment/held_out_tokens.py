"""How well the translations of a fold retrieve their English sides by MaxSim: what chooses between maps for a late-interaction
student. A small sample of the pairs is kept with all their tokens.

Shapes: B pairs, N student tokens, M teacher tokens, D student width, K teacher width, S pairs of the sample.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from sentence_transformers.util import maxsim
from torch import Tensor
from torch.nn.functional import normalize

from optical_hf.models.alignment.own_rank import mean_reciprocal_rank
from optical_hf.models.alignment.uniform_sample import UniformSample
from optical_hf.models.tokens import TokenSet

SAMPLE = 150


@dataclass
class TokenFold:
    """A uniform sample of the pairs of one fold: both sides' tokens, and the number of the English text."""

    sample: UniformSample[tuple[Tensor, Tensor, Tensor]] = field(default_factory=lambda: UniformSample(SAMPLE))

    def __len__(self) -> int:
        return len(self.sample.items)

    def add(self, student: TokenSet, teacher: TokenSet, rows: Sequence[int], text_B: Tensor) -> None:
        """Add pairs to the sample.

        Args:
            student: tokens [B, N, D] of the backbone.
            teacher: tokens [B, M, K].
            rows: those of the batch that belong to this fold and are translations.
            text_B: a number that says the English text of each pair of the batch.
        """
        self.sample.add(len(rows), lambda p: (_own(student, rows[p]), _own(teacher, rows[p]), text_B[rows[p]].clone()))

    def found(self, weight_KD: Tensor, bias_K: Tensor) -> float:
        """Mean reciprocal rank, by MaxSim, of the right English side among those of the sample."""
        queries, documents, texts = zip(*self.sample.items, strict=True)
        weight_KD, bias_K = weight_KD.to(queries[0].device, torch.float32), bias_K.to(queries[0].device, torch.float32)
        placed = [normalize(tokens_ND.float() @ weight_KD.T + bias_K, dim=-1) for tokens_ND in queries]
        searched = [normalize(tokens_MK.float(), dim=-1) for tokens_MK in documents]
        mean_SK = torch.stack([tokens_MK.mean(dim=0) for tokens_MK in searched])  # equal where the tokens are
        return mean_reciprocal_rank(maxsim(placed, searched), torch.stack(texts), mean_SK)


def _own(tokens: TokenSet, row: int) -> Tensor:
    """The tokens of one text, without padding, in a memory of their own."""
    return tokens.tokens_BND[row][tokens.mask_BN[row]].to(torch.float16, copy=True)
