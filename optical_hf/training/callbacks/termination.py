"""`CheckpointOnTermination`: SIGTERM ends a run with a checkpoint in place, as schedulers and spot machines want it.

`transformers` has `enable_jit_checkpoint`, which waits three seconds and lets each process decide by itself at which step it
stops; with several processes they can stop at different ones and wait for each other. Here all processes agree after
each step, a checkpoint is written, and the signal is then delivered as if nobody had caught it: a run that was
terminated does not look like one that finished.
"""

import logging
import os
import signal
import threading
from types import FrameType
from typing import Any

from transformers import TrainerCallback

from optical_hf.training.callbacks.agreement import any_process

logger = logging.getLogger(__name__)


class CheckpointOnTermination(TrainerCallback):
    """Write a checkpoint at the end of the step in which SIGTERM came, then end as SIGTERM ends a process."""

    def __init__(self) -> None:
        self._caught, self._agreed = False, False
        self._before: Any = None

    def on_train_begin(self, args, state, control, **kwargs: Any) -> None:
        """Catch the signal; only the main thread of a process can."""
        self._caught = self._agreed = False
        # Not again where a batch that did not fit made transformers begin anew: what was before would be ourselves.
        if self._before is None and threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGTERM, self._note)

    def on_step_end(self, args, state, control, **kwargs: Any) -> None:
        """Find out whether the signal came to any process."""
        if any_process(self._caught):
            self._agreed = True
            control.should_save = control.should_training_stop = True

    def on_save(self, args, state, control, **kwargs: Any) -> None:
        """Say where the checkpoint is."""
        if self._agreed and state.is_world_process_zero:
            logger.warning(
                "SIGTERM: %s holds the run at step %d; go on with resume_from_checkpoint=True",
                os.path.join(args.output_dir, f"checkpoint-{state.global_step}"), state.global_step,
            )  # fmt: skip

    def on_train_end(self, args, state, control, **kwargs: Any) -> None:
        """Give the signal back, and let it do its work if it came."""
        self.restore()
        if self._caught or self._agreed:
            os.kill(os.getpid(), signal.SIGTERM)

    def restore(self) -> None:
        """Put back what SIGTERM did before, also after a training that ended with an error."""
        if self._before is not None:
            signal.signal(signal.SIGTERM, self._before)
            self._before = None

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._caught = True
