"""The tidy table of a study: one row for every run, collection, language and metric, with all that the run was.

Rows without a language are figures over languages: the mean R@1 of the high and the low tier and the gap between them. A run
that failed is one row with its error. Knows nothing about plots or tests.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from optical_hf.evaluation import RetrievalReport
from optical_hf.evaluation.report.language_scores import HIGH_FROM, LOW_TO, choose_tiers
from optical_hf.evaluation.report.retrieval_report import SystemResult
from optical_hf.files import write_whole
from optical_hf.languages import language_info
from optical_hf.metrics.gap import cross_lingual_gap
from optical_hf.metrics.ranking import recall_at_k
from optical_hf.metrics.tiers import Tier, Tiers, split_tiers
from optical_hf.study.config.grid import NO_STUDENT, RunConfig
from optical_hf.study.config.study_config import StudyConfig
from optical_hf.study.run.launching import RunFolder
from optical_hf.study.run.running import RESULT, RunResult

ALL = "all"
"""The collection that stands for all of them together."""
HIGH, LOW, GAP = "R@1 high tier", "R@1 low tier", "R@1 gap"

SCHEMA = pa.schema(
    [
        ("study", pa.string()),
        ("run", pa.string()),
        ("status", pa.string()),
        ("error", pa.string()),
        ("teacher", pa.string()),
        ("student", pa.string()),
        ("system", pa.string()),
        ("losses", pa.string()),
        ("alignment", pa.string()),
        ("budget", pa.string()),
        ("size", pa.int64()),
        ("seed", pa.int64()),
        ("pairs", pa.int64()),
        ("collection", pa.string()),
        ("language", pa.string()),
        ("tier", pa.string()),
        ("language_pairs", pa.int64()),
        ("metric", pa.string()),
        ("value", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("queries", pa.int64()),
        ("groups", pa.int64()),
        ("parameters", pa.int64()),
        ("backbone_parameters", pa.int64()),
        ("steps", pa.int64()),
        ("flops", pa.float64()),
        ("seconds", pa.float64()),
        ("seconds_fit", pa.float64()),
        ("seconds_train", pa.float64()),
        ("seconds_evaluate", pa.float64()),
        ("peak_memory_bytes", pa.int64()),
        ("processes", pa.int64()),
        ("finished", pa.string()),
        ("versions", pa.string()),
        ("config", pa.string()),
    ]
)
"""Columns of the table; shares are fractions, `versions` and `config` are JSON."""


@dataclass(frozen=True)
class Hits:
    """R@1 of every query of a run in one collection, or in all: 1 where the first document found is a right one."""

    ids: list[str]
    languages: NDArray[np.str_]
    groups: NDArray[np.str_]
    hits: NDArray[np.float64]


@dataclass(frozen=True)
class FinishedRun:
    """A run that is done, with what it found."""

    run: RunConfig
    folder: Path

    @cached_property
    def result(self) -> RunResult:
        """What the run said about itself."""
        return RunResult(**json.loads((self.folder / RESULT).read_text(encoding="utf-8")))

    @cached_property
    def reports(self) -> dict[str, RetrievalReport]:
        """The report of every collection."""
        return {name: RetrievalReport.from_json(self.folder / file) for name, file in self.result.reports.items()}

    def found(self, collection: str) -> SystemResult:
        """What the one system of this run found."""
        return next(iter(self.reports[collection].systems.values()))

    def hits(self, collection: str) -> Hits:
        """The hits in a collection."""
        queries = self.reports[collection].queries
        names = [f"{part}\t{key}" for part, key in zip(queries.collections, queries.ids, strict=True)]
        hits = recall_at_k(self.found(collection).ranks, 1)
        return Hits(names, np.array(queries.languages), np.array(queries.groups), hits)


def together(parts: Mapping[str, Hits]) -> Hits:
    """Hits of several collections as of one: ids and groups are told apart by the collection's name."""
    return Hits(
        [f"{name}/{key}" for name, part in parts.items() for key in part.ids],
        np.concatenate([part.languages for part in parts.values()]),
        np.array([f"{name}/{group}" for name, part in parts.items() for group in part.groups]),
        np.concatenate([part.hits for part in parts.values()]),
    )


def finished(entries: Sequence[RunFolder]) -> list[FinishedRun]:
    """The runs that are done."""
    return [FinishedRun(entry.run, entry.folder) for entry in entries if entry.status == "done"]


