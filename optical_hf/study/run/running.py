"""Runs of a study, in a process of their own (or several): `accelerate launch -m optical_hf.study.run.running WORKSPACE FOLDER...`.

Reads FOLDER/config.json; writes a report a collection and, last, result.json, whole or not at all: a folder without it was not
finished. What the runs of a study share (students, tokens of teachers and frozen backbones, document vectors) lies in
WORKSPACE/kept. Knows nothing about other runs.
"""

import json
import logging
import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from datasets import Dataset

from optical_hf.evaluation import RetrievalReport, evaluate_retrieval
from optical_hf.evaluation.encode.encoding import Encoding, Search
from optical_hf.evaluation.encode.processes import Processes, leave_processes
from optical_hf.evaluation.evaluation_settings import by_cosine, default_search
from optical_hf.evaluation.translate.dictionary import learn_dictionaries
from optical_hf.evaluation.translate.seq2seq import Translator
from optical_hf.files import write_text
from optical_hf.models import Encoder, load_student, load_teacher
from optical_hf.models.teachers.token_cache import TeacherCache
from optical_hf.models.text_length import set_max_seq_length, text_length
from optical_hf.stores.vectors import VectorSet
from optical_hf.study.config.grid import COLLECTION, RunConfig
from optical_hf.study.run.contents import Contents, check_as_named, digest_of_rows, digest_of_set
from optical_hf.study.run.frozen_body import bodies_shared
from optical_hf.study.run.parent_process import end_with_parent
from optical_hf.study.run.run_cost import Meter, kept_folder, peak_memory, reset_peak_memory, versions
from optical_hf.study.run.run_data import EvaluationSet, draw_bitext, pairs_by_language, read_bitext, read_collections
from optical_hf.study.run.students import parameters_of, prepared_student
from optical_hf.study.run.training_run import train_student
from optical_hf.training import save_student

CONFIG, RESULT, ERROR, LOG = "config.json", "result.json", "error.txt", "log.txt"
SYSTEM = {"text": "student", "english": "teacher_english", "translation": "translate_query"}
"""What `evaluate_retrieval` calls the system that reads a column of the queries."""


@dataclass
class RunResult:
    """What a run leaves beside its reports.

    Args:
        reports: file of the report by collection, in the run's folder.
        measures: MAP, nDCG@10 and P@10 by collection and language in runs of 0.1; the reports hold them since.
        pairs: bitext pairs by language.
        steps: gradient steps taken.
        parameters: of the student's backbone.
        backbone_parameters: of them, those that are not the matrix of the vocabulary.
        seconds: by part: fit, train, evaluate, total.
        flops: by part: fit, train.
        peak_memory_bytes: of the largest process.
        processes: so many.
        versions: of python and packages.
        finished: when, UTC.
        log: what the trainer logged.
    """

    reports: dict[str, str] = field(default_factory=dict)
    measures: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)
    pairs: dict[str, int] = field(default_factory=dict)
    steps: int = 0
    parameters: int = 0
    backbone_parameters: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    flops: dict[str, float] = field(default_factory=dict)
    peak_memory_bytes: int = 0
    processes: int = 1
    versions: dict[str, str] = field(default_factory=dict)
    finished: str = ""
    log: list[dict[str, Any]] = field(default_factory=list)


def execute(
    run: RunConfig, folder: Path, workspace: Path, *, keep_student: bool = False, share_bodies: bool = True
) -> RunResult:
    """Do one run and write its reports; the result is returned, not written."""
    reset_peak_memory()
    meter, result = Meter(), RunResult(processes=PartialState().num_processes, versions=dict(versions()))
    contents, kept = Contents(workspace), kept_folder(workspace)
    with meter.part("total", count=False), ExitStack() as sharing:
        teacher = load_teacher(run.teacher.path, kind=run.teacher.kind)
        if run.max_seq_length is not None:
            set_max_seq_length(teacher, run.max_seq_length)
        sets = read_collections(run.collections, None if run.system.translator else run.system.reads)
        check_as_named(
            run, {"teacher": contents.model(run.teacher.path), **{COLLECTION + s.name: digest_of_set(s) for s in sets}}
        )
        student = None
        if run.student is not None:
            check_as_named(run, {"student": contents.model(run.student.path)})
            student, rows = _loaded(run, teacher, sets, kept, result)
            if share_bodies and run.system.losses is None:  # no gradient step: the backbone stays what it is
                sharing.enter_context(bodies_shared(student, kept / "bodies", meter))
            _train(run, student, teacher, rows, folder, kept, meter, result)
        translator = run.system.translator
        if run.system.learns_dictionaries:
            with meter.part("fit", count=False):
                translator = _dictionaries(run, result)
        with meter.part("evaluate", count=False):
            for number, entry in enumerate(sets):
                report = _evaluate(run, student, teacher, entry, translator, kept)
                result.reports[entry.name] = f"report-{number:02d}.json"
                if PartialState().is_main_process:
                    report.to_json(folder / result.reports[entry.name])
        if keep_student and student is not None and PartialState().is_main_process:
            save_student(student, folder / "student")
    result.seconds, result.flops, result.peak_memory_bytes = meter.seconds, meter.flops, peak_memory()
    result.finished = datetime.now(UTC).isoformat(timespec="seconds")
    return result


