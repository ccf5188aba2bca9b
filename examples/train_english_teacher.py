"""Make a late-interaction English teacher from a one-vector encoder, on English relevance data alone.

    python examples/train_english_teacher.py DATA --base sentence-transformers/all-MiniLM-L6-v2 --output teachers/late

Relevance: two captions of one image (Flickr30k train, as multi30k/dataset task 2 publishes it), and AfriQA's English questions with
their passages (train). No translation is read. The trainer and the loss are those of sentence-transformers; the loss is InfoNCE on
MaxSim, so that each token learns what it is worth in a search. R@1 is printed first and last: another person's caption of the same
image among the 1,014 first captions of the validation images.
"""

import argparse
import random
from pathlib import Path

from datasets import Dataset
from sentence_transformers import MultiVectorEncoder, MultiVectorEncoderTrainer, MultiVectorEncoderTrainingArguments
from sentence_transformers.base.sampler import BatchSamplers
from sentence_transformers.multi_vector_encoder.losses import MultiVectorMultipleNegativesRankingLoss

from optical_hf import RetrievalCollection, evaluate_retrieval
from optical_hf.data.collections import load_afriqa
from optical_hf.data.collections.collection_files import read_lines
from optical_hf.models import as_late_interaction, load_teacher
from optical_hf.models.text_length import set_max_seq_length

AFRIQA = ("bem", "hau", "ibo", "kin", "twi", "yor", "zul")
CAPTION_FILES = range(1, 6)

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("data", type=Path, help="Folder with flickr30k_captions_train, afriqa, multi30k_task2.")
parser.add_argument(
    "--base", default="sentence-transformers/all-MiniLM-L6-v2", help="The one-vector encoder to start from."
)
parser.add_argument("--output", type=Path, default=Path("teachers/late"))
parser.add_argument("--steps", type=int, default=250)
parser.add_argument("--batch", type=int, default=64)
parser.add_argument("--learning-rate", type=float, default=5e-5)
parser.add_argument("--scale", type=float, default=2.0, help="The loss multiplies MaxSim, a sum over tokens, by this.")
parser.add_argument("--max-seq-length", type=int, default=96)
parser.add_argument("--seed", type=int, default=0)
options = parser.parse_args()


def captions() -> Dataset:
    """Two captions of each image, drawn at random."""
    files = [read_lines(options.data / f"flickr30k_captions_train/train.{number}.en.gz") for number in CAPTION_FILES]
    draw = random.Random(options.seed)
    pairs = [draw.sample(texts, 2) for texts in zip(*files, strict=True)]
    return Dataset.from_dict(dict(zip(("query", "document"), map(list, zip(*pairs, strict=True)), strict=True)))


def questions() -> Dataset:
    """AfriQA's English questions and the passages that answer them."""
    files = {code: options.data / f"afriqa/{code}-en.train.jsonl.gz" for code in AFRIQA}
    found = load_afriqa(files, on_bad_row="drop")
    passages = found.documents["text"][:]
    answers = [passages[relevant[0]] for relevant in found.relevance]
    return Dataset.from_dict({"query": found.queries["english"][:], "document": answers})


def recall(model: MultiVectorEncoder, search: str) -> str:
    report = evaluate_retrieval(model, model, collection, systems=("student",), search=search, progress=False)
    level = report.systems["student"].languages["en"].recall_at_1
    return f"{100 * level.value:.1f} [{100 * level.low:.1f}, {100 * level.high:.1f}]"


folder = options.data / "multi30k_task2"
collection = RetrievalCollection.from_lines(
    "independent captions", {"en": folder / "val.2.en.gz"}, folder / "val.1.en.gz"
)
base = load_teacher(options.base)
model = as_late_interaction(base)
set_max_seq_length(model, options.max_seq_length)
print(f"R@1 before, one vector {recall(base, 'vector')}, MaxSim {recall(model, 'maxsim')}", flush=True)

train = {"captions": captions(), "questions": questions()}
print(", ".join(f"{len(rows):,} pairs of {name}" for name, rows in train.items()), flush=True)
args = MultiVectorEncoderTrainingArguments(
    str(options.output / "checkpoints"), max_steps=options.steps, per_device_train_batch_size=options.batch,
    learning_rate=options.learning_rate, warmup_steps=options.steps // 10, batch_sampler=BatchSamplers.NO_DUPLICATES,
    logging_steps=10, save_strategy="no", report_to="none", seed=options.seed,
)  # fmt: skip
model.requires_grad_(True).train()
loss = MultiVectorMultipleNegativesRankingLoss(model, scale=options.scale)
MultiVectorEncoderTrainer(model=model, args=args, train_dataset=train, loss=loss).train()
model.eval().save_pretrained(str(options.output))
print(
    f"R@1 after {options.steps} steps of {options.batch}, MaxSim {recall(model, 'maxsim')}; saved in {options.output}"
)
