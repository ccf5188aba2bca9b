"""The runs of a study: every combination that its grids name, each once, with what does not matter to it taken out.

A run is known by the hash of what decides its result, so that a study whose file grew, or that was killed, does again only what
was not done.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, field, replace
from itertools import product
from pathlib import Path
from typing import Any

from pydantic.dataclasses import dataclass

from optical_hf.settings import STRICT, read_settings
from optical_hf.study.config.data_specs import SEARCHED, Bitext, CollectionSpec, DocumentsSpec
from optical_hf.study.config.study_config import (
    OWN_INDEX,
    BudgetSpec,
    GridSpec,
    StudentSpec,
    StudyConfig,
    SystemSpec,
    TeacherSpec,
)

NO_STUDENT = "(teacher)"
FORMAT = 2
"""Raised when a run of the same configuration would give other files."""
COLLECTION = "collection "
"""What the name of a collection begins with in the contents of a run."""
PATHS = ("queries", "documents", "images", "metadata", "english", "translations", "groups")
"""Fields of a collection that say where it is read from."""


@dataclass(frozen=True, config=STRICT)
class RunConfig:
    """All that decides the result of one run.

    Args:
        teacher: the teacher.
        student: None where the teacher itself reads the queries.
        system: what is done to the student.
        budget: None where no gradient step is taken.
        bitext: what the student learns from and its vocabulary is trimmed to; empty where neither is done.
        size: pairs of each language at most.
        seed: of the choice of pairs and of training.
        collections: what is searched.
        max_seq_length: tokens kept of a text.
        rounds: of the bootstrap.
        own_index: whether this is re-indexing: the student is a whole checkpoint, untrained, which reads the documents too.
        documents: index documents that the student learns from; None for none.
        query_texts: English queries that it learns from; None for none.
        contents: hashes of what is read (`study.run.contents`), by part: teacher, student, translator, bitext, documents,
            query_texts, collection NAME. A part that has one is known by it, and by its path no more.
    """

    teacher: TeacherSpec
    student: StudentSpec | None
    system: SystemSpec
    budget: BudgetSpec | None
    bitext: Bitext
    size: int | None
    seed: int
    collections: tuple[CollectionSpec, ...]
    max_seq_length: int | None
    rounds: int = 10_000
    own_index: bool = False
    documents: DocumentsSpec | None = None
    query_texts: DocumentsSpec | None = None
    contents: dict[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """A name that no run with another result has; names for display do not count, nor where things lie."""
        values = _given(self.to_dict())
        for part in ("teacher", "student", "system", "budget"):
            if part in values:
                path = {"path": None} if part in self.contents else {}
                values[part] = _given({**values[part], "name": None, **path})
        if "translator" in self.contents:
            del values["system"]["translator"]
        if "bitext" in self.contents:
            del values["bitext"]
        if self.documents is not None:  # known by their content, or by that of the collections
            del values["system"]["documents"]
            values["documents"] = (
                None if "documents" in self.contents else _given({**values["documents"], "name": None})
            )
            if self.documents.files is None:
                values["documents"] = SEARCHED
        if self.query_texts is not None:
            del values["system"]["query_texts"]
            known = "query_texts" in self.contents
            values["query_texts"] = None if known else _given({**values["query_texts"], "name": None})
        values["collections"] = [
            _given({**entry, **(dict.fromkeys(PATHS) if COLLECTION + entry["name"] in self.contents else {})})
            for entry in values["collections"]
        ]
        text = json.dumps([FORMAT, values], sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def label(self) -> str:
        """One line for people."""
        parts = [self.teacher.name, self.student.name if self.student else NO_STUDENT, self.system.name]
        if self.system.trained:
            read = "all pairs" if self.size is None else f"{self.size:,} pairs a language"
            parts.append("no bitext" if self.system.no_bitext else read)
        if self.budget is not None:
            parts.append(self.budget.name)
        return " / ".join([*parts, f"seed {self.seed}"] if self.system.trained else parts)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "RunConfig":
        """Read what `to_dict` wrote, from JSON as well."""
        return read_settings(cls, values, "run")


def runs_of(config: StudyConfig) -> list[RunConfig]:
    """Every run of a study once, in the order of its grids: seeds, sizes and teachers outermost, budgets innermost.

    Re-indexing comes last.
    """
    found: dict[str, RunConfig] = {}
    for grid in config.grid:
        for run in _product(config, grid):
            found.setdefault(run.key, run)
    runs = list(found.values())
    return [*runs, *re_indexing_of(config, runs)] if config.own_index else runs


def _product(config: StudyConfig, grid: GridSpec) -> Iterator[RunConfig]:
    collections = tuple(config.collections[name] for name in grid.collections or config.collections)
    axes = ("seeds", "sizes", "teachers", "students", "systems", "budgets")
    named = [getattr(grid, axis) or getattr(config, axis) or [None] for axis in axes]
    for seed, size, teacher, student, system, budget in product(*named):
        yield without_idle_parts(
            RunConfig(
                teacher=config.teachers[teacher],
                student=config.students[student],
                system=config.systems[system],
                budget=config.budgets.get(budget),
                bitext=config.bitext,
                size=size,
                seed=seed,
                collections=collections,
                max_seq_length=config.max_seq_length,
                rounds=config.rounds,
                documents=_documents(config, config.systems[system]),
                query_texts=config.query_texts.get(config.systems[system].query_texts or ""),
            )
        )


def _documents(config: StudyConfig, system: SystemSpec) -> DocumentsSpec | None:
    if system.documents is None:
        return None
    return config.documents.get(system.documents, DocumentsSpec(SEARCHED))


def re_indexing_of(config: StudyConfig, runs: Sequence[RunConfig]) -> Iterator[RunConfig]:
    """A run for each teacher, whose kind of search it takes, and each checkpoint that its students were made from.

    What re-indexing retrieves depends on no seed, bitext or loss. It searches every collection that one of these students
    searches. Students with random weights have no checkpoint.
    """
    of: dict[tuple[str, str], list[RunConfig]] = {}
    for run in runs:
        if run.student is not None and run.student.random is None:
            of.setdefault((run.teacher.name, run.student.path), []).append(run)
    paths = {path for _, path in of}
    for (_, path), same in of.items():
        searched = {spec.name for run in same for spec in run.collections}
        prompts = [run.student.query_prompt for run in same if run.student and run.student.query_prompt]
        yield replace(
            same[0],
            student=StudentSpec(_shown(path, paths), path, query_prompt=next(iter(prompts), None)),
            system=SystemSpec(OWN_INDEX),
            budget=None,
            bitext={},
            size=None,
            seed=0,
            collections=tuple(spec for name, spec in config.collections.items() if name in searched),
            own_index=True,
            documents=None,
            query_texts=None,
        )


def _shown(path: str, paths: set[str]) -> str:
    """What tables call a checkpoint: a hub id, or the last part of a folder where no other folder ends in it."""
    last = Path(path).name
    alone = sum(Path(other).name == last for other in paths) == 1
    return last if Path(path).is_absolute() and alone else path


def without_idle_parts(run: RunConfig) -> RunConfig:
    """The run without what cannot change its result: the budget of a closed form, the bitext of an untrained student."""
    if run.system.reads != "text":
        run = replace(run, student=None)
    if not run.system.losses:
        run = replace(run, budget=None)
    if not run.system.trained or run.system.no_bitext:
        run = replace(run, size=None, bitext=run.bitext if run.student and run.student.trim else {})
    if not run.system.trained:
        run = replace(run, seed=0)
    elif run.size is None and not run.system.losses and run.system.alignment != "contrastive":
        run = replace(run, seed=0)  # all pairs, and nothing is drawn
    return run


def _given(fields: dict[str, Any]) -> dict[str, Any]:
    """Without what is not set, so that a setting the package gets later makes no other run of an old one."""
    return {name: value for name, value in fields.items() if value is not None and value is not False and value != {}}
