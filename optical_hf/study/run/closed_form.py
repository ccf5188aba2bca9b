"""The closed form a run starts from, fitted once and kept: runs that differ in what follows share it, and its cost.

What a kept start took is kept with it and counted in every run that uses it, so a run costs what it would alone. Knows nothing
about gradient steps.
"""

import hashlib
import logging
from dataclasses import asdict, replace
from pathlib import Path

import torch
from accelerate import PartialState
from datasets import Dataset
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from optical_hf.files import write_whole
from optical_hf.models import Encoder, fit_alignment, token_projection
from optical_hf.models.teachers.token_cache import TeacherCache
from optical_hf.study.config.grid import RunConfig
from optical_hf.study.config.study_config import SystemSpec, TeacherSpec
from optical_hf.study.run.run_cost import Meter

logger = logging.getLogger(__name__)


def start_projection(
    run: RunConfig, student: Encoder, teacher: TeacherCache, bitext: Dataset, folder: Path, meter: Meter
) -> None:
    """Put the closed form of the run's system into the student's projection.

    Args:
        run: its system, student and draw are read.
        student: from `load_student`, as it was loaded.
        teacher: the cache that holds the English sides.
        bitext: the pairs drawn for this run.
        folder: where the starts of the study are kept.
        meter: gets the part "fit": what the fit took when it was done.
    """
    place = folder / f"{_key(run, teacher)}.safetensors"
    method = run.system.alignment
    assert method != "none"
    with PartialState().main_process_first():
        there = place.exists() and _read(place) is not None
        if not there:
            with meter.cost() as cost:
                options = {"seed": run.seed, "progress": False, **run.system.fit}
                fit_alignment(student, teacher, bitext, method=method, **options)
            _save(student, place, asdict(cost))
    found, projection = _read(place), token_projection(student)
    assert found is not None
    assert projection is not None
    state, kept = found
    projection.load_state_dict(state)
    meter.seconds["fit"], meter.flops["fit"] = float(kept["seconds"]), float(kept["flops"])
    if there:
        meter.spare(meter.seconds["fit"])


def _key(run: RunConfig, teacher: TeacherCache) -> str:
    """Of all that decides the fit, and nothing that comes after it; a student's projection starts the same every time."""
    # The vocabulary is trimmed to the queries as well, but what it keeps has the embeddings it had.
    start = replace(
        run,
        teacher=TeacherSpec("", teacher.identity.key),
        system=SystemSpec("", run.system.alignment, fit=run.system.fit),
        budget=None,
        collections=(),
        contents={part: run.contents[part] for part in ("student", "bitext") if part in run.contents},
    )
    return start.key


def _save(student: Encoder, place: Path, cost: dict[str, float]) -> None:
    projection = token_projection(student)
    assert projection is not None
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in projection.state_dict().items()}
    told = {"checksum": _checksum(state), **{name: repr(value) for name, value in cost.items()}}
    write_whole(place, lambda beside: save_file(state, beside, metadata=told))


def _read(place: Path) -> tuple[dict[str, Tensor], dict[str, str]] | None:
    """A kept start and what it took; None where its bytes are not those that were written, which is said."""
    try:
        with safe_open(str(place), "pt") as file:
            state, told = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118 (no dict)
        if told["checksum"] == _checksum(state):
            return state, told
    except (SafetensorError, OSError, KeyError, TypeError):
        pass
    logger.warning("the closed form kept in %s is damaged: it is fitted again", place)
    return None


def _checksum(state: dict[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(state.items()):
        digest.update(name.encode() + tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]
