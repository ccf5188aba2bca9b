"""What a study will take, before it starts: rough operations from the shape of each student, seconds from runs that are done.

It reads configurations, no weights.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from transformers import AutoConfig, AutoModel

from optical_hf.models.alignment.index_documents import MAX_DOCUMENTS
from optical_hf.study.config.grid import RunConfig
from optical_hf.study.config.study_config import StudentSpec
from optical_hf.study.run.launching import RunFolder
from optical_hf.study.run.running import RESULT

TOKENS = 24
"""Tokens of a text, where nobody has counted them: captions have about 17, news sentences about 40."""
START_SECONDS = 20.0
"""What a process needs to import its libraries and load its models."""


@dataclass(frozen=True)
class Estimate:
    """Rough cost of a run: operations, and seconds on this machine."""

    flops: float
    seconds: float


def estimates(
    runs: Sequence[RunConfig], entries: Sequence[RunFolder], pairs: int, queries: int, documents: int = 0
) -> list[Estimate]:
    """Estimate every run.

    A forward pass takes twice the parameters (without the vocabulary) times the tokens, a step three forward passes. Operations
    become seconds at the speed of the runs that are done, or of a matrix product where there are none yet.

    Args:
        runs: of the study.
        entries: the same, with their folders.
        pairs: bitext pairs of a run whose size is not limited.
        queries: of all collections together.
        documents: likewise, which students may learn from; re-indexing reads them twice, behind two prompts.
    """
    per_run = [
        queries + 2 * documents if run.own_index else queries + _learnt_documents(run, documents) for run in runs
    ]
    students = {(run.student.name, run.own_index): run.student for run in runs if run.student}
    weights = {name: _parameters(student) for name, student in students.items()}
    flops = [_flops(run, weights, pairs, texts) for run, texts in zip(runs, per_run, strict=True)]
    done = [entry for entry in entries if entry.status == "done"]
    known = {
        entry.run.key: json.loads((entry.folder / RESULT).read_text("utf-8"))["seconds"]["total"] for entry in done
    }
    timed = [(work, known[run.key]) for run, work in zip(runs, flops, strict=True) if run.key in known]
    spent = sum(max(seconds - START_SECONDS, 1.0) for _, seconds in timed)
    speed = sum(work for work, _ in timed) / spent if timed else _matmul_speed()
    return [
        Estimate(work, known.get(run.key, START_SECONDS + work / speed)) for run, work in zip(runs, flops, strict=True)
    ]


def _learnt_documents(run: RunConfig, documents: int) -> int:
    """Documents and query texts that the fit of a run reads; as many as it takes at most, where they are in files."""
    if run.system.alignment in ("none", "transport"):
        return 0
    most = int({**run.system.fit, **run.system.arguments}.get("max_documents", MAX_DOCUMENTS))
    asked = 0 if run.query_texts is None else most
    if run.documents is None:
        return asked
    return asked + (most if run.documents.files is not None else min(most, documents))


def _flops(run: RunConfig, weights: dict[tuple[str, bool], int], pairs: int, texts: int) -> float:
    if run.student is None:
        return 0.0
    text = 2.0 * weights[run.student.name, run.own_index] * TOKENS
    pairs = 0 if run.system.no_bitext else pairs
    learnt = min(pairs, run.size * len(run.bitext)) if run.size else pairs
    fit = text * learnt if run.system.alignment != "none" else 0.0
    train = 0.0
    if run.budget is not None:
        train = (
            3 * text * run.budget.batch * run.budget.steps
            if run.budget.steps
            else max((run.budget.flops or 0) - fit, 0.0)
        )
    return fit + train + text * texts


def _parameters(student: StudentSpec) -> int:
    """Parameters of the backbone without its vocabulary, from its configuration alone."""
    changes = student.random or ({} if student.layers is None else {"num_hidden_layers": student.layers})
    with torch.device("meta"):
        model = AutoModel.from_config(AutoConfig.from_pretrained(student.path, **changes))
    return sum(p.numel() for p in model.parameters()) - model.get_input_embeddings().weight.numel()


def _matmul_speed() -> float:
    """Operations a second of a matrix product of the size of a student's."""
    left, right = torch.ones(768, 384), torch.ones(384, 1536)
    left @ right
    started, rounds = time.perf_counter(), 20
    for _ in range(rounds):
        left @ right
    return rounds * 2 * 768 * 384 * 1536 / (time.perf_counter() - started)
