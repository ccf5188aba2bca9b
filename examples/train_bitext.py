"""Distil a student on bitext, on one process or many.

    python examples/train_bitext.py --output_dir runs/scenes
    accelerate launch examples/train_bitext.py --output_dir runs/scenes                        # all GPUs of a machine
    accelerate launch --config_file examples/accelerate/cpu.yaml examples/train_bitext.py     # two processes on a CPU
    accelerate launch --config_file examples/accelerate/fsdp2.yaml examples/train_bitext.py   # weights shared out over GPUs

Runs anywhere as it is: the bitext is the package's synthetic scenes, the teacher and the student are tiny encoders with
random weights. For a real student put the four lines under "Yours" in place of the four under "Anyone's".
"""

from transformers import HfArgumentParser

from optical_hf import OTDistillationArguments, OTDistillationTrainer
from optical_hf.models import build_student
from optical_hf.models.tiny import tiny_encoder
from optical_hf.scenes import scenes_bitext

# Arguments: every flag of OTDistillationArguments, and so of transformers.TrainingArguments
parser = HfArgumentParser(OTDistillationArguments)
parser.set_defaults(output_dir="runs/scenes", max_steps=20, per_device_train_batch_size=16, learning_rate=1e-3)
parser.set_defaults(logging_steps=1, report_to="none", save_strategy="no")
(args,) = parser.parse_args_into_dataclasses()

# Anyone's
bitext = scenes_bitext({"de": 400, "so": 100, "mr": 100}, seed=0)
teacher = tiny_encoder(bitext["source"], width=64, vocabulary_size=500).requires_grad_(False).eval()
student = build_student(tiny_encoder(bitext["target"], width=64, vocabulary_size=1000, seed=1), teacher)
# Yours
# bitext = load_bitext(["train.de.gz", "mar-eng.tsv.gz"])
# teacher = load_teacher("sentence-transformers/all-MiniLM-L6-v2")
# student = load_student("intfloat/multilingual-e5-small", teacher)

trainer = OTDistillationTrainer(model=student, teacher=teacher, args=args, train_dataset=bitext)
trainer.train()
trainer.save_model()

if trainer.is_world_process_zero():
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    print(f"loss {losses[0]:.4f} -> {losses[-1]:.4f}; the student is in {args.output_dir}")

trainer.accelerator.end_training()  # leaves the process group; a process that ends without may abort
