"""The closed form a run starts from, fitted once and kept: runs that differ in what follows share it, and its cost.

What a kept start took is kept with it and counted in every run that uses it, so a run costs what it would alone. Knows nothing
about gradient steps.
"""

import hashlib
import json
import time
from pathlib import Path
from typing import Any

from accelerate import PartialState
from datasets import Dataset
from safetensors import safe_open
from safetensors.torch import save_file

from optical_hf.models import Encoder, fit_alignment, token_projection
from optical_hf.models.cache import TeacherCache
from optical_hf.study.accounting import Meter, flop_counter
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
            started = time.perf_counter()
            with flop_counter() as counter:
                options = {"seed": run.seed, "progress": False, **run.system.fit}
                fit_alignment(student, teacher, bitext, method=method, **options)
            seconds = time.perf_counter() - started
            _save(student, place, {"seconds": seconds, "flops": float(counter.get_total_flops())})
    with safe_open(str(place), "pt") as file:
        cost = file.metadata()
        projection = token_projection(student)
        assert projection is not None
        projection.load_state_dict({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118 (no dict)
    meter.seconds["fit"], meter.flops["fit"] = float(cost["seconds"]), float(cost["flops"])
    meter.spared += meter.seconds["fit"] if there else 0.0


def _key(run: RunConfig, teacher: TeacherCache) -> str:
    """Of all that decides the fit, and nothing that comes after it; a student's projection starts the same every time."""
    values: dict[str, Any] = run.to_dict()
    kept = {name: values[name] for name in ("student", "bitext", "size", "seed", "max_seq_length")}
    # Not set, it is left out, as before it could be set.
    kept["student"] = {
        name: value for name, value in kept["student"].items() if (name, value) != ("mixed_layers", None)
    }
    # The vocabulary is trimmed to the queries as well, but what it keeps has the embeddings it had.
    kept |= {"teacher": teacher.identity.key, "alignment": run.system.alignment, "fit": run.system.fit}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()[:16]


def _save(student: Encoder, place: Path, cost: dict[str, float]) -> None:
    projection = token_projection(student)
    assert projection is not None
    place.parent.mkdir(parents=True, exist_ok=True)
    beside = place.with_name(place.name + ".partial")
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in projection.state_dict().items()}
    save_file(state, beside, metadata={name: repr(value) for name, value in cost.items()})
    beside.replace(place)
