"""The tokens of many texts end to end in one float16 tensor: at most so many a text, and no padding between them.

It knows nothing about models: token vectors come in, those of a few texts come out.

Shapes: N texts, T tokens of all of them, B texts of a batch, Q tokens of the batch, M tokens of its longest text, D width.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from optical_hf.models.tokens import TokenSet

TOKENS_PER_TEXT = 24


@dataclass(frozen=True)
class PackedTokens:
    """Tokens of N texts, each of at least one token.

    Attributes:
        tokens_TD: the tokens, text after text.
        length_N: how many each text has.
        start_N: where each begins.

    Example:
        >>> packed = PackedTokens.of([torch.ones(2, 3), torch.zeros(1, 3)])
        >>> packed.rows(torch.tensor([1, 0]))[1].tolist()
        [1, 2]
    """

    tokens_TD: Tensor
    length_N: Tensor
    start_N: Tensor

    @classmethod
    def of(cls, texts: Iterable[Tensor], tokens_per_text: int = TOKENS_PER_TEXT) -> Self:
        """Pack texts.

        Args:
            texts: the tokens of each text, (n, D).
            tokens_per_text: of a longer text only so many are kept, at equal distances.

        Raises:
            ValueError: for no texts, a text without tokens, or a value that float16 cannot hold.
        """
        kept = [spread(tokens_ND, tokens_per_text).to(torch.float16) for tokens_ND in texts]
        if not kept:
            raise ValueError("no texts were given: pass the tokens of at least one text")
        if empty := sum(not len(text) for text in kept):
            raise ValueError(f"{empty} of {len(kept)} texts have no tokens: leave them out")
        length_N = torch.tensor([len(text) for text in kept])
        tokens_TD = torch.cat(kept)
        if not bool(tokens_TD.isfinite().all()):
            raise ValueError("tokens are NaN, infinite, or too large for float16: check the model they come from")
        return cls(tokens_TD, length_N, length_N.cumsum(0) - length_N)

    @classmethod
    def joined(cls, parts: Sequence["PackedTokens"]) -> Self:
        """Texts of several packs, one pack after the other."""
        length_N = torch.cat([part.length_N for part in parts])
        return cls(torch.cat([part.tokens_TD for part in parts]), length_N, length_N.cumsum(0) - length_N)

    @classmethod
    def of_set(cls, tokens: TokenSet, tokens_per_text: int = TOKENS_PER_TEXT) -> Self:
        """The content tokens of a batch; arguments and errors as `of` has them."""
        both = zip(tokens.tokens_BND, tokens.content_BN, strict=True)
        return cls.of((tokens_ND[content_N] for tokens_ND, content_N in both), tokens_per_text)

    def select(self, row_B: Tensor) -> "PackedTokens":
        """Some texts, in the order asked for."""
        tokens_QD, length_B = self.rows(row_B)
        return PackedTokens(tokens_QD.to(self.tokens_TD.dtype), length_B, length_B.cumsum(0) - length_B)

    def __len__(self) -> int:
        return len(self.length_N)

    @property
    def nbytes(self) -> int:
        """Bytes of the tokens."""
        return self.tokens_TD.nbytes

    def rows(self, row_B: Tensor) -> tuple[Tensor, Tensor]:
        """The tokens of some texts end to end in float32 (Q, D), and how many each has (B,)."""
        length_B = self.length_N[row_B]
        first_B = self.start_N[row_B] - (length_B.cumsum(0) - length_B)
        place_Q = torch.arange(int(length_B.sum())) + first_B.repeat_interleave(length_B)
        return self.tokens_TD[place_Q.to(self.tokens_TD.device)].float(), length_B

    def repeated(self, row_B: Tensor) -> Tensor:
        """The tokens of some texts in float32 (B, M, D); a shorter text is filled with its last token, which moves no maximum."""
        length_B1 = self.length_N[row_B].unsqueeze(1)
        within_BM = torch.minimum(torch.arange(int(length_B1.max())), length_B1 - 1)
        place_BM = self.start_N[row_B].unsqueeze(1) + within_BM
        return self.tokens_TD[place_BM.to(self.tokens_TD.device)].float()


def spread(tokens_ND: Tensor, most: int) -> Tensor:
    """All tokens, or `most` of them at equal distances, the first and the last among them.

    Example:
        >>> spread(torch.arange(5.0).unsqueeze(1), 3).flatten().tolist()
        [0.0, 2.0, 4.0]
    """
    count = len(tokens_ND)
    if count <= most:
        return tokens_ND
    return tokens_ND[torch.linspace(0, count - 1, most, device=tokens_ND.device).round().long()]