def tier_of(config: StudyConfig, code: str) -> Tier:
    """The tier of a language: as the study lists it, else by its class (Joshi et al. 2020).

    Of one list alone the other languages are the other tier; of two they are in neither. As in `evaluate_retrieval`.
    """
    listed: dict[Tier, tuple[str, ...]] = {"high": config.high or (), "low": config.low or (), "middle": config.middle}
    for name, codes in listed.items():
        if code in codes:
            return name
    if config.high is None and config.low is None:
        return split_tiers({code: language_info(code).tier}, high_from=HIGH_FROM, low_to=LOW_TO).tier(code)
    if config.high is None:
        return "high"
    return "low" if config.low is None else "middle"


def tiers_of(config: StudyConfig, hits: Hits) -> Tiers | None:
    """The tiers of these languages, or None where they have no gap: all of them in one tier, or in none."""
    found: dict[Tier, list[str]] = {"high": [], "low": [], "middle": []}
    for code in dict.fromkeys(hits.languages.tolist()):
        found[tier_of(config, code)].append(code)
    if not (found["high"] and found["low"]):
        return None
    return choose_tiers(hits.languages.tolist(), hits.groups.tolist(), **found)[0]


def rows_of(config: StudyConfig, entries: Sequence[RunFolder]) -> Iterator[dict[str, Any]]:
    """The rows of the table, run by run; runs that were not tried yet have none."""
    for entry in entries:
        known = {"study": config.name, "run": entry.run.key, "status": entry.status, **_described(entry.run)}
        if entry.status == "failed":
            yield {**known, "error": entry.error}
        if entry.status == "done":
            done = FinishedRun(entry.run, entry.folder)
            known |= _cost(done.result)
            for figure in _figures(config, done):
                yield {**known, **figure}


def _described(run: RunConfig) -> dict[str, Any]:
    return {
        "teacher": run.teacher.name,
        "student": run.student.name if run.student else NO_STUDENT,
        "system": run.system.name,
        "losses": run.system.losses,
        "alignment": run.system.alignment,
        "budget": run.budget.name if run.budget else None,
        "size": run.size,
        "seed": run.seed,
        "config": json.dumps(run.to_dict(), ensure_ascii=False, sort_keys=True),
    }


def _cost(result: RunResult) -> dict[str, Any]:
    return {
        "pairs": sum(result.pairs.values()),
        "parameters": result.parameters,
        "backbone_parameters": result.backbone_parameters,
        "steps": result.steps,
        "flops": sum(result.flops.values()),
        "seconds": result.seconds["total"],
        **{f"seconds_{part}": result.seconds.get(part, 0.0) for part in ("fit", "train", "evaluate")},
        "peak_memory_bytes": result.peak_memory_bytes,
        "processes": result.processes,
        "finished": result.finished,
        "versions": json.dumps(result.versions),
    }


def _figures(config: StudyConfig, done: FinishedRun) -> Iterator[dict[str, Any]]:
    for collection in done.reports:
        hits = done.hits(collection)
        tiers = tiers_of(config, hits)
        for code, found in done.found(collection).languages.items():
            known = {
                "collection": collection,
                "language": code,
                "tier": tier_of(config, code),
                "language_pairs": done.result.pairs.get(code, 0),
                "queries": found.queries,
                "groups": found.groups,
            }
            graded = done.result.measures.get(collection, {}).get(code, {})
            for metric, value in {**found.measures, **graded}.items():
                ends = {"low": found.recall_at_1.low, "high": found.recall_at_1.high} if metric == "R@1" else {}
                yield {**known, "metric": metric, "value": value, **ends}
        if tiers is not None:
            yield from _gap(config, collection, hits, tiers)
    if len(done.reports) > 1:
        hits = together({name: done.hits(name) for name in done.reports})
        tiers = tiers_of(config, hits)
        if tiers is not None:
            yield from _gap(config, ALL, hits, tiers)


def _gap(config: StudyConfig, collection: str, hits: Hits, tiers: Tiers) -> Iterator[dict[str, Any]]:
    gap = cross_lingual_gap(
        hits.hits, hits.languages.tolist(), **tiers._asdict(), groups=hits.groups.tolist(), rounds=config.rounds
    )
    known = {"collection": collection, "queries": len(hits.hits), "groups": len(set(hits.groups.tolist()))}
    for metric, estimate in ((HIGH, gap.high_mean), (LOW, gap.low_mean), (GAP, gap.gap)):
        yield {**known, "metric": metric, "value": estimate.value, "low": estimate.low, "high": estimate.high}


def write_table(config: StudyConfig, entries: Sequence[RunFolder], path: Path) -> pa.Table:
    """Write the table as Parquet, whole or not at all, and return it."""
    table = pa.Table.from_pylist(list(rows_of(config, entries)), schema=SCHEMA)
    write_whole(path, lambda beside: pq.write_table(table, beside))
    return table
