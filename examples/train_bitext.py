"""Train a student on bitext, the documents of an index, or both, on one process or many.

    python examples/train_bitext.py --teacher sentence-transformers/all-MiniLM-L6-v2 --student intfloat/multilingual-e5-small \\
        --query_prompt "query: " --bitext mar-eng.tsv.gz --documents index.parquet --output_dir students/mr
    python examples/train_bitext.py examples/recipes/late_interaction.yaml --bitext mar-eng.tsv.gz --output_dir students/late
    accelerate launch examples/train_bitext.py ...                                             # all GPUs of a machine
    accelerate launch --config_file examples/accelerate/cpu.yaml examples/train_bitext.py ...  # two processes on a CPU

Options after a YAML file replace those in it. Every flag of OTDistillationArguments works, and of transformers.TrainingArguments.
`optical-hf train` is the same with more options; this file is for those who want to change it.
"""

import sys
from dataclasses import dataclass

from peft import LoraConfig
from transformers.hf_argparser import HfArg

from optical_hf import (
    OTDistillationArguments,
    OTDistillationTrainer,
    load_bitext,
    load_documents,
    load_student,
    load_teacher,
)
from optical_hf.cli.config_file import parse_options
from optical_hf.training.recipe import recipe_beside


@dataclass
class ScriptArguments:
    teacher: str = HfArg(help="English teacher: a hub id or a folder.")
    student: str = HfArg(help="Multilingual encoder: a hub id or a folder.")
    bitext: list[str] | None = HfArg(
        default=None, help="Files of translated pairs, such as mar-eng.tsv.gz, or a hub id."
    )
    documents: list[str] | None = HfArg(default=None, help="Documents of the index: a file, or the URL of a store.")
    query_prompt: str | None = HfArg(default=None, help="Text in front of what the student reads, such as 'query: '.")
    max_seq_length: int = HfArg(default=128, help="Tokens kept of a text (%(default)s).")
    lora_rank: int | None = HfArg(default=None, help="Train a LoRA adapter of this rank.")


# Arguments: what is given, and the recipe for the rest
classes = (ScriptArguments, OTDistillationArguments)
script, args = parse_options(classes, sys.argv[1:], recipe_beside, description=__doc__)

# Data and models: hub ids, files, stores
bitext = load_bitext(script.bitext) if script.bitext else None
documents = load_documents(script.documents) if script.documents else None
teacher = load_teacher(script.teacher)
student = load_student(script.student, teacher, query_prompt=script.query_prompt, max_seq_length=script.max_seq_length)

# Training
peft_config = LoraConfig(r=script.lora_rank, target_modules="all-linear") if script.lora_rank else None
trainer = OTDistillationTrainer(
    model=student, teacher=teacher, args=args, train_dataset=bitext, documents=documents, peft_config=peft_config
)
trainer.train()
trainer.save_model()

if trainer.is_world_process_zero():
    print(f"the student is in {args.output_dir}")

trainer.accelerator.end_training()  # leaves the process group; a process that ends without may abort
