"""Runs of a study, in a process of their own (or several): `accelerate launch -m optical_hf.study.run.running WORKSPACE FOLDER...`.

Reads FOLDER/config.json; writes a report a collection and, last, result.json, whole or not at all: a folder without it was not
finished. What the runs of a study share (students, tokens, closed forms, document vectors) lies in WORKSPACE/kept.
"""

import json
import logging
import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from datasets import Dataset

from optical_hf.evaluation import RetrievalReport, evaluate_retrieval
from optical_hf.evaluation.evaluation_settings import EvaluationSettings
from optical_hf.evaluation.translate.dictionary import learn_dictionaries
from optical_hf.files import write_text
from optical_hf.models import Encoder, load_student, load_teacher
from optical_hf.models.text_length import set_max_seq_length, text_length
from optical_hf.models.translation.seq2seq import Translator
from optical_hf.processes import Processes, leave_processes
from optical_hf.stores.vectors import VectorSet
from optical_hf.study.config.grid import COLLECTION, RunConfig
from optical_hf.study.config.study_config import StudentSpec
from optical_hf.study.run.contents import Contents, check_as_named, digest_of_rows, digest_of_set
from optical_hf.study.run.frozen_backbone import backbone_from, backbone_tokens
from optical_hf.study.run.index_texts import documents_of, query_texts_of, teacher_tokens
from optical_hf.study.run.parent_process import end_with_parent
from optical_hf.study.run.re_indexing import re_index, whole_checkpoint
from optical_hf.study.run.run_cost import Meter, kept_folder, peak_memory, reset_peak_memory, versions
from optical_hf.study.run.run_data import EvaluationSet, pairs_by_language, read_bitext, read_collections, sample_bitext
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
        documents: index documents it learnt from.
        query_texts: English queries it learnt from.
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
    documents: int = 0
    query_texts: int = 0
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


def execute(run: RunConfig, folder: Path, workspace: Path, *, keep_student: bool = False) -> RunResult:
    """Do one run and write its reports; the result is returned, not written."""
    reset_peak_memory()
    meter, kept, contents = Meter(), kept_folder(workspace), Contents(workspace)
    result = RunResult(processes=PartialState().num_processes, versions=dict(versions()))
    with meter.part("total", count=False):
        teacher = load_teacher(run.teacher.path, kind=run.teacher.kind)
        if run.max_seq_length is not None:
            set_max_seq_length(teacher, run.max_seq_length)
        sets = read_collections(run.collections, None if run.system.translator else run.system.reads)
        read = {"teacher": contents.model(run.teacher.path), **{COLLECTION + s.name: digest_of_set(s) for s in sets}}
        if run.student is not None:
            read["student"] = contents.model(run.student.path)
        check_as_named(run, read)
        rows = _bitext(run)
        learns = run.system.trained and not run.system.no_bitext
        bitext = sample_bitext(rows, run.size, run.seed) if rows is not None and learns else None
        if bitext is not None:
            result.pairs = pairs_by_language(bitext)
        student, translator = None, run.system.translator
        if run.own_index:
            student = whole_checkpoint(run)
            result.parameters, result.backbone_parameters = parameters_of(student)
        elif run.student is not None:
            student = _load_student(run, run.student, teacher, rows, sets, kept)
            result.parameters, result.backbone_parameters = parameters_of(student)
            if run.system.trained:
                documents = documents_of(run, teacher, sets, lambda entry: _index_of(run, teacher, entry, kept))
                queries = query_texts_of(run, teacher)
                read_texts = documents and documents.read
                result.documents, result.query_texts = len(read_texts or ()), len(queries or ())
                cache = teacher_tokens(run, teacher, bitext, read_texts, queries, kept / "tokens")
                texts = (bitext, documents, queries)
                result.steps, result.log = train_student(run, student, cache, *texts, folder, kept, meter)
            student.eval()
        elif run.system.learns_dictionaries and bitext is not None:
            with meter.part("fit", count=False):
                translator = _dictionaries(bitext)
            result.versions["nltk"] = version("nltk")
        with meter.part("evaluate", count=False):
            for number, entry in enumerate(sets):
                report = _evaluate(run, student, teacher, entry, translator, kept, meter)
                result.reports[entry.name] = f"report-{number:02d}.json"
                if PartialState().is_main_process:
                    report.to_json(folder / result.reports[entry.name])
        if keep_student and student is not None and not run.own_index and PartialState().is_main_process:
            save_student(student, folder / "student")
    result.seconds, result.flops, result.peak_memory_bytes = meter.seconds, meter.flops, peak_memory()
    result.finished = datetime.now(UTC).isoformat(timespec="seconds")
    return result


