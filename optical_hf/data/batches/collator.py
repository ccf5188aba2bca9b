"""Collate translated pairs: each side through its own model's tokenizer."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import torch

from optical_hf.tables import language_of

Preprocess = Callable[[list[str]], dict[str, Any]]


@dataclass(frozen=True)
class PairCollator:
    """Turn rows of bitext into a batch for the distillation trainer.

    Attributes:
        student: tokenizes the `target` sides, as the student reads queries.
        teacher: tokenizes the `source` (English) sides, as the teacher reads queries.
        by_language: `teacher` takes the languages of the pairs beside the texts, and so does `documents`.
        documents: tokenizes the `document` texts, as the teacher reads documents; None reads them as `teacher` does.

    Returns:
        A dict with `student` and `teacher` (the features each model takes), `labels` (ones, (B,): what the trainer counts the
        pairs of a global batch by), `targets` (a number a target text, (B,), the same on every process and in every run: pairs
        with equal ones have one target text), `ids` and `languages`; and `documents` where the rows have some.
    """

    student: Preprocess
    teacher: Callable[..., dict[str, Any]]
    by_language: bool = False
    documents: Callable[..., dict[str, Any]] | None = None

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Collate `rows`, each with `source` and `target`, and optionally `language`, `id`, `document` and `vector`.

        `document` is an English text that `target` is to find in place of `source`: of query and passage, the passage. The
        teacher reads it as a document. `vector` is the target of the row in place of the teacher's vector of `source`.

        Raises:
            ValueError: where a row lacks a side, naming the columns that came, or has nothing in its column `document`.
        """
        for row in rows:
            if not row.get("source") or not row.get("target"):
                raise ValueError(
                    f"a pair has an empty or missing side (columns {sorted(row)}, id {row.get('id')!r}): expected text in 'source' "
                    "(English) and 'target'; load bitext with optical_hf.load_bitext, or rename the columns"
                )
        languages = [language_of(row) for row in rows]
        documents = [row.get("document") for row in rows] if any("document" in row for row in rows) else []
        if not all(documents):
            raise ValueError(
                f"{sum(not text for text in documents)} of {len(rows)} pairs of a batch have nothing in 'document': expected a "
                "text in each, or no such column; where a pair has no document, its 'source' may stand there"
            )

        beside = [languages] if self.by_language else []
        read = self.documents or self.teacher

        return {
            # First: the size of a batch is that of its first tensor, and flash attention's texts lie end to end in one row.
            "labels": torch.ones(len(rows), dtype=torch.long),
            "student": self.student([row["target"] for row in rows]),
            "teacher": self.teacher([row["source"] for row in rows], *beside),
            **({"documents": read(documents, *beside)} if documents else {}),
            **_vectors([row.get("vector") for row in rows]),
            "targets": torch.tensor([_number(row["target"]) for row in rows]),
            "ids": [row.get("id", "") for row in rows],
            "languages": languages,
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