def _loaded(
    run: RunConfig, teacher: Encoder, sets: Sequence[EvaluationSet], kept: Path, result: RunResult
) -> tuple[Encoder, Dataset | None]:
    """Load the student of a run, and the bitext where there is any; how large the student is goes into `result`."""
    assert run.student is not None
    rows = _bitext(run) if run.bitext else None
    corpus: list[str] = []
    if run.student.trim and rows is not None:
        corpus = sorted({*rows["target"][:], *(text for entry in sets for text in entry.queries)})
    path = prepared_student(run.student, corpus, kept / "students", run.contents.get("student"))
    student = load_student(
        path, teacher, layers=run.student.mixed_layers, max_seq_length=run.max_seq_length,
        query_prompt=run.student.query_prompt,
    )  # fmt: skip
    result.parameters, result.backbone_parameters = parameters_of(student)
    return student, rows


def _train(
    run: RunConfig,
    student: Encoder,
    teacher: Encoder,
    rows: Dataset | None,
    folder: Path,
    kept: Path,
    meter: Meter,
    result: RunResult,
) -> None:
    """Train the student of a run in place; what it learnt from goes into `result`."""
    if run.system.trained and rows is not None:
        drawn = draw_bitext(rows, run.size, run.seed)
        result.pairs = pairs_by_language(drawn)
        cache = TeacherCache.build(teacher, drawn, kept / "tokens", progress=False)
        result.steps, result.log = train_student(run, student, cache, drawn, folder, kept, meter)
    student.eval()


def _bitext(run: RunConfig) -> Dataset:
    rows = read_bitext(run.bitext)
    check_as_named(run, {"bitext": digest_of_rows(rows)})
    return rows


def _dictionaries(run: RunConfig, result: RunResult) -> Translator:
    """Learn dictionaries from the run's bitext; queries in other languages stay as they are."""
    drawn = draw_bitext(_bitext(run), run.size, run.seed)
    result.pairs = pairs_by_language(drawn)
    result.versions["nltk"] = version("nltk")
    learnt = learn_dictionaries(drawn, progress=False)
    return lambda texts, language: learnt[language](texts, language) if language in learnt else texts


def _evaluate(
    run: RunConfig,
    student: Encoder | None,
    teacher: Encoder,
    entry: EvaluationSet,
    translator: Translator | str | dict[str, str] | None,
    kept: Path,
) -> RetrievalReport:
    search = run.teacher.search or default_search(teacher)
    with text_length(teacher, entry.document_length):
        vectors = {part.name: _documents(teacher, part.documents["text"][:], search, kept) for part in entry.parts}
    return evaluate_retrieval(
        student,
        teacher,
        entry.parts,
        systems=(SYSTEM[run.system.reads],),  # type: ignore[arg-type]
        search=search,
        document_vectors=vectors,
        translator=translator,
        rounds=run.rounds,
        progress=False,
    )


def _documents(teacher: Encoder, texts: list[str], search: Search, kept: Path) -> VectorSet:
    """The teacher's vectors of documents, computed by the first run that needs them and read from disk by the others."""
    encoding = Encoding(search, by_cosine(teacher), folder=kept / "documents", progress=False)
    with PartialState().main_process_first():
        return encoding.encode(teacher, texts, "document", "the documents", Processes()).in_item_order(Processes())


def main(arguments: Sequence[str]) -> None:
    """Do runs one after the other.

    What goes wrong in one is left in its error.txt, in one line, and the next one is begun.

    Args:
        arguments: the workspace, the folders of the runs, and perhaps `--keep-student`, `--read-anew`, `--end-with-parent`.
    """
    if "--end-with-parent" in arguments:
        end_with_parent()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    PartialState(
        cpu=not torch.accelerator.is_available()
    )  # else processes without an accelerator do not find each other
    workspace, *folders = (Path(argument) for argument in arguments if not argument.startswith("--"))
    for folder in folders:
        _log_into(folder)
        try:
            run = RunConfig.from_dict(json.loads((folder / CONFIG).read_text(encoding="utf-8")))
            result = execute(
                run,
                folder,
                workspace,
                keep_student="--keep-student" in arguments,
                share_bodies="--read-anew" not in arguments,
            )
            if PartialState().is_main_process:
                write_text(folder / RESULT, json.dumps(vars(result), indent=1))
        except Exception as error:
            traceback.print_exc()
            write_text(folder / ERROR, f"{type(error).__name__}: {' '.join(str(error).split())}\n")
            if PartialState().num_processes > 1:
                raise  # the other ranks may wait for this one in a collective
    leave_processes()


def _log_into(folder: Path) -> None:
    """From here on, all this process says goes into the run's own log."""
    sys.stdout.flush()
    sys.stderr.flush()
    with (folder / LOG).open("a", encoding="utf-8") as log:
        for stream in (1, 2):
            os.dup2(log.fileno(), stream)


if __name__ == "__main__":
    main(sys.argv[1:])
