"""The closed form a run starts from: fitted by the first run that needs it, read from disk by the others."""

import logging
from dataclasses import replace
from pathlib import Path

from datasets import Dataset

from optical_hf.models import Encoder, fit_alignment, kind_of, token_projection
from optical_hf.models.alignment.chosen_documents import ChosenDocuments
from optical_hf.models.teachers.token_cache import TeacherCache
from optical_hf.models.teachers.token_cache.joined_cache import JoinedCache
from optical_hf.study.config.grid import COLLECTION, RunConfig
from optical_hf.study.config.study_config import TeacherSpec
from optical_hf.study.run.frozen_backbone import backbone_tokens
from optical_hf.study.run.index_texts import read_by_the_student
from optical_hf.study.run.run_cost import Meter
from optical_hf.tensor_files import DamagedTensorsError, load_tensors, save_tensors

logger = logging.getLogger(__name__)


def start_projection(
    run: RunConfig,
    student: Encoder,
    teacher: TeacherCache,
    bitext: Dataset | None,
    documents: ChosenDocuments | None,
    query_texts: Dataset | None,
    kept: Path,
    meter: Meter,
) -> None:
    """Put the closed form of the run's system into the student's projection.

    Args:
        run: its system, student and seed are read.
        student: from `load_student`, as it was loaded.
        teacher: the cache that holds the English sides.
        bitext: the pairs of this run; None without bitext.
        documents: of the index; None for none. A transport start does not read them.
        query_texts: English queries; None for none. They are read where documents are, by students of one vector.
        kept: where the runs of the study keep what they share.
        meter: is charged what the fit took the run that did it, reading the bitext included.
    """
    projection, method = token_projection(student), run.system.alignment
    assert projection is not None
    assert method != "none"
    documents = None if method == "transport" else documents
    asked = None if method == "transport" or kind_of(student) != "vector" else query_texts
    place = kept / "closed_forms" / f"{_key(run, teacher)}.safetensors"

    def fit(anew: bool) -> None:
        if not anew:
            try:
                projection.load_state_dict(load_tensors(place))
                return
            except (FileNotFoundError, DamagedTensorsError) as error:
                logger.warning("%s: the closed form is fitted again", error)
        options = {"seed": run.seed, "progress": False, **run.system.fit}
        # Each in a cache of its own: runs with and without documents share the bitext, and all seeds the documents.
        parts = [read_by_the_student(run, documents and documents.read, asked)]
        if bitext is not None:
            parts += [[*bitext["target"][:], *(bitext["source"][:] if options.get("also_english", True) else [])]]
        caches = [backbone_tokens(student, part, kept / "backbones", meter) for part in parts if part]
        fit_alignment(
            student, teacher, bitext, documents=documents, query_texts=asked, method=method,
            student_tokens=JoinedCache(caches), **options,
        )  # fmt: skip
        save_tensors(place, {name: tensor.detach().cpu() for name, tensor in projection.state_dict().items()})

    meter.shared(place.with_suffix(".json"), fit)


def _key(run: RunConfig, teacher: TeacherCache) -> str:
    """Of all that decides the fit, and nothing that comes after it; a student's projection starts the same every time."""
    # The vocabulary is trimmed to the queries as well, but what it keeps has the embeddings it had.
    if run.system.alignment == "transport":  # it reads bitext alone
        plain = replace(run.system, documents=None, query_texts=None)
        run = replace(run, system=plain, documents=None, query_texts=None)
    searched = run.documents is not None and run.documents.files is None
    parts = [
        "student",
        "bitext",
        *(["documents"] if run.documents else []),
        *(["query_texts"] if run.query_texts else []),
    ]
    parts += [name for name in run.contents if searched and name.startswith(COLLECTION)]
    start = replace(
        run,
        teacher=TeacherSpec("", teacher.fingerprint),
        system=replace(run.system, name="", losses=None, arguments={}),
        budget=None,
        collections=run.collections if searched else (),
        contents={part: run.contents[part] for part in parts if part in run.contents},
    )
    return start.key
