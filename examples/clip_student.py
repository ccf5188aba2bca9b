"""Search images in languages the image model never read: distil a text student of a dual encoder from names alone.

The teacher sees every image, in English only. The student sees the names of the training emoji and no image; it is tested with
the foreign names of the other emoji against all images. With --teacher the same path takes a CLIP or SigLIP checkpoint.

python examples/clip_student.py emoji_image_text/ --text all-MiniLM-L6-v2 --student multilingual-e5-small
python examples/clip_student.py emoji_image_text/ --teacher openai/clip-vit-base-patch32 --student multilingual-e5-small
"""

import argparse
import copy
import gzip
import json
import random
import zipfile
from pathlib import Path

import numpy as np
import torch
from datasets import Dataset
from PIL import Image
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Dense, Normalize
from sentence_transformers.sentence_transformer.modules import Pooling
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize
from transformers import ViTConfig, ViTModel

from optical_hf import OTDistillationArguments, OTDistillationTrainer, fit_alignment, load_student, load_teacher
from optical_hf.models import backbone
from optical_hf.models.vocabulary.association import associate

WIDTH, BATCH = 128, 128

parser = argparse.ArgumentParser()
parser.add_argument("data", type=Path)
parser.add_argument("--student", required=True)
parser.add_argument("--teacher", help="a CLIP or SigLIP checkpoint; without it a small dual encoder is trained")
parser.add_argument("--text", help="English text tower of the small dual encoder")
parser.add_argument("--high", nargs="+", default=["de", "fr", "es", "ru", "fi"], help="high-resource languages")
parser.add_argument("--low", nargs="+", default=["mr", "fil", "sw", "so", "ha", "zu"], help="low-resource languages")
parser.add_argument("--teacher-steps", type=int, default=600)
parser.add_argument("--mse-steps", type=int, default=60)
options = parser.parse_args()
HIGH, LOW = options.high, options.low
torch.manual_seed(0)


