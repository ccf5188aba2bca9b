"""The closed form a run starts from, fitted once and kept: runs that differ in what follows share it, and its cost.

What a kept start took is kept with it and counted in every run that uses it, so a run costs what it would alone. Knows nothing
about gradient steps.
"""

from dataclasses import asdict, replace
from pathlib import Path

from accelerate import PartialState
from datasets import Dataset
from safetensors import safe_open
from safetensors.torch import save_file

from optical_hf.files import write_whole
from optical_hf.models import Encoder, fit_alignment, token_projection
from optical_hf.models.cache import TeacherCache
from optical_hf.study.accounting import Meter
from optical_hf.study.config import SystemSpec, TeacherSpec
from optical_hf.study.grid import RunConfig


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
        there = place.exists()
        if not there:
            with meter.cost() as cost:
                options = {"seed": run.seed, "progress": False, **run.system.fit}
                fit_alignment(student, teacher, bitext, method=method, **options)
            _save(student, place, asdict(cost))
    with safe_open(str(place), "pt") as file:
        kept = file.metadata()
        projection = token_projection(student)
        assert projection is not None
        projection.load_state_dict({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118 (no dict)
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
    told = {name: repr(value) for name, value in cost.items()}
    write_whole(place, lambda beside: save_file(state, beside, metadata=told))
