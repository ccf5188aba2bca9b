"""Collate translated pairs: each side through its own model's tokenizer."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import torch

from optical_hf.tables import RELEVANT, language_of

Preprocess = Callable[[list[str]], dict[str, Any]]


@dataclass(frozen=True)
class PairCollator:
    """Turn rows of bitext into a batch for the distillation trainer.

    Attributes:
        student: tokenizes the `target` sides, as the student reads queries.
        teacher: tokenizes the `source` (English) sides, as the teacher reads queries.
        relevant: tokenizes the relevant documents, as the teacher reads documents; None reads them as `teacher` does.
        needs_tokens: False leaves the teacher's side of rows with a `vector` unread: for losses on one vector.

    Returns:
        A dict with `student` and `teacher` (the features each model takes), `labels` (ones, (B,): what the trainer counts the
        pairs of a global batch by), `targets` (a number a target text, (B,), the same on every process and in every run: pairs
        with equal ones have one target text), `ids` and `languages`. Where rows have a `vector`, `vectors` (B, K), NaN for the
        others. Where they have a column `relevant_document`, `relevant` (the features of those texts) and `has_relevant` (B,).
        Features hold the rows that are read, in order, and are missing where none is.
    """

    student: Preprocess
    teacher: Callable[..., dict[str, Any]]
    relevant: Callable[..., dict[str, Any]] | None = None
    needs_tokens: bool = True

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Collate `rows`, each with `source` and `target`, and maybe `language`, `id`, `relevant_document` and `vector`.

        `relevant_document` is an English text that `target` is to find in place of `source`: of query and passage, the passage.
        The teacher reads it as a document. `vector` is the target of the row in place of the teacher's vector of `source`, and of
        its relevant document where it has none.

        Raises:
            ValueError: where a row lacks a side, naming the columns that came, or has nothing in its column `relevant_document`.
        """
        for row in rows:
            if not row.get("source") or not row.get("target"):
                raise ValueError(
                    f"a pair has an empty or missing side (columns {sorted(row)}, id {row.get('id')!r}): expected text in 'source' "
                    "(English) and 'target'; load bitext with optical_hf.load_bitext, or rename the columns"
                )
        vectors = _vectors([row.get("vector") for row in rows])
        known_B = ~vectors["vectors"].isnan().any(dim=1) if vectors else torch.zeros(len(rows), dtype=torch.bool)
        has_relevant_B = torch.tensor([bool(row.get(RELEVANT)) for row in rows])
        searched = any(RELEVANT in row for row in rows)
        if searched and not bool((has_relevant_B | known_B).all()):
            raise ValueError(
                f"{int((~has_relevant_B & ~known_B).sum())} of {len(rows)} pairs of a batch have nothing in {RELEVANT!r}: expected "
                "a text in each, or no such column; where a pair has no document, its 'source' may stand there"
            )

        def features(read: Callable[..., dict[str, Any]], column: str, read_B: torch.Tensor) -> dict[str, Any]:
            return read([rows[place][column] for place in read_B.nonzero().flatten().tolist()])

        read_B = torch.ones_like(known_B) if self.needs_tokens else ~known_B
        batch: dict[str, Any] = {
            # First: the size of a batch is that of its first tensor, and flash attention's texts lie end to end in one row.
            "labels": torch.ones(len(rows), dtype=torch.long),
            "student": self.student([row["target"] for row in rows]),
        }
        if read_B.any():
            batch["teacher"] = features(self.teacher, "source", read_B)
        if searched:
            batch["has_relevant"] = has_relevant_B
        if has_relevant_B.any():
            batch["relevant"] = features(self.relevant or self.teacher, RELEVANT, has_relevant_B)
        return {
            **batch,
            **vectors,
            "targets": torch.tensor([_number(row["target"]) for row in rows]),
            "ids": [row.get("id", "") for row in rows],
            "languages": [language_of(row) for row in rows],
        }


def _vectors(given: list[Any]) -> dict[str, torch.Tensor]:
    """The given vectors (B, K), NaN where there is none; nothing where no row has one."""
    width = next((len(vector) for vector in given if vector is not None), None)
    if width is None:
        return {}
    none = [math.nan] * width
    return {
        "vectors": torch.tensor([none if vector is None else list(vector) for vector in given], dtype=torch.float32)
    }


def _number(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(errors="surrogatepass"), digest_size=8).digest(), "big", signed=True)