def read(name: str) -> list[dict]:
    with gzip.open(options.data / name, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def train_dual_encoder(images: Tensor, texts: list[list[str]]) -> tuple[SentenceTransformer, Tensor]:
    """Contrast images with their English texts: a ViT from its config, the text tower frozen up to a projection."""
    text = load_teacher(options.text)
    pooled_width = backbone(text).get_embedding_dimension()
    projection = Dense(pooled_width, WIDTH, activation_function=nn.Identity(), module_input_name="token_embeddings")
    tower = SentenceTransformer(modules=[backbone(text), projection, Pooling(WIDTH, "mean"), Normalize()], device="cpu")
    frozen = SentenceTransformer(modules=[backbone(text), Pooling(pooled_width, "mean")])
    pooled = torch.as_tensor(frozen.encode([text for part in texts for text in part])).split(
        [len(part) for part in texts]
    )
    config = ViTConfig(image_size=64, patch_size=16, hidden_size=WIDTH, intermediate_size=4 * WIDTH)
    config.num_hidden_layers = config.num_attention_heads = 4
    vision, scale = ViTModel(config, add_pooling_layer=False), nn.Parameter(torch.tensor(2.5))
    trained = [*vision.parameters(), *projection.requires_grad_(True).parameters(), scale]
    optimizer = torch.optim.AdamW(trained, lr=1e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-3, total_steps=options.teacher_steps)
    for step in range(options.teacher_steps):
        rows = torch.randperm(len(images))[:BATCH].tolist()
        # The name is the first of the texts and is drawn every other time.
        said = torch.stack([pooled[i][0 if random.random() < 0.5 else random.randrange(len(pooled[i]))] for i in rows])
        seen = normalize(vision(images[rows]).last_hidden_state[:, 0], dim=1)
        scores = scale.exp() * seen @ normalize(projection.linear(said), dim=1).T
        loss = (cross_entropy(scores, torch.arange(len(rows))) + cross_entropy(scores.T, torch.arange(len(rows)))) / 2
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 50 == 0:
            print(f"teacher step {step}: loss {loss.item():.3f}", flush=True)
    with torch.inference_mode():
        vectors = torch.cat([vision.eval()(part).last_hidden_state[:, 0] for part in images.split(BATCH)])
    return tower.requires_grad_(False).eval(), normalize(vectors, dim=1)


def translator(pairs: list[dict]):
    """Word by word, each word by the English word that transport aligns it with in the training names."""
    sides = [[pair[side].lower().split() for pair in pairs] for side in ("target", "source")]
    names = [sorted({word for text in side for word in text}) for side in sides]
    ids = [[[known.index(word) for word in text] for text in side] for side, known in zip(sides, names, strict=True)]
    best = associate(*ids).argmax(dim=1).tolist()
    table = {word: names[1][other] for word, other in zip(names[0], best, strict=True)}
    return lambda text: " ".join(table.get(word, word) for word in text.lower().split())


rows, keywords = read("emoji_names.jsonl.gz"), read("emoji_keywords.jsonl.gz")
with zipfile.ZipFile(options.data / "png64.zip") as archive:
    pictures = [Image.open(archive.open(row["img"])).convert("RGBA") for row in rows]
pictures = [Image.alpha_composite(Image.new("RGBA", p.size, "white"), p).convert("RGB") for p in pictures]
if options.teacher:
    teacher = load_teacher(options.teacher)
    vectors = torch.as_tensor(teacher.encode(pictures, normalize_embeddings=True))
else:
    pixels = torch.stack([torch.as_tensor(np.array(p)).permute(2, 0, 1) / 127.5 - 1 for p in pictures])
    english = [
        [row["names"]["en"], *words["keywords"].get("en", [])] for row, words in zip(rows, keywords, strict=True)
    ]
    teacher, vectors = train_dual_encoder(pixels, english)

places = random.Random(0).sample(range(len(rows)), len(rows))
test, train = sorted(places[: len(rows) // 5]), sorted(places[len(rows) // 5 :])
pairs = [
    {"source": rows[i]["names"]["en"], "target": rows[i]["names"][code], "language": code}
    for code in HIGH + LOW
    for i in train
    if code in rows[i]["names"]
]


def score(model: SentenceTransformer, code: str, read_as=lambda text: text) -> tuple[float, float]:
    """R@1 and R@10 in percent of the test emoji's names in one language against all images."""
    asked = [i for i in test if code in rows[i]["names"]]
    queries = model.encode([read_as(rows[i]["names"][code]) for i in asked], normalize_embeddings=True)
    ranked = (torch.as_tensor(queries) @ vectors.T).argsort(dim=1, descending=True)
    found = ranked == torch.tensor(asked).unsqueeze(1)
    return tuple(100 * found[:, :depth].any(dim=1).float().mean().item() for depth in (1, 10))


def fitted(method: str) -> SentenceTransformer:
    student = load_student(options.student, teacher, kind="vector", max_seq_length=48)
    report = fit_alignment(student, teacher, pairs, method=method, progress=False)
    print(f"{method}: {report.pairs} pairs, {report.seconds:.0f} s", flush=True)
    return student


def mse(student: SentenceTransformer) -> SentenceTransformer:
    """Gradient steps of mean squared error on the pooled vector, from the ridge solution."""
    args = OTDistillationArguments(
        "runs/clip", objectives="pooled_mse=1.0", alignment="none", max_steps=options.mse_steps
    )
    args.per_device_train_batch_size, args.learning_rate, args.save_strategy, args.report_to = 64, 3e-5, "no", []
    OTDistillationTrainer(student, teacher, args, train_dataset=Dataset.from_list(pairs)).train()
    return student.eval()


students = {method: fitted(method) for method in ("ridge", "transport")}
if options.mse_steps:
    students[f"MSE, {options.mse_steps} steps"] = mse(copy.deepcopy(students["ridge"]))
dictionaries = {code: translator([pair for pair in pairs if pair["language"] == code]) for code in HIGH + LOW}
systems = {name: {code: score(model, code) for code in HIGH + LOW} for name, model in students.items()}
systems["dictionary"] = {code: score(teacher, code, dictionaries[code]) for code in HIGH + LOW}

ceiling = score(teacher, "en")
print(
    f"\n{len(train)} emoji to train, {len(test)} to test, {len(rows)} images; English ceiling {ceiling[0]:.1f} / {ceiling[1]:.1f}"
)
print(f"| R@1 / R@10 | {' | '.join(HIGH + LOW)} | high | low | gap |\n{'|---' * (len(HIGH + LOW) + 4)}|")
for name, scores in systems.items():
    means = [np.mean([scores[code][0] for code in group]) for group in (HIGH, LOW)]
    cells = " | ".join(f"{scores[code][0]:.0f} / {scores[code][1]:.0f}" for code in HIGH + LOW)
    print(f"| {name} | {cells} | {means[0]:.1f} | {means[1]:.1f} | {means[0] - means[1]:.1f} |")
