"""Add pieces of a language to a student whose tokenizer splits its words into many short ones, from bitext alone.

New pieces are learnt from the foreign side with the student's own type of tokenizer. The embedding of a new piece starts as
the average of the embeddings of the English pieces that transport aligns it with. The idea is close to WECHSEL (Minixhofer,
Paischer, Rekabsaz 2022, arXiv:2112.06598) and FOCUS (Dobler, de Melo 2023, arXiv:2305.14481), which average neighbours in
auxiliary static embeddings; here the neighbours come from the bitext itself.

Shapes: Z new pieces, W English pieces, D width.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from optical_hf.languages import canonical_language
from optical_hf.models.tokens import Encoder
from optical_hf.models.vocabulary.association import associate
from optical_hf.models.vocabulary.student_vocabulary import embedding, plain_model, replace_tokenizer
from optical_hf.models.vocabulary.tokenizer_state import State, extended, pieces, read_state, rebuilt, runnable
from optical_hf.tables import UNKNOWN_LANGUAGE, check_table, language_of


@dataclass(frozen=True)
class ExtendReport:
    """The report of `extend_vocabulary`.

    Attributes:
        pieces_before: pieces of the tokenizer before.
        pieces_after: pieces after.
        length_before: pieces that a text of the language was split into, on average.
        length_after: the same after.
        aligned: new pieces whose embedding comes from the alignment; the others, which no text is split into, start
            from the average of the pieces they were split into before.
    """

    pieces_before: int
    pieces_after: int
    length_before: float
    length_after: float
    aligned: int


def extend_vocabulary(
    student: Encoder,
    bitext: Iterable[Mapping[str, Any]],
    language: str,
    *,
    size: int = 8000,
    neighbours: int = 3,
    progress: bool = True,
) -> ExtendReport:
    """Add pieces of a language to a student, in place; their embeddings start from bitext.

    `E_z = |.| sum_w p(w|z) E_w` over the `neighbours` English pieces w that share most mass with z, brought to the average
    length of their embeddings. Texts of other languages may be split otherwise where a new piece is a part of them.
    Fit or train the student afterwards: the projection for what was trained on other pieces no longer fits.

    Args:
        student: a student, or any encoder on a Unigram or WordPiece tokenizer, without an adapter.
        bitext: rows with `source` (English), `target` and maybe `language`.
        language: code of the language to learn; rows of others are passed over, those without a language belong to it.
        size: pieces the language is written with at most; those the tokenizer has already are not added.
        neighbours: English pieces averaged.
        progress: show progress bars.

    Returns:
        An `ExtendReport`.

    Raises:
        ValueError: for no bitext of the language, an unknown language, a tokenizer of another type, or an adapter.

    Example:
        >>> student = load_student("sentence-transformers/all-MiniLM-L6-v2", teacher)            # doctest: +SKIP
        >>> extend_vocabulary(student, load_bitext("train.de.gz"), "de").length_after            # doctest: +SKIP
        15.2
    """
    english, target = _sides(bitext, canonical_language(language))
    model = plain_model(student)
    old_state = read_state(student.tokenizer)
    new_state = extended(old_state, _learnt(student.tokenizer, target, size))
    old, new = runnable(old_state), runnable(new_state)
    first, count = len(pieces(old_state)), len(pieces(new_state))

    target_ids = _ids(new, target)
    rows_ZD = _split_means(model, old_state, new_state, old)
    aligned, aligned_ZD = _from_english(model, first, target_ids, _ids(old, english), neighbours, progress)
    rows_ZD[aligned] = aligned_ZD
    _set_rows(model, first, rows_ZD)
    replace_tokenizer(student, rebuilt(student.tokenizer, new_state))
    return ExtendReport(first, count, _mean_length(_ids(old, target)), _mean_length(target_ids), len(aligned))


def _sides(bitext: Iterable[Mapping[str, Any]], language: str) -> tuple[list[str], list[str]]:
    check_table(bitext, ["source", "target"])
    rows = [(row["source"], row["target"]) for row in bitext if language_of(row) in (language, UNKNOWN_LANGUAGE)]
    if not rows:
        raise ValueError(
            f"the bitext has no rows of {language!r}: no piece could be learnt; check its `language` column"
        )
    english, target = zip(*rows, strict=True)
    return list(english), list(target)


def _learnt(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], size: int) -> dict[str, float]:
    """Pieces learnt from texts with a tokenizer of the same type, and their scores (0 where the type has none)."""
    vocabulary = read_state(tokenizer.train_new_from_iterator(texts, size, show_progress=False))["model"]["vocab"]
    return dict(vocabulary) if isinstance(vocabulary, list) else dict.fromkeys(vocabulary, 0.0)


def _ids(tokenizer: Tokenizer, texts: Sequence[str]) -> list[list[int]]:
    return [encoding.ids for encoding in tokenizer.encode_batch(list(texts), add_special_tokens=False)]


def _mean_length(ids: Sequence[Sequence[int]]) -> float:
    return sum(map(len, ids)) / len(ids)


@torch.no_grad()
def _from_english(
    model: PreTrainedModel,
    first: int,
    target: Sequence[Sequence[int]],
    english: Sequence[Sequence[int]],
    neighbours: int,
    progress: bool,
) -> tuple[Tensor, Tensor]:
    """The new pieces that took part in the alignment, and their embeddings from the English ones."""
    target_ids, target_rows = _compact(target)
    english_ids, english_rows = _compact(english)
    mass_ZW = associate(target_rows, english_rows, progress=progress)
    new = torch.tensor([row for row, piece in enumerate(target_ids) if piece >= first], dtype=torch.long)
    best = mass_ZW[new].topk(min(neighbours, len(english_ids)), dim=1)
    share_ZK = best.values / best.values.sum(dim=1, keepdim=True)
    near_ZKD = embedding(model).weight.detach().float().cpu()[torch.tensor(english_ids)[best.indices]]
    row_ZD = (share_ZK.unsqueeze(2) * near_ZKD).sum(dim=1)
    length_Z1 = (share_ZK * near_ZKD.norm(dim=2)).sum(dim=1, keepdim=True)
    places = torch.tensor(target_ids, dtype=torch.long)[new] - first
    return places, row_ZD * length_Z1 / row_ZD.norm(dim=1, keepdim=True).clamp(min=1e-12)


def _compact(rows: Sequence[Sequence[int]]) -> tuple[list[int], list[list[int]]]:
    """Number the ids that occur from 0: the ids, and the rows in the new numbers."""
    ids = sorted({i for row in rows for i in row})
    place = {old: new for new, old in enumerate(ids)}
    return ids, [[place[i] for i in row] for row in rows]


def _split_means(model: PreTrainedModel, old_state: State, new_state: State, old: Tokenizer) -> Tensor:
    """The average embedding of the pieces each new one was split into."""
    known = pieces(old_state)
    prefix = old_state["model"].get("continuing_subword_prefix") or ""
    names = [name for name in pieces(new_state) if name not in known]
    matrix = embedding(model).weight.detach().float().cpu()
    bare = [name.removeprefix(prefix) if prefix else name.replace("▁", " ") for name in names]
    split = [ids or [_unknown(old_state)] for ids in _ids(old, bare)]
    return torch.stack([matrix[ids].mean(dim=0) for ids in split]) if split else matrix[:0]


def _unknown(state: State) -> int:
    """The id of the piece that stands for what has none."""
    model = state["model"]
    return int(model["unk_id"] or 0) if model["type"] == "Unigram" else int(model["vocab"][model["unk_token"]])


def _set_rows(model: PreTrainedModel, first: int, rows_ZD: Tensor) -> None:
    wanted, old = first + len(rows_ZD), embedding(model)
    trained = old.weight.requires_grad
    if wanted > old.num_embeddings:
        model.resize_token_embeddings(wanted, mean_resizing=False)
    weight = embedding(model).weight.requires_grad_(trained)
    with torch.no_grad():
        weight[first:wanted] = rows_ZD.to(weight)
