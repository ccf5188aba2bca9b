"""Search images in languages the image model never read: distil a text student of a dual encoder from names alone.

    python examples/clip_student.py --teacher openai/clip-vit-base-patch32 --student intfloat/multilingual-e5-small \\
        --data emoji_image_text
    python examples/clip_student.py --student intfloat/multilingual-e5-small --data emoji_image_text    # trains a small teacher

The teacher sees every image, in English only. The student sees the names of the training emoji and no image. It is tested with
the foreign names of the other emoji against all images, beside a dictionary in front of the teacher.
"""

import copy
import random
from argparse import RawDescriptionHelpFormatter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from datasets import Dataset
from emoji_images.dual_encoder import load_emoji, train_dual_encoder
from sentence_transformers import SentenceTransformer
from transformers import HfArgumentParser
from transformers.hf_argparser import HfArg

from optical_hf import OTDistillationArguments, OTDistillationTrainer, fit_alignment, load_student, load_teacher
from optical_hf.models.vocabulary.association import associate

HIGH = "ar cs de el es fi fr hi id it ja ko nl pl pt ru th tr vi zh"
LOW = "am fil ha ig mr so sw yo zu"


@dataclass
class ScriptArguments:
    data: Path = HfArg(help="Folder with emoji_names.jsonl.gz, emoji_keywords.jsonl.gz and png64.zip.")
    student: str = HfArg(help="Multilingual encoder: a hub id or a folder.")
    teacher: str | None = HfArg(
        default=None, help="CLIP or SigLIP checkpoint: a hub id or a folder. Default: a small dual encoder is trained."
    )
    text: str = HfArg(
        default="sentence-transformers/all-MiniLM-L6-v2",
        help="English text tower of the small dual encoder (%(default)s).",
    )
    high: list[str] = HfArg(default_factory=HIGH.split, help=f"High-resource languages ({HIGH}).")
    low: list[str] = HfArg(default_factory=LOW.split, help=f"Low-resource languages ({LOW}).")
    pairs: int | None = HfArg(default=None, help="Pairs of names to learn from, drawn at random. Default: all.")
    teacher_steps: int = HfArg(default=400, help="Steps of the small dual encoder (%(default)s).")
    mse_steps: int = HfArg(default=100, help="Steps of the student on pooled MSE; 0 leaves it out (%(default)s).")


parser = HfArgumentParser(ScriptArguments, description=__doc__, formatter_class=RawDescriptionHelpFormatter)
(options,) = parser.parse_args_into_dataclasses()
random.seed(0)
torch.manual_seed(0)

# Data: the student is taught the names of four emoji in five, and asked for the others.
names, english, pictures = load_emoji(options.data)
languages = options.high + options.low
places = random.sample(range(len(names)), len(names))
test, train = places[: len(names) // 5], places[len(names) // 5 :]
pairs = [
    {"source": names[i]["en"], "target": names[i][code], "language": code}
    for code in [*languages, "en"]  # English once, and not once for each language: see also_english below
    for i in train
    if code in names[i]
]

pairs = random.sample(pairs, options.pairs or len(pairs))

# Teacher: one space for images and English.
if options.teacher:
    teacher = load_teacher(options.teacher)
    vectors = teacher.encode(pictures, normalize_embeddings=True, convert_to_tensor=True)
else:
    teacher, vectors = train_dual_encoder(pictures, english, options.text, options.teacher_steps)


# Students: three ways to learn from the same pairs, and a dictionary in front of the teacher.
def fitted(method: str) -> SentenceTransformer:
    student = load_student(options.student, teacher, kind="vector", max_seq_length=48)
    report = fit_alignment(
        student, teacher, pairs, method=method, regularisation="held_out_pairs", also_english=False, progress=False
    )
    print(report, flush=True)
    return student


def pooled_mse(student: SentenceTransformer) -> SentenceTransformer:
    args = OTDistillationArguments(
        "runs/clip", losses="pooled_mse=1.0", alignment="none", max_steps=options.mse_steps,
        per_device_train_batch_size=64, learning_rate=3e-5, save_strategy="no", report_to=[],
    )  # fmt: skip
    OTDistillationTrainer(student, teacher, args, train_dataset=Dataset.from_list(pairs)).train()
    return student.eval()


def dictionary(code: str) -> Callable[[str], str]:
    """Word by word, each by the English word that transport aligns it with in the names of the training emoji."""
    sides = [[p[side].lower().split() for p in pairs if p["language"] == code] for side in ("target", "source")]
    words = [sorted({word for text in side for word in text}) for side in sides]
    ids = [[[known.index(word) for word in text] for text in side] for side, known in zip(sides, words, strict=True)]
    best = associate(*ids, progress=False).argmax(dim=1).tolist()
    table = {word: words[1][other] for word, other in zip(words[0], best, strict=True)}
    return lambda text: " ".join(table.get(word, word) for word in text.lower().split())


ridge = fitted("ridge")
systems = {"ridge": ridge, "transport": fitted("transport")}
if options.mse_steps:
    systems[f"pooled MSE, {options.mse_steps} steps"] = pooled_mse(copy.deepcopy(ridge))


# Result: R@1 and R@10 of the test emoji's names against all images, by language.
def score(model: SentenceTransformer, code: str, read: Callable[[str], str] = str) -> tuple[float, float]:
    asked = [i for i in test if code in names[i]]
    queries = model.encode([read(names[i][code]) for i in asked], normalize_embeddings=True, convert_to_tensor=True)
    found = (queries @ vectors.T).argsort(dim=1, descending=True).cpu() == torch.tensor(asked).unsqueeze(1)
    return tuple(100 * found[:, :depth].any(dim=1).float().mean().item() for depth in (1, 10))


table = {name: {code: score(model, code) for code in languages} for name, model in systems.items()}
table["dictionary, then the teacher"] = {code: score(teacher, code, dictionary(code)) for code in languages}
ceiling = score(teacher, "en")
print(f"\n{len(train)} emoji to train, {len(test)} to test, {len(names)} images, {len(pairs)} pairs")
print(f"| R@1 / R@10 | {' | '.join(table)} |\n{'|---' * (len(table) + 1)}|")
print(f"| en (the teacher: the ceiling) {f'| {ceiling[0]:.1f} / {ceiling[1]:.1f} ' * len(table)}|")
for code in languages:
    print(f"| {code} | " + " | ".join(f"{s[code][0]:.1f} / {s[code][1]:.1f}" for s in table.values()) + " |")
groups = {"high": options.high, "low": options.low}
means = {name: [sum(own[c][0] for c in group) / len(group) for group in groups.values()] for name, own in table.items()}
for place, group in enumerate(groups):
    print(f"| R@1, mean of {group} | " + " | ".join(f"{mean[place]:.1f}" for mean in means.values()) + " |")
print("| gap | " + " | ".join(f"{high - low:.1f}" for high, low in means.values()) + " |")
