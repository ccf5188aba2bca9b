"""What each of two processes does in test_fsdp.py: train with FSDP2 on the CPU, stop, go on, evaluate, save.

accelerate 1.15 sets FSDP up for accelerators only (`AcceleratorState` leaves MULTI_CPU as it is), though torch's FSDP2 runs over
gloo: the state is told by hand here. All the rest is what a run on GPUs goes through.
"""

import json
from pathlib import Path

import accelerate.state
import tiny_pairs
from accelerate.utils import DistributedType

from optical_hf.training import OTDistillationArguments, OTDistillationTrainer

initialise = accelerate.state.AcceleratorState.__init__


def start(self, *args, fsdp_plugin=None, **kwargs) -> None:
    initialise(self, *args, fsdp_plugin=fsdp_plugin, **kwargs)
    if fsdp_plugin is not None:
        self.distributed_type, self.fsdp_plugin = DistributedType.FSDP, fsdp_plugin
        accelerate.state.PartialState._shared_state["distributed_type"] = DistributedType.FSDP


def trainer(folder: Path) -> OTDistillationTrainer:
    student, teacher = tiny_pairs.pair(layers=[1, 2])  # all that a plain student has, and a module without gradient
    args = OTDistillationArguments(
        str(folder), max_steps=4, per_device_train_batch_size=8, learning_rate=1e-3, logging_steps=1, report_to="none",
        save_strategy="steps", save_steps=2, disable_tqdm=True, alignment="ridge",
        losses="transport(tolerance=1e-6)=1.0,pooled_cosine=0.5",
        eval_strategy="steps", eval_steps=2, metric_for_best_model="eval_R@1/so", load_best_model_at_end=True,
    )  # fmt: skip

    def evaluator(model) -> dict[str, float]:
        """Every process runs the student as often as its share of the work asks for."""
        for _ in range(1 + 2 * args.process_index):
            model.encode(["a dog"])
        return {"R@1/so": float(run.state.global_step == 2)}

    run = OTDistillationTrainer(student, teacher, args, tiny_pairs.bitext(), evaluators=evaluator)
    return run


def run_as_rank(out: Path) -> None:
    """Train, save the best, and go on from the middle; the loss curves go to a file."""
    accelerate.state.AcceleratorState.__init__ = start
    whole = trainer(out / "whole")
    whole.train()
    assert whole.is_fsdp_enabled
    assert {type(p).__name__ for p in whole.model.parameters()} == {"DTensor"}
    assert whole.state.best_global_step == 2
    whole.save_model(str(out / "best"))

    rest = trainer(out / "rest")
    rest.train(resume_from_checkpoint=str(out / "whole" / "checkpoint-2"))
    if whole.is_world_process_zero():
        curves = [[e["loss"] for e in run.state.log_history if "loss" in e] for run in (whole, rest)]
        (out / "losses.json").write_text(json.dumps(curves))
    whole.accelerator.end_training()
