"""The processes that share an evaluation, as `accelerate launch` or torchrun started them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

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
