"""What a run cost: floating-point operations, seconds, peak memory, and the versions it ran with.

Operations are counted by torch's own counter as they are dispatched, forward and backward; those that are no matrix product,
convolution or attention (normalisation, the optimizer, the exponentials of a transport plan) count nothing there. The teacher is
read from a cache and costs a run nothing.
"""

import hashlib
import json
import platform
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

import torch
from accelerate import PartialState
from accelerate.utils import reduce
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count

from optical_hf.files import write_text
from optical_hf.models.fingerprint import digest_of

T = TypeVar("T")
PACKAGES = ("optical-hf", "torch", "transformers", "sentence-transformers", "accelerate", "datasets", "POT")


def _attention(query: torch.Size, key: torch.Size, value: torch.Size, *_: object, **__: object) -> int:
    return sdpa_flop_count(query, key, value)


def _attention_backward(
    grad: torch.Size, query: torch.Size, key: torch.Size, value: torch.Size, *_: object, **__: object
) -> int:
    return sdpa_backward_flop_count(grad, query, key, value)


# torch 2.13 counts the attention kernels of accelerators but not those of the CPU.
CPU_ATTENTION = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,
}


def flop_counter() -> FlopCounterMode:
    """A context that counts the floating-point operations done in it: `.get_total_flops()`."""
    return FlopCounterMode(display=False, custom_mapping=CPU_ATTENTION)


@dataclass
class Cost:
    """Seconds and floating-point operations."""

    seconds: float = 0.0
    flops: float = 0.0


@dataclass
class Meter:
    """Seconds and operations by the name of the part of a run in which they were spent.

    Work that runs share counts in full in each of them, so that a run costs what it would cost alone.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    flops: dict[str, float] = field(default_factory=dict)
    spared: Cost = field(default_factory=Cost)
    """What shared work took the runs that did it, less what it took here."""

    def shared(self, place: Path, work: Callable[[bool], T]) -> T:
        """Do work whose result the runs of a study share; what it took the first of them is charged to each.

        Args:
            place: JSON file that holds what it took.
            work: does it, anew where it gets True, and returns the result; else it may take what is kept.
        """
        with PartialState().main_process_first():
            anew = not place.exists()
            with self.cost() as here:
                result = work(anew)
            if anew:
                place.parent.mkdir(parents=True, exist_ok=True)
                write_text(place, json.dumps(asdict(here)))
        whole = Cost(**json.loads(place.read_text(encoding="utf-8")))
        self.spared.seconds += whole.seconds - here.seconds
        # Operations are added up over processes, of which one did the work.
        self.spared.flops += (whole.flops if PartialState().is_main_process else 0.0) - here.flops
        return result

    @contextmanager
    def part(self, name: str, count: bool = True) -> Iterator[None]:
        """Measure what is done inside; with `count`, its operations too, over all processes."""
        with self.cost(count) as cost:
            yield
        if count:
            self.flops[name] = over_processes(cost.flops)
        self.seconds[name] = cost.seconds

    @contextmanager
    def cost(self, count: bool = True) -> Iterator[Cost]:
        """What is done inside by this process, shared work in full; known once it is done."""
        cost, before, started = Cost(), replace(self.spared), time.perf_counter()
        with flop_counter() if count else nullcontext() as counter:
            yield cost
        cost.seconds = time.perf_counter() - started + self.spared.seconds - before.seconds
        if counter is not None:
            cost.flops = float(counter.get_total_flops()) + self.spared.flops - before.flops


def over_processes(value: float) -> float:
    """The sum of a number over the processes of a run."""
    if PartialState().num_processes == 1:
        return float(value)
    return float(reduce(torch.tensor(value, dtype=torch.float64, device=PartialState().device), "sum"))


def reset_peak_memory() -> None:
    """Forget the peak of what this process did before, where the system can (Linux, accelerators)."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_memory() -> int:
    """Bytes this process held at most: of its accelerator where it used one, else of the machine's memory."""
    if torch.cuda.is_available() and torch.cuda.max_memory_allocated():
        return int(torch.cuda.max_memory_allocated())
    status = Path("/proc/self/status")
    if status.exists():
        peak = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(peak.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


CODE = "optical-hf code"
"""Key under which the hash of this package's code is kept: a default that changed makes runs that cannot be compared."""


@cache
def versions() -> dict[str, str]:
    """Versions of what a result depends on, and the hash of this package's code without `cli` and `hub`."""
    digest = hashlib.sha256()
    package = Path(__file__).parents[2]
    for file in sorted(package.rglob("*.py")):
        name = file.relative_to(package)
        if name.parts[0] not in ("cli", "hub"):
            digest.update(name.as_posix().encode() + b"\0" + file.read_bytes())
    found = {"python": platform.python_version(), CODE: digest.hexdigest()[:12]}
    return found | {name: version(name) for name in PACKAGES}


def kept_folder(workspace: Path) -> Path:
    """Where runs keep what others read (students, tokens, closed forms, document vectors), a folder for each set of versions.

    So no run begins from what other code made.
    """
    return workspace / "kept" / digest_of(versions())[:12]
