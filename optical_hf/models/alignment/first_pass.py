"""What is read before a fit: the sums of the pooled vectors by fold, and the vectors themselves where they are kept.

It fits nothing.

Shapes: B pairs, N pairs of all batches, M different English texts, D student width, K teacher width.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from optical_hf.models.alignment.held_out_tokens import TokenFold
from optical_hf.models.alignment.own_rank import text_numbers
from optical_hf.models.alignment.pair_tokens import ENGLISH, PairTokenReader, pooled
from optical_hf.models.alignment.pooled_texts import PooledTexts, check_finite
from optical_hf.models.alignment.ridge_penalty import Fold
from optical_hf.models.alignment.token_rows import PackedPairs
from optical_hf.tables import language_of

FOLDS = 5
WINDOW = 8192  # pairs read together


@dataclass
class PooledPairs:
    """Pooled vectors of both sides of the pairs, and of the English sides as the student reads them where it does.

    Attributes:
        foreign: the student's vectors of the foreign sides, batch by batch.
        english: its vectors of the English sides; empty where it reads none.
        targets: the teacher's vectors of the English sides.
        texts: a number that says the English text of each pair.
    """

    foreign: list[Tensor] = field(default_factory=list)
    english: list[Tensor] = field(default_factory=list)
    targets: list[Tensor] = field(default_factory=list)
    texts: list[Tensor] = field(default_factory=list)

    def rows(self) -> tuple[Tensor, Tensor]:
        """Source vectors, foreign ones and then English ones, and their targets."""
        target_NK = torch.cat(self.targets)
        sides = [torch.cat(side) for side in (self.foreign, self.english) if side]
        return torch.cat(sides), target_NK.repeat(len(sides), 1)

    def shifts(self) -> Tensor:
        """Foreign - English, as the student reads both (N, D)."""
        return torch.cat(self.foreign) - torch.cat(self.english)


@dataclass
class FirstPass:
    """What was read.

    Args:
        keep_vectors: keep all pooled vectors.
        tokens: takes all tokens, where they are kept.

    Attributes:
        pairs: their number.
        folds: the sums by fold.
        token_folds: a sample of tokens by fold, to be searched by MaxSim.
        vectors: of all pairs, where they are kept.
        lengths: sum of the lengths of the teacher's vectors.
    """

    keep_vectors: bool
    tokens: PackedPairs | None = None
    pairs: int = 0
    folds: dict[str, Fold] = field(default_factory=dict)
    token_folds: dict[str, TokenFold] = field(default_factory=dict)
    vectors: PooledPairs = field(default_factory=PooledPairs)
    lengths: float = 0.0

    def add(self, source_BD: Tensor, target_BK: Tensor, languages: Sequence[str], text_B: Tensor) -> None:
        """Add foreign sides."""
        self.pairs += len(text_B)
        self.lengths += float(target_BK.norm(dim=1).sum())
        self._add_sums(source_BD, target_BK, text_B, [language != ENGLISH for language in languages])
        if self.keep_vectors:
            self.vectors.foreign.append(source_BD)
            self.vectors.targets.append(target_BK)
            self.vectors.texts.append(text_B)

    def add_english(self, source_BD: Tensor, target_BK: Tensor, text_B: Tensor) -> None:
        """Add the English sides of the pairs just added, as the student reads them."""
        self._add_sums(source_BD, target_BK, text_B, [False] * len(text_B))
        if self.keep_vectors:
            self.vectors.english.append(source_BD)

    def add_documents(self, source_BD: Tensor, target_BK: Tensor, text_B: Tensor) -> None:
        """Add English texts; without pairs they are what the penalty is chosen by.

        Their targets are brought to the mean length of the pairs' targets: vectors of an index mostly have length 1.
        """
        if self.pairs:
            target_BK = target_BK * (self.lengths / self.pairs / target_BK.norm(dim=1).mean())
        self._add_sums(source_BD, target_BK, text_B, [not self.pairs] * len(text_B))

    def _add_sums(self, source_BD: Tensor, target_BK: Tensor, text_B: Tensor, judged: list[bool]) -> None:
        for name, rows in folds_of(text_B).items():
            if name not in self.folds:
                self.folds[name] = Fold.empty(source_BD.shape[1], target_BK.shape[1], source_BD.device)
            self.folds[name].add(source_BD[rows], target_BK[rows], text_B[rows], torch.tensor(judged)[rows])


def read_pooled(
    read: FirstPass,
    bitext: Iterable[Mapping[str, Any]],
    student: PooledTexts,
    teacher: PooledTexts,
    also_english: bool,
) -> None:
    """Read all pairs once into pooled vectors.

    Args:
        read: is filled.
        bitext: rows with `source` (English), `target` and maybe `language`.
        student: reads the foreign sides, and the English ones with `also_english`.
        teacher: reads the English sides.
        also_english: let the student read the English sides too.

    Raises:
        ValueError: for vectors that are not finite.
    """
    rows = iter(bitext)
    while window := list(islice(rows, WINDOW)):
        languages, english = [language_of(row) for row in window], [row["source"] for row in window]
        target_BK, text_B = teacher(english), text_numbers(english)
        read.add(student([row["target"] for row in window]), target_BK, languages, text_B)
        if also_english:
            read.add_english(student(english), target_BK, text_B)


def read_tokens(read: FirstPass, pairs: PairTokenReader, pooling: str, by_tokens: bool) -> None:
    """Read all pairs once as tokens, which `pairs` keeps for the rounds of plans.

    Args:
        read: is filled.
        pairs: both sides.
        pooling: of both sides' tokens.
        by_tokens: keep a sample of tokens too, to be searched by MaxSim.

    Raises:
        ValueError: for vectors that are not finite.
    """
    for number, pair in enumerate(pairs):
        source_BD, target_BK = pooled(pair.student, pooling), pooled(pair.teacher, pooling)
        check_finite(source_BD, "student's backbone")
        check_finite(target_BK, "teacher")
        if pairs.also_english and number % 2:
            read.add_english(source_BD, target_BK, pair.text_B)
            if read.tokens is not None:
                read.tokens.add_english(pair)
            continue
        read.add(source_BD, target_BK, pair.languages, pair.text_B)
        if read.tokens is not None:
            read.tokens.add(pair)
        if by_tokens:
            for name, rows in folds_of(pair.text_B).items():
                judged = [row for row in rows if pair.languages[row] != ENGLISH]
                read.token_folds.setdefault(name, TokenFold()).add(pair.student, pair.teacher, judged, pair.text_B)
    for name in read.folds.keys() - read.token_folds.keys() if by_tokens else ():
        read.token_folds[name] = TokenFold()


def folds_of(text_B: Tensor) -> dict[str, list[int]]:
    """The rows of a batch by share of the English texts, one of which is left out at a time.

    All that is paired with one English text is in one share: its other translations, and itself read by the student.
    """
    found: dict[str, list[int]] = {}
    for row, text in enumerate(text_B.tolist()):
        found.setdefault(str(text % FOLDS), []).append(row)
    return found
