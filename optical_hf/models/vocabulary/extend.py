"""Teach a student pieces of a language that its tokenizer splits into crumbs, from bitext alone.

New pieces are learnt from the foreign side with the student's own type of tokenizer. The embedding of a new piece starts as
the average of the embeddings of the English pieces that transport aligns it with. The idea is close to WECHSEL (Minixhofer,
Paischer, Rekabsaz 2022, arXiv:2112.06598) and FOCUS (Dobler, de Melo 2023, arXiv:2305.14481), which average neighbours in
auxiliary static embeddings; here the neighbours come from the bitext itself. Knows nothing about training.

Shapes: Z new pieces, W English pieces, D width.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

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

Start = Literal["transport", "crumbs", "random"]


@dataclass(frozen=True)
class ExtendReport:
    """What extending did.

    Attributes:
        pieces_before: pieces of the tokenizer before.
        pieces_after: pieces after.
        length_before: pieces that a text of the language was split into, on average.
        length_after: the same after.
        aligned: new pieces whose embedding comes from the alignment; the others, which no text is split into, start from
            their crumbs.
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
    start: Start = "transport",
    neighbours: int = 3,
    rounds: int = 4,
    epsilon: float = 0.05,
    seed: int = 0,
    progress: bool = True,
) -> ExtendReport:
    """Add pieces of a language to a student, in place, their embeddings started from bitext.

    `E_z = |.| sum_w p(w|z) E_w` over the `neighbours` English pieces w that share most mass with z, brought to the average
    length of their embeddings. Texts of other languages may be split otherwise where a new piece is a part of them.
    Fit or train the student afterwards: the projection for what was trained on other pieces no longer fits.

    Args:
        student: a student, or any encoder on a Unigram or WordPiece tokenizer, without an adapter.
        bitext: rows with `source` (English), `target` and maybe `language`.
        language: code of the language to learn; rows of others are passed over, those without a language belong to it.
        size: pieces the language is written with at most; those the tokenizer has already are not added.
        start: "transport" as above; "crumbs" averages the embeddings of the pieces a new one was split into before, which
            needs no translations; "random" draws from the distribution of the matrix.
        neighbours: English pieces averaged.
        rounds: rounds of plans in the alignment of pieces.
        epsilon: entropic regularisation of these plans.
        seed: of the random start.
        progress: show progress bars.

    Returns:
        An `ExtendReport`.

    Raises:
        ValueError: for no bitext of the language, an unknown start or language, a tokenizer of another type, or an adapter.

    Example:
        >>> student = load_student("sentence-transformers/all-MiniLM-L6-v2", teacher)            # doctest: +SKIP
        >>> extend_vocabulary(student, load_bitext("train.de.gz"), "de").length_after            # doctest: +SKIP
        15.2
    """
    if start not in get_args(Start):
        raise ValueError(f"unknown start {start!r}: expected one of {', '.join(get_args(Start))}")
    english, target = _sides(bitext, canonical_language(language))
    model = plain_model(student)
    old_state = read_state(student.tokenizer)
    new_state = extended(old_state, _learnt(student.tokenizer, target, size))
    old, new = runnable(old_state), runnable(new_state)
    first, count = len(pieces(old_state)), len(pieces(new_state))

    target_ids = _ids(new, target)
    rows_ZD = _crumbs(model, old_state, new_state, old) if start != "random" else _random(model, count - first, seed)
    aligned_Z = torch.zeros(count - first, dtype=torch.bool)
    if start == "transport":
        found_ZD, aligned_Z = _from_english(
            model, first, count, target_ids, _ids(old, english), neighbours, rounds, epsilon, progress
        )
        rows_ZD = torch.where(aligned_Z.unsqueeze(1), found_ZD, rows_ZD)
    _set_rows(model, first, rows_ZD)
    replace_tokenizer(student, rebuilt(student.tokenizer, new_state))
    return ExtendReport(first, count, _mean_length(_ids(old, target)), _mean_length(target_ids), int(aligned_Z.sum()))


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
    count: int,
    target: Sequence[Sequence[int]],
    english: Sequence[Sequence[int]],
    neighbours: int,
    rounds: int,
    epsilon: float,
    progress: bool,
) -> tuple[Tensor, Tensor]:
    """Rows for the new pieces from the English ones, and which of them took part in the alignment."""
    target_ids, target_rows = _compact(target)
    english_ids, english_rows = _compact(english)
    mass_ZW = associate(target_rows, english_rows, rounds=rounds, epsilon=epsilon, progress=progress)
    new = torch.tensor([row for row, piece in enumerate(target_ids) if piece >= first], dtype=torch.long)
    best = mass_ZW[new].topk(min(neighbours, len(english_ids)), dim=1)
    share_ZK = best.values / best.values.sum(dim=1, keepdim=True)
    near_ZKD = embedding(model).weight.detach().float().cpu()[torch.tensor(english_ids)[best.indices]]
    row_ZD = (share_ZK.unsqueeze(2) * near_ZKD).sum(dim=1)
    length_Z1 = (share_ZK * near_ZKD.norm(dim=2)).sum(dim=1, keepdim=True)
    places = torch.tensor(target_ids, dtype=torch.long)[new] - first
    rows_ZD = torch.zeros(count - first, row_ZD.shape[1])
    rows_ZD[places] = row_ZD * length_Z1 / row_ZD.norm(dim=1, keepdim=True).clamp(min=1e-12)
    aligned_Z = torch.zeros(count - first, dtype=torch.bool)
    aligned_Z[places] = True
    return rows_ZD, aligned_Z


def _compact(rows: Sequence[Sequence[int]]) -> tuple[list[int], list[list[int]]]:
    """Number the ids that occur from 0: the ids, and the rows in the new numbers."""
    ids = sorted({i for row in rows for i in row})
    place = {old: new for new, old in enumerate(ids)}
    return ids, [[place[i] for i in row] for row in rows]


def _crumbs(model: PreTrainedModel, old_state: State, new_state: State, old: Tokenizer) -> Tensor:
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


def _random(model: PreTrainedModel, count: int, seed: int) -> Tensor:
    matrix = embedding(model).weight.detach().float().cpu()
    noise_ZD = torch.randn(count, matrix.shape[1], generator=torch.Generator().manual_seed(seed))
    return matrix.mean(dim=0) + noise_ZD * matrix.std(dim=0)


def _set_rows(model: PreTrainedModel, first: int, rows_ZD: Tensor) -> None:
    wanted, old = first + len(rows_ZD), embedding(model)
    asks = old.weight.requires_grad
    if wanted > old.num_embeddings:
        model.resize_token_embeddings(wanted, mean_resizing=False)
    weight = embedding(model).weight.requires_grad_(asks)
    with torch.no_grad():
        weight[first:wanted] = rows_ZD.to(weight)
