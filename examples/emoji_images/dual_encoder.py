"""The English image search that examples/clip_student.py distils: images of emoji, their names, and a small dual encoder for both.

With a CLIP or SigLIP checkpoint at hand none of the training here is needed.
"""

import gzip
import json
import random
import zipfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Dense, Normalize
from sentence_transformers.sentence_transformer.modules import Pooling
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize
from transformers import ViTConfig, ViTModel

from optical_hf import load_teacher
from optical_hf.models import backbone

WIDTH, BATCH = 128, 128


def read(path: Path) -> list[dict]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def load_emoji(data: Path) -> tuple[list[dict[str, str]], list[list[str]], list[Image.Image]]:
    """Names by language, English texts (the name first, then keywords) and the picture of every emoji."""
    rows, keywords = read(data / "emoji_names.jsonl.gz"), read(data / "emoji_keywords.jsonl.gz")
    with zipfile.ZipFile(data / "png64.zip") as archive:
        pictures = [Image.open(archive.open(row["img"])).convert("RGBA") for row in rows]
    pictures = [Image.alpha_composite(Image.new("RGBA", p.size, "white"), p).convert("RGB") for p in pictures]
    names = [row["names"] for row in rows]
    english = [[own["en"], *more["keywords"].get("en", [])] for own, more in zip(names, keywords, strict=True)]
    return names, english, pictures


def train_dual_encoder(
    pictures: list[Image.Image], texts: list[list[str]], name_or_path: str, steps: int
) -> tuple[SentenceTransformer, Tensor]:
    """Contrast images with their texts: a ViT from its config, the text tower frozen up to a projection on its tokens.

    Returns the text tower and the vectors of the images.
    """
    images = torch.stack([torch.as_tensor(np.array(p)).permute(2, 0, 1) / 127.5 - 1 for p in pictures])
    text = load_teacher(name_or_path)
    pooled_width = backbone(text).get_embedding_dimension()
    projection = Dense(pooled_width, WIDTH, activation_function=nn.Identity(), module_input_name="token_embeddings")
    device = str(text.device)
    tower = SentenceTransformer(
        modules=[backbone(text), projection, Pooling(WIDTH, "mean"), Normalize()], device=device
    )
    frozen = SentenceTransformer(modules=[backbone(text), Pooling(pooled_width, "mean")], device=device)
    said = frozen.encode([text for part in texts for text in part], convert_to_tensor=True).clone()
    pooled = said.split([len(part) for part in texts])
    config = ViTConfig(image_size=64, patch_size=16, hidden_size=WIDTH, intermediate_size=4 * WIDTH)
    config.num_hidden_layers = config.num_attention_heads = 4
    vision = ViTModel(config, add_pooling_layer=False).to(device)
    images, scale = images.to(device), nn.Parameter(torch.tensor(2.5, device=device))
    trained = [*vision.parameters(), *projection.requires_grad_(True).parameters(), scale]
    optimizer = torch.optim.AdamW(trained, lr=1e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-3, total_steps=steps)
    for step in range(steps):
        rows = torch.randperm(len(images))[:BATCH].tolist()
        # The name is the first of the texts and is drawn every other time.
        drawn = [pooled[i][0 if random.random() < 0.5 else random.randrange(len(pooled[i]))] for i in rows]
        seen = normalize(vision(images[rows]).last_hidden_state[:, 0], dim=1)
        scores = scale.exp() * seen @ normalize(projection.linear(torch.stack(drawn)), dim=1).T
        own = torch.arange(len(rows), device=device)
        loss = (cross_entropy(scores, own) + cross_entropy(scores.T, own)) / 2
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 50 == 0:
            print(f"teacher step {step}: loss {loss.item():.3f}", flush=True)
    with torch.inference_mode():
        vectors = torch.cat([vision.eval()(part).last_hidden_state[:, 0] for part in images.split(BATCH)])
    return tower.requires_grad_(False).eval(), normalize(vectors, dim=1)
