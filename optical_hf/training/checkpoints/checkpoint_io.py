"""How a trainer saves, loads and pushes a student: whole, as sentence-transformers lays it out, no pickle, no token.

The base of `OTDistillationTrainer`. Here are all the methods of `transformers.Trainer` that begin with an underscore and are
overridden in this package: `_save_checkpoint`, `_save`, `_load_from_checkpoint`, `_load_best_model` and `_push_from_checkpoint`.
transformers would write and read its own layout, and pickle the arguments, hub_token included, into what it pushes.
"""

import json
import logging
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from transformers import Trainer
from transformers.trainer import PushInProgress
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR, HubStrategy

from optical_hf.files import expand_path, write_text
from optical_hf.models import Encoder
from optical_hf.models.student_folder import student_folder
from optical_hf.training.checkpoints.checkpoint_checksums import write_checksums
from optical_hf.training.checkpoints.checkpoints import ARGUMENTS, begin_writing, damage
from optical_hf.training.checkpoints.sharded import filled, load_sharded
from optical_hf.training.checkpoints.student_saving import load_weights, merged, write_student

logger = logging.getLogger(__name__)


class StudentTrainer(Trainer):
    """A `transformers.Trainer` that saves, loads and pushes its model as a student."""

    _merge_on_save = False
    _skeleton: Encoder | None = None

    @property
    def student(self) -> Encoder:
        """The student as it is without what accelerate and torch wrap around it."""
        return self.accelerator.unwrap_model(self.model, keep_torch_compile=False)

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Save the student for others to load: an adapter is merged; checkpoints along the way keep it apart."""
        # transformers names the folder of a checkpoint; it names none where it saves what it is about to push.
        self._merge_on_save = not _internal_call or output_dir is None
        output_dir = output_dir and str(expand_path(output_dir))
        if not self._merge_on_save and self.args.should_save:
            begin_writing(Path(output_dir))
        try:
            super().save_model(output_dir, _internal_call)
        finally:
            self._merge_on_save = False

    def create_model_card(self, language=None, license=None, tags=(), model_name=None, **kwargs: Any) -> None:
        """Write sentence-transformers' card; the one of transformers would name the wrong library to load it with."""
        if not self.is_world_process_zero():
            return
        data = self.student.model_card_data
        if language is not None:
            data.set_language(language)
        if license is not None:
            data.set_license(license)
        data.add_tags(["optical-hf", *([tags] if isinstance(tags, str) else tags or [])])
        self.student._create_model_card(self.args.output_dir, model_name=self.hub_model_id or model_name)

    def _save_checkpoint(self, model: nn.Module, trial: Any = None) -> None:
        super()._save_checkpoint(model, trial)
        self.accelerator.wait_for_everyone()  # each process writes its random numbers
        if self.args.should_save:
            write_checksums(Path(self._get_output_dir(trial), f"{PREFIX_CHECKPOINT_DIR}-{self.state.global_step}"))

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Tensor] | None = None) -> None:
        if not self.args.should_save:
            return
        student, folder = self.student, Path(output_dir or self.args.output_dir)
        if self._skeleton is not None and state_dict is not None:
            student, state_dict = filled(self._skeleton, state_dict), None
        # As text and without tokens, where transformers would pickle the arguments, hub_token included.
        text = json.dumps(self.args.to_dict() | {"world_size": self.args.world_size}, indent=2, default=str) + "\n"

        def write(place: Path) -> None:
            whole = self._merge_on_save
            write_student(merged(student) if whole else student, place, state_dict, card=whole)
            write_text(place / ARGUMENTS, text)

        if self._merge_on_save:
            student_folder(folder).write(write)
        else:  # in its place: other processes write into a checkpoint too, and it counts as whole when it is complete
            folder.mkdir(parents=True, exist_ok=True)
            write(folder)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        student = self.student if model is None else self.accelerator.unwrap_model(model, keep_torch_compile=False)
        if self._skeleton is not None:
            load_sharded(student, self._skeleton, resume_from_checkpoint)
        else:
            load_weights(student, resume_from_checkpoint)

    def _load_best_model(self) -> None:
        problem = damage(self.state.best_model_checkpoint, weights_only=True)
        if problem is not None:
            logger.warning(
                "the best student, %s, is not whole (%s): the student stays that of the last step",
                self.state.best_model_checkpoint, problem,
            )  # fmt: skip
            return
        logger.info("loading the best student, %s (%s)", self.state.best_model_checkpoint, self.state.best_metric)
        self._load_from_checkpoint(self.state.best_model_checkpoint)

    def _push_from_checkpoint(self, checkpoint_folder: str) -> None:
        """Push the student as it is now, in the background; a push that is still going on is waited for."""
        if self.args.hub_strategy == HubStrategy.END:
            return
        self._finish_current_push()  # before the files it is reading are written anew
        push = self.push_to_hub(f"Training in progress, step {self.state.global_step}", blocking=False)
        if push is not None:
            push.add_done_callback(_tell_failure)
            self.push_in_progress = PushInProgress([push])


def _tell_failure(push: Future[Any]) -> None:
    """A push in the background that failed is otherwise not heard of: transformers waits for it and looks no further."""
    error = None if push.cancelled() else push.exception()
    if error is not None:
        text = " ".join(f"{error} {error.__cause__ or ''}".split())
        logger.warning(
            "a push to the hub failed (%s); what it would have pushed is in output_dir, and the next push brings it",
            text[:300],
        )
