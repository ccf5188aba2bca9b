"""What all processes must agree on before one of them acts: a process that stops alone leaves the others waiting for it.

All but `is_main_process` must be called by all processes at the same point.
"""

import torch
from accelerate import PartialState
from accelerate.utils import gather_object, reduce


def is_main_process() -> bool:
    """Whether this is the process that tells the user what all of them know."""
    return PartialState().is_main_process


def any_process(flag: bool | torch.Tensor) -> bool:
    """Whether `flag` is true on at least one process."""
    state = PartialState()
    if state.num_processes == 1:
        return bool(flag)
    return bool(reduce(torch.as_tensor(flag, device=state.device).float(), "sum") > 0)


def mean_over_processes(values: list[float]) -> list[float]:
    """The mean of each number over the processes."""
    state = PartialState()
    if state.num_processes == 1:
        return values
    return reduce(torch.tensor(values, device=state.device), "mean").tolist()


def from_all_processes(items: list[str]) -> list[str]:
    """The items of every process, in the order of their ranks."""
    return items if PartialState().num_processes == 1 else gather_object(items)
