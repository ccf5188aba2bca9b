"""What one pass over the pairs gathers: the sums of the pooled vectors by fold, and the vectors themselves where they are kept.

It fits nothing.

Shapes: B pairs, D student width, K teacher width, N rows of all batches, M different English texts.
"""

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from optical_hf.models.alignment.held_out_tokens import TokenFold
from optical_hf.models.alignment.pair_tokens import ENGLISH, PairTokenReader, PairTokens, pooled
from optical_hf.models.alignment.ridge_penalty import Fold, Selection
from optical_hf.models.tokens import Encoder

FOLDS = 5


@dataclass
class PooledRows:
    """Pooled vectors of both sides, gathered batch by batch: what the map is fitted on."""

    sources: list[Tensor] = field(default_factory=list)
    targets: list[Tensor] = field(default_factory=list)
    texts: list[Tensor] = field(default_factory=list)

    def add(self, source_BD: Tensor, target_BK: Tensor, text_B: Tensor) -> None:
        """Add rows; `text_B` is a number that says the English text of each."""
        self.sources.append(source_BD)
        self.targets.append(target_BK)
        self.texts.append(text_B)

    def joined(self) -> tuple[Tensor, Tensor, Tensor]:
        """Source vectors, their targets, and the target of each different English text.

        Raises:
            ValueError: where all rows have one English text.
        """
        target_NK = torch.cat(self.targets)
        first = np.unique(torch.cat(self.texts).cpu().numpy(), return_index=True)[1]
        if len(first) < 2:
            raise ValueError("all pairs have one English text: pass pairs of at least two different English texts")
        return torch.cat(self.sources), target_NK, target_NK[torch.from_numpy(np.sort(first)).to(target_NK.device)]


@dataclass
class FirstPass:
    """What was read: the number of pairs, the folds, and the pooled vectors where they were to be kept."""

    pairs: int = 0
    folds: dict[str, Fold] = field(default_factory=dict)
    token_folds: dict[str, TokenFold] = field(default_factory=dict)
    vectors: PooledRows = field(default_factory=PooledRows)


def read_once(
    pairs: PairTokenReader,
    student: Encoder,
    pooling: str,
    regularisation: float | Selection,
    by_tokens: bool,
    keep_vectors: bool,
) -> FirstPass:
    """Read all pairs once.

    Args:
        pairs: both sides.
        student: whose projection is to be fitted.
        pooling: of both sides' tokens.
        regularisation: says what a fold is.
        by_tokens: keep a sample of tokens too, to be searched by MaxSim.
        keep_vectors: keep all pooled vectors.

    Raises:
        ValueError: for vectors that are not finite.
    """
    read = FirstPass()
    for pair in pairs:
        read.pairs += sum(language != ENGLISH or not pairs.also_english for language in pair.languages)
        foreign_B = torch.tensor([language != ENGLISH for language in pair.languages])
        source_BD, target_BK = pooled(pair.student, pooling), pooled(pair.teacher, pooling)
        _check_finite(source_BD, "student's backbone")
        _check_finite(target_BK, "teacher")
        if keep_vectors:
            read.vectors.add(source_BD, target_BK, pair.text_B)
        for name, rows in folds_of(pair, regularisation).items():
            if name not in read.folds:
                read.folds[name] = Fold.empty(source_BD.shape[1], target_BK.shape[1], student.device)
            read.folds[name].add(source_BD[rows], target_BK[rows], pair.text_B[rows], foreign_B[rows])
            if by_tokens:
                judged = [row for row in rows if foreign_B[row]]
                read.token_folds.setdefault(name, TokenFold()).add(pair.student, pair.teacher, judged, pair.text_B)
    return read


def folds_of(pair: PairTokens, regularisation: float | Selection) -> dict[str, list[int]]:
    """The rows of a batch by fold: all of them in one where nothing is held out, else a share of the pairs or a language.

    All that is paired with one English text is in one share: its other translations, and itself read by the student.
    """
    found: dict[str, list[int]] = {}
    for row, (language, text) in enumerate(zip(pair.languages, pair.text_B.tolist(), strict=True)):
        name = "all"
        if regularisation == "held_out_language":
            name = language
        elif regularisation == "held_out_pairs":
            name = str(text % FOLDS)
        found.setdefault(name, []).append(row)
    return found


def _check_finite(vector_BD: Tensor, whose: str) -> None:
    bad = int((~vector_BD.isfinite().all(dim=1)).sum())
    if bad:
        raise ValueError(
            f"{bad} of {len(vector_BD)} vectors of the {whose} are NaN or infinite, and nothing was fitted: check its weights, or "
            "load it in float32"
        )
