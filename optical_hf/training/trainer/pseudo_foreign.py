"""Index documents that look like documents in another language: the student's vector of some is moved as translation moves it.

What is added is the difference foreign - English of a random pair of the bitext, pooled before the projection, which maps it. The
differences are read once, by the backbone that the run starts with, and carry no gradient. So a resumed run has the same.

Shapes: B rows of a batch, N tokens, P pairs, D width of the backbone, K width of the teacher.
"""

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import linear

from optical_hf.models import Encoder, TokenSet, kind_of, token_projection
from optical_hf.models.alignment.pooled_texts import PooledTexts
from optical_hf.models.teachers.teacher import EncoderTeacher
from optical_hf.models.views import as_backbone
from optical_hf.training.arguments import OTDistillationArguments


class PseudoForeign:
    """Moves the vectors of documents of a batch.

    Args:
        share: of the documents of a batch that are moved, in [0, 1].
        shift_PD: the differences, one of which is added to each.

    Attributes:
        PAIRS: pairs whose differences `read` reads, at most.

    Example:
        >>> from optical_hf.models import build_student
        >>> from optical_hf.models.tiny import tiny_encoder
        >>> student = build_student(tiny_encoder(["a dog"], width=8, vocabulary_size=30), tiny_encoder(["a dog"], width=8))
        >>> one = torch.ones(1, 1, dtype=torch.bool)
        >>> tokens = TokenSet(torch.eye(1, 8).unsqueeze(0), one, one, torch.eye(1, 8))
        >>> move = PseudoForeign(1.0, torch.eye(8)[1:2])
        >>> move(student, tokens, torch.tensor([True])).vector_BD[0, :3]
        tensor([0.7071, 0.7071, 0.0000], grad_fn=<SliceBackward0>)
    """

    PAIRS = 2_000

    def __init__(self, share: float, shift_PD: Tensor) -> None:
        self.share, self.shift_PD = share, shift_PD

    @classmethod
    def read(
        cls, share: float, student: Encoder, pairs: Iterable[Mapping[str, Any]], pooling: str, progress: bool = False
    ) -> "PseudoForeign":
        """Read the differences of at most `PAIRS` pairs.

        Args:
            share: as the class takes it.
            student: whose backbone reads both sides.
            pairs: bitext.
            pooling: of the student's tokens.
            progress: show a progress bar.

        Raises:
            ValueError: where no pair is a translation.
        """
        rows = list(islice((row for row in pairs if row["source"] != row["target"]), cls.PAIRS))
        if not rows:
            raise ValueError("pseudo_foreign needs pairs whose sides differ, and the bitext has none: leave it 0")
        read = PooledTexts(
            EncoderTeacher(as_backbone(student)),
            pooling,
            "student's backbone",
            device=student.device,
            progress=progress,
        )
        return cls(share, read([row["target"] for row in rows]) - read([row["source"] for row in rows]))

    def __call__(self, student: Encoder, read: TokenSet, indexed_B: Tensor) -> TokenSet:
        """The token sets with the vectors of some documents moved; tokens stay.

        Args:
            student: not wrapped; what it has behind the projection makes the vectors.
            read: what it read, with gradient.
            indexed_B: True for documents of the index.
        """
        count, device = len(indexed_B), indexed_B.device
        moved_B = indexed_B & (torch.rand(count) < self.share).to(device)
        shift_BD = self.shift_PD[torch.randint(len(self.shift_PD), (count,)).to(self.shift_PD.device)].to(device)
        projection = token_projection(student)
        assert projection is not None
        modules = list(student)
        shift_B1K = linear(shift_BD, projection.linear.weight).unsqueeze(1)  # of every token, so of their mean too
        features: dict[str, Any] = {
            "token_embeddings": read.tokens_BND + shift_B1K, "attention_mask": read.mask_BN.long(),
        }  # fmt: skip
        for module in modules[modules.index(projection) + 1 :]:
            features = module(features)
        vector_BK = torch.where(moved_B.unsqueeze(1), features["sentence_embedding"], read.vector_BD)
        return read._replace(vector_BD=vector_BK)


def check_pseudo_foreign(args: OTDistillationArguments, student: Encoder, bitext: Any, documents: Any) -> None:
    """Refuse what has nothing to be moved, or nothing to be moved by.

    Raises:
        ValueError: saying what is missing.
    """
    if not args.pseudo_foreign:
        return
    told = f"pseudo_foreign is {args.pseudo_foreign:g}"
    if bitext is None or documents is None:
        missing = "train_dataset (bitext)" if bitext is None else "documents"
        raise ValueError(f"{told}: it moves documents by differences of pairs; pass {missing} too, or leave it 0")
    if kind_of(student) != "vector":
        raise ValueError(f"{told}: it moves one vector a text, and the student has one a token; leave it 0")