def _bitext(run: RunConfig) -> Dataset | None:
    if not run.bitext:
        return None
    rows = read_bitext(run.bitext)
    check_as_named(run, {"bitext": digest_of_rows(rows)})
    return rows


def _load_student(
    run: RunConfig, spec: StudentSpec, teacher: Encoder, rows: Dataset | None, sets: Sequence[EvaluationSet], kept: Path
) -> Encoder:
    corpus: list[str] = []
    if spec.trim and rows is not None:
        corpus = sorted({*rows["target"][:], *(text for entry in sets for text in entry.queries)})
    path = prepared_student(spec, corpus, kept / "students", run.contents.get("student"))
    student = load_student(
        path, teacher, layers=spec.mixed_layers, max_seq_length=run.max_seq_length, query_prompt=spec.query_prompt
    )
    if path != spec.path and spec.random is None:
        student.model_card_data.base_model = spec.path  # the whole checkpoint, not the one that was cut from it
    return student


def _dictionaries(bitext: Dataset) -> Translator:
    """Learn dictionaries; queries in languages that have none stay as they are."""
    learnt = learn_dictionaries(bitext, progress=False)
    return lambda texts, language: learnt[language](texts, language) if language in learnt else texts


def _settings(run: RunConfig, teacher: Encoder) -> EvaluationSettings:
    return EvaluationSettings(search=run.teacher.search, rounds=run.rounds, progress=False).for_models(teacher)


def _index_of(run: RunConfig, teacher: Encoder, entry: EvaluationSet, kept: Path) -> dict[str, VectorSet]:
    """The vectors of the documents of a collection, by the name of its part; read once a study."""
    with text_length(teacher, entry.document_length), PartialState().main_process_first():
        encoding = replace(_settings(run, teacher), folder=kept / "documents").encoding(teacher)
        return {
            part.name: encoding.encode(
                teacher, part.documents["text"][:], "document", "the documents", Processes()
            ).in_item_order(Processes())
            for part in entry.parts
        }


def _evaluate(
    run: RunConfig,
    student: Encoder | None,
    teacher: Encoder,
    entry: EvaluationSet,
    translator: Translator | str | dict[str, str] | None,
    kept: Path,
    meter: Meter,
) -> RetrievalReport:
    settings = _settings(run, teacher)
    if run.own_index and student is not None:
        return re_index(student, entry, settings, kept, meter)
    frozen: AbstractContextManager[None] = nullcontext()
    if student is not None and run.system.losses is None:  # no gradient step: the backbone is as it was loaded
        frozen = backbone_from(backbone_tokens(student, entry.queries, kept / "backbones", meter), student)
    with frozen:
        return evaluate_retrieval(
            student,
            teacher,
            entry.parts,
            systems=(SYSTEM[run.system.reads],),  # type: ignore[arg-type]
            document_vectors=_index_of(run, teacher, entry, kept),
            translator=translator,
            settings=settings,
        )


def main(arguments: Sequence[str]) -> None:
    """Do runs one after the other.

    What goes wrong in one is left in its error.txt, in one line, and the next one is begun.

    Args:
        arguments: the workspace, the folders of the runs, and perhaps `--keep-student` and `--end-with-parent`.
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
            result = execute(run, folder, workspace, keep_student="--keep-student" in arguments)
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
