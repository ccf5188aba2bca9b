"""The processes that share a job, as `accelerate launch` or torchrun started them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar, cast

import torch
from accelerate import PartialState
from accelerate.utils import gather_object

T = TypeVar("T")


@dataclass(frozen=True)
class Processes:
    """This process's number among `count`."""

    rank: int = 0
    count: int = 1

    @classmethod
    def started(cls) -> "Processes":
        """The processes of this run."""
        state = PartialState(cpu=not torch.accelerator.is_available())  # several CPU processes are only seen when asked
        return cls(state.process_index, state.num_processes)

    def share(self, parts: Sequence[T]) -> list[T]:
        """This process's parts: every `count`-th."""
        return list(parts[self.rank :: self.count])

    def agreed(self, work: Callable[[], T]) -> T:
        """What `work` gives on the first process, which alone does it; an error there is raised on all."""
        found, error = None, None
        if self.rank == 0:
            try:
                found = work()
            except Exception as raised:
                if self.count == 1:
                    raise
                error = raised
        found, error = self.gather((found, error))[0]
        if error is not None:
            raise error
        return cast(T, found)

    def gather(self, value: T) -> list[T]:
        """The values of all processes, in the order of their numbers; all of them must call this."""
        return [value] if self.count == 1 else gather_object([value])


def leave_processes() -> None:
    """Leave the process group, where there is one: the last thing a process does.

    A thread of gloo that lets go of a tensor while the interpreter shuts down aborts a process whose work is done
    (https://github.com/pytorch/pytorch/pull/179291), and the launcher then ends the others.
    """
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
