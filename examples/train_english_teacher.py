"""Make a late-interaction English teacher from a one-vector encoder, on English relevance data alone.

    python examples/train_english_teacher.py --model sentence-transformers/all-MiniLM-L6-v2 --output_dir teachers/late \\
        --captions train.1.en.gz train.2.en.gz --test val.2.en.gz val.1.en.gz

Relevance: two captions of one image (Flickr30k train, as task 2 of github.com/multi30k/dataset publishes it), and English questions
of AfriQA with their passages. No translation is read. The trainer and the loss are those of sentence-transformers; the loss is
InfoNCE on MaxSim, so that each token learns what it is worth in a search. R@1 of the test files is printed first and last.
"""

import random
from argparse import RawDescriptionHelpFormatter
from dataclasses import dataclass
from pathlib import Path

from datasets import Dataset
from sentence_transformers import MultiVectorEncoder, MultiVectorEncoderTrainer, MultiVectorEncoderTrainingArguments
from sentence_transformers.base.sampler import BatchSamplers
from sentence_transformers.multi_vector_encoder.losses import MultiVectorMultipleNegativesRankingLoss
from transformers import HfArgumentParser
from transformers.hf_argparser import HfArg

from optical_hf import RetrievalCollection, evaluate_retrieval
from optical_hf.data.collections import load_afriqa
from optical_hf.data.collections.collection_files import read_lines
from optical_hf.models import as_late_interaction, load_teacher
from optical_hf.models.text_length import set_max_seq_length


@dataclass
class ScriptArguments:
    model: str = HfArg(help="One-vector encoder to start from: a hub id or a folder.")
    captions: list[str] = HfArg(help="Files whose lines of one number describe one image; two are drawn of each image.")
    test: list[str] = HfArg(help="Two files: queries, and the documents that answer them line by line.")
    output_dir: str = HfArg(help="Folder for the teacher.")
    questions: list[str] | None = HfArg(default=None, help="Files of AfriQA, such as yor-en.train.jsonl.gz.")
    steps: int = HfArg(default=250, help="Gradient steps (%(default)s).")
    batch: int = HfArg(default=64, help="Pairs of a step (%(default)s).")
    learning_rate: float = HfArg(default=5e-5, help="At its peak (%(default)s).")
    scale: float = HfArg(default=2.0, help="The loss multiplies MaxSim, a sum over tokens, by this (%(default)s).")
    max_seq_length: int = HfArg(default=96, help="Tokens kept of a text (%(default)s).")
    seed: int = HfArg(default=0, help="Of the captions drawn and of the training (%(default)s).")


parser = HfArgumentParser(ScriptArguments, description=__doc__, formatter_class=RawDescriptionHelpFormatter)
(options,) = parser.parse_args_into_dataclasses()


def captions() -> Dataset:
    """Two captions of each image, drawn at random."""
    files = [read_lines(file) for file in options.captions]
    draw = random.Random(options.seed)
    pairs = [draw.sample(texts, 2) for texts in zip(*files, strict=True)]
    return Dataset.from_dict(dict(zip(("query", "document"), map(list, zip(*pairs, strict=True)), strict=True)))


def questions() -> Dataset:
    """English questions and the passages that answer them."""
    found = load_afriqa({Path(file).name.split("-")[0]: file for file in options.questions}, on_bad_row="drop")
    passages = found.documents["text"][:]
    answers = [passages[relevant[0]] for relevant in found.relevance]
    return Dataset.from_dict({"query": found.queries["english"][:], "document": answers})


def recall(model: MultiVectorEncoder, search: str) -> str:
    report = evaluate_retrieval(model, model, collection, systems=("student",), search=search, progress=False)
    level = report.systems["student"].languages["en"].recall_at_1
    return f"{100 * level.value:.1f} [{100 * level.low:.1f}, {100 * level.high:.1f}]"


queries, documents = options.test
collection = RetrievalCollection.from_lines("test", {"en": queries}, documents)
base = load_teacher(options.model)
model = as_late_interaction(base)
set_max_seq_length(model, options.max_seq_length)
print(f"R@1 before, one vector {recall(base, 'vector')}, MaxSim {recall(model, 'maxsim')}", flush=True)

train = {"captions": captions()} | ({"questions": questions()} if options.questions else {})
print(", ".join(f"{len(rows):,} pairs of {name}" for name, rows in train.items()), flush=True)
args = MultiVectorEncoderTrainingArguments(
    f"{options.output_dir}/checkpoints", max_steps=options.steps, per_device_train_batch_size=options.batch,
    learning_rate=options.learning_rate, warmup_steps=options.steps // 10, batch_sampler=BatchSamplers.NO_DUPLICATES,
    logging_steps=10, save_strategy="no", report_to="none", seed=options.seed,
)  # fmt: skip
model.requires_grad_(True).train()
loss = MultiVectorMultipleNegativesRankingLoss(model, scale=options.scale)
MultiVectorEncoderTrainer(model=model, args=args, train_dataset=train, loss=loss).train()
model.eval().save_pretrained(options.output_dir)
print(
    f"R@1 after {options.steps} steps of {options.batch}, MaxSim {recall(model, 'maxsim')}; saved in {options.output_dir}"
)
