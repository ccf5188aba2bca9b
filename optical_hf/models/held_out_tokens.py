"""How well a map's tokens find the translations of a fold by MaxSim: what chooses between maps for a late-interaction student.

Beside the sums and pooled vectors of a fold (`penalty`) a small sample of its pairs is kept with all their tokens. English read as
one more language is not in it: what counts is whether translations are found. Knows nothing about models or sums.

Shapes: B pairs, N student tokens, M teacher tokens, D student width, K teacher width.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from sentence_transformers.util import maxsim
from torch import Tensor
from torch.nn.functional import normalize

from optical_hf.models.pair_tokens import ENGLISH
from optical_hf.models.tokens import TokenSet
from optical_hf.models.uniform_sample import UniformSample

SAMPLE = 150


@dataclass
class TokenFold:
    """A uniform sample of the pairs of one fold, both sides' tokens."""

    kept: list[tuple[Tensor, Tensor]] = field(default_factory=list)
    sample: UniformSample = field(default_factory=lambda: UniformSample(SAMPLE))

    def add(self, student: TokenSet, teacher: TokenSet, rows: Sequence[int], languages: Sequence[str]) -> None:
        """Let pairs draw for a place in the sample.

        Args:
            student: tokens [B, N, D] of the backbone.
            teacher: tokens [B, M, K].
            rows: those of the batch that belong to this fold.
            languages: of the batch; the rows of English are passed over.
        """
        rows = [row for row in rows if languages[row] != ENGLISH]
        before = len(self.kept)
        self.kept = [
            self.kept[place]
            if place < before
            else (_own(student, rows[place - before]), _own(teacher, rows[place - before]))
            for place in self.sample.draw(len(rows)).tolist()
        ]

    def found(self, weight_KD: Tensor, bias_K: Tensor) -> float:
        """Mean reciprocal rank, by MaxSim, of the right English side among those of the sample."""
        queries, documents = zip(*self.kept, strict=True)
        weight_KD, bias_K = weight_KD.to(queries[0].device, torch.float32), bias_K.to(queries[0].device, torch.float32)
        placed = [normalize(tokens_ND.float() @ weight_KD.T + bias_K, dim=-1) for tokens_ND in queries]
        score_BB = maxsim(placed, [normalize(tokens_MK.float(), dim=-1) for tokens_MK in documents])
        rank_B = (score_BB >= score_BB.diagonal().unsqueeze(1)).sum(dim=1)  # a tie is no find
        return float((1 / rank_B).mean())


def _own(tokens: TokenSet, row: int) -> Tensor:
    """The tokens of one text, without padding, in a memory of their own."""
    return tokens.tokens_BND[row][tokens.mask_BN[row]].to(torch.float16, copy=True)
