"""What is looked at before the first step, and in each batch, so that a silent mistake in the data is an error with its fix.

Where the thresholds come from: docs/log/2026-11/guards.md.

Shapes: B pairs, N student tokens, M teacher tokens, D width.
"""

import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from optical_hf.losses import PairTensors

logger = logging.getLogger(__name__)

# The most frequent words of English that few other languages write with the same letters.
ENGLISH = frozenset(
    ("the", "of", "and", "is", "are", "was", "were", "with", "that", "this", "these", "those", "for", "from", "his",
     "her", "their", "he", "she", "it", "they", "you", "your", "what", "which", "who", "not", "have", "has",
     "had", "will", "would", "can", "could", "there", "when", "how", "my", "we", "our", "its", "be", "been",
     "being", "into", "by", "at", "as", "than", "them")
)  # fmt: skip
UNKNOWN_WARNED, UNKNOWN_REFUSED = 0.1, 0.5  # shares of a language's pieces
ROWS_READ = 512
SIDES = ("source", "target")


def check_rows(rows: Iterable[Mapping[str, Any]], student: object, teacher: object = None) -> None:
    """Look at rows of bitext for sides that were swapped and for languages that a tokenizer cannot read.

    Args:
        rows: with `source`, `target` and, where there are several, `language`; rows without text are left to the collator.
        student: the tokenizer that reads the targets; anything else skips its checks.
        teacher: the tokenizer that reads the sources; anything else, such as None with a token cache, skips its checks.

    Raises:
        ValueError: English on the target side, the same text on both sides, or a side that is mostly unknown to its tokenizer.
    """
    sound = [row for row in rows if isinstance(row, Mapping) and all(_is_text(row.get(side)) for side in SIDES)]
    if not sound:
        return
    languages = [str(row.get("language") or "?") for row in sound]
    sources, targets = ([row[side] for row in sound] for side in SIDES)
    _check_sides(languages, sources, targets)
    if isinstance(student, PreTrainedTokenizerBase):
        _check_unknown(student, languages, targets, "student", "target")
        if isinstance(teacher, PreTrainedTokenizerBase):
            _check_exchanged(student, teacher, targets)
    if isinstance(teacher, PreTrainedTokenizerBase):
        _check_unknown(teacher, ["en"] * len(sources), sources, "teacher", "source")


def unknown_share(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> float:
    """The share of pieces that are the tokenizer's unknown one; 0 where it has none."""
    if tokenizer.unk_token_id is None:
        return 0.0
    pieces = _pieces(tokenizer, texts)
    return sum(piece == tokenizer.unk_token_id for piece in pieces) / max(len(pieces), 1)


def english_share(texts: Iterable[str]) -> float:
    """The share of words that are frequent words of English."""
    words = [word for text in texts for word in re.findall(r"[^\W\d_]+", text.lower())]
    return sum(word in ENGLISH for word in words) / max(len(words), 1)


def empty_pairs(pairs: PairTensors) -> Tensor:
    """True for the pairs in which a side has no token that takes part: they would cost 0 and teach nothing; (B,)."""
    return ~(pairs.student_content_BN.any(dim=1) & pairs.teacher_content_BM.any(dim=1))


def finite_pairs(pairs: PairTensors) -> tuple[PairTensors, Tensor]:
    """Pairs that any solver can read, and which of them had a number that is not finite.

    Returns:
        The pairs with 0 in place of such numbers, and True (B,) where there were some.
    """
    masked = {
        "student_BND": pairs.student_BND.masked_fill(~pairs.student_mask_BN.unsqueeze(-1), 0.0),
        "teacher_BMD": pairs.teacher_BMD.masked_fill(~pairs.teacher_mask_BM.unsqueeze(-1), 0.0),
    }
    names = ("student_BND", "teacher_BMD", "student_vector_BD", "teacher_vector_BD", "relevant_BD")
    sides = {name: value for name in names if (value := getattr(pairs, name)) is not None}
    # The sum of a pair is finite where its numbers are, and one number is cheaper to check than all of them.
    sums = [masked.get(name, value).detach().float().flatten(1).sum(dim=1) for name, value in sides.items()]
    bad_B = torch.stack([~sum_B.isfinite() for sum_B in sums]).any(dim=0)
    zeroed = {name: torch.where(bad_B.view(-1, *[1] * (value.dim() - 1)), 0.0, value) for name, value in sides.items()}
    return pairs._replace(**zeroed), bad_B


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _pieces(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[int]:
    read = tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"]
    return [piece for ids in read for piece in ids]


def _check_sides(languages: Sequence[str], sources: Sequence[str], targets: Sequence[str]) -> None:
    foreign = [place for place, language in enumerate(languages) if not language.startswith("en")]
    same = [place for place in foreign if sources[place].strip().lower() == targets[place].strip().lower()]
    if len(same) > len(foreign) / 2:
        raise ValueError(
            f"source and target are the same text in {len(same)} of {len(foreign)} pairs, as in {sources[same[0]][:60]!r}: the "
            "student would learn to read the teacher's language only; read the translation into the column 'target'"
        )
    foreign = [place for place in foreign if sources[place] != targets[place]]
    ours, theirs = english_share(sources[i] for i in foreign), english_share(targets[i] for i in foreign)
    if theirs > 0.1 and theirs > 2 * ours:
        first = foreign[0]
        raise ValueError(
            f"source and target look exchanged: {theirs:.0%} of the words on the target side are frequent words of English, and "
            f"{ours:.0%} of those on the source side (the first pair: source {sources[first][:60]!r}, target "
            f"{targets[first][:60]!r}). The teacher would read the foreign side. English goes into the column 'source': "
            "bitext.rename_columns({'source': 'target', 'target': 'source'})"
        )


def _check_unknown(
    tokenizer: PreTrainedTokenizerBase, languages: Sequence[str], texts: Sequence[str], who: str, side: str
) -> None:
    pairs = list(zip(languages, texts, strict=True))
    shares = {code: unknown_share(tokenizer, [text for one, text in pairs if one == code]) for code in set(languages)}
    many = {language: share for language, share in shares.items() if share >= UNKNOWN_WARNED}
    if not many:
        return
    named = ", ".join(f"{language} {share:.0%}" for language, share in sorted(many.items(), key=lambda item: -item[1]))
    fix = (
        "extend its vocabulary (optical_hf.models.vocabulary, docs/vocabulary.md), choose a student that knows the script, or "
        "leave the language out"
        if who == "student"
        else "the teacher must know the language of the column 'source'; check that the columns are not exchanged"
    )
    text = (
        f"the {who}'s tokenizer does not know the {side} side ({named} of its pieces are {tokenizer.unk_token}): {fix}"
    )
    if max(many.values()) >= UNKNOWN_REFUSED:
        raise ValueError(text)
    logger.warning(text)


def _check_exchanged(
    student: PreTrainedTokenizerBase, teacher: PreTrainedTokenizerBase, targets: Sequence[str]
) -> None:
    """Warn where the teacher's tokenizer reads the target side far better than the student's does."""
    counts = [len(_pieces(tokenizer, targets)) for tokenizer in (student, teacher)]
    if counts[0] > 1.4 * counts[1] and unknown_share(teacher, targets) < UNKNOWN_WARNED:
        logger.warning(
            "the student's tokenizer cuts the target side into %.1f times as many pieces as the teacher's: are student and teacher "
            "exchanged? The student is the multilingual encoder",
            counts[0] / max(counts[1], 1),
        )
