"""A client of a local hub, in a process of its own: train tiny students and push them.

What each student gave before it was pushed is left in a folder.
"""

import json
import logging
import os
from pathlib import Path

import numpy as np
import torch
from huggingface_hub import constants
from peft import LoraConfig
from sentence_transformers import SentenceTransformer
from tiny_pairs import backbone as tiny_backbone
from tiny_pairs import bitext, pair, teacher

from optical_hf.cli.app import app
from optical_hf.hub import model_card, push_student
from optical_hf.models import Encoder, as_late_interaction, backbone, build_student, load_student, token_projection
from optical_hf.training import OTDistillationArguments, OTDistillationTrainer, merged

TEXTS = list(bitext(8)["target"])


def leave(folder: Path, name: str, student: Encoder) -> None:
    """Write the texts, and their vectors, token vectors and backbone states, for another process to compare with."""
    whole = merged(student).eval()
    tokens = as_late_interaction(whole).encode_query(TEXTS, convert_to_numpy=True)
    with torch.no_grad():
        states = [backbone(whole).model(**whole.tokenizer(text, return_tensors="pt"))[0][0].numpy() for text in TEXTS]
    parts = {f"tokens{i}": part for i, part in enumerate(tokens)} | {
        f"states{i}": part for i, part in enumerate(states)
    }
    if isinstance(whole, SentenceTransformer):
        parts["vectors"] = whole.encode_query(TEXTS)
    np.savez(folder / f"{name}.npz", **parts)
    (folder / "texts.json").write_text(json.dumps(TEXTS))


def trained(folder: Path, name: str, token: str, **settings: object) -> OTDistillationTrainer:
    """A trainer that has trained for two steps, with a checkpoint after each."""
    student, teacher = pair()
    lora = settings.pop("peft_config", None)
    args = OTDistillationArguments(
        output_dir=str(folder / name),
        hub_model_id=f"tester/{name}",
        hub_token=token,
        max_steps=2,
        save_steps=1,
        learning_rate=1e-2,
        per_device_train_batch_size=8,
        report_to=[],
        use_cpu=True,
        **settings,
    )
    trainer = OTDistillationTrainer(student, teacher, args, train_dataset=bitext(), peft_config=lora)
    trainer.train()
    return trainer


def final(folder: Path, token: str) -> None:
    """Push by all three ways a student that is done."""
    student, _ = pair()
    student.push_to_hub("tester/plain", token=token)
    leave(folder, "plain", student)

    trainer = trained(folder, "trained", token)
    trainer.push_to_hub()
    leave(folder, "trained", trainer.model)

    card = model_card(student, repo_id="tester/carded", teacher="tester/teacher", bitext={"de": 48, "so": 24})
    push_student(student, "tester/carded", token=token, card=card)
    leave(folder, "carded", student)

    # A folder in which training went on, with its checkpoints, states and arguments.
    torch.save({"token": token}, folder / "trained" / "optimizer.pt")
    push_student(folder / "trained", "tester/hidden", token=token, private=True, revision="try")
    leave(folder, "hidden", trainer.model)
    (folder / "trained" / "optimizer.pt").unlink()


def midway(folder: Path, token: str) -> None:
    """Push at each checkpoint, an adapter on the backbone, and at the end."""
    lora = LoraConfig(r=2, target_modules=["query"], init_lora_weights=False)
    trainer = trained(folder, "midway", token, push_to_hub=True, peft_config=lora)
    trainer.push_to_hub()
    leave(folder, "midway", trainer.model)


def layouts(folder: Path, token: str) -> None:
    """Push a student of each other kind: averaged layers, token vectors, both."""
    for name, kind, layers in (
        ("averaged", "vector", (1, 3)),
        ("late", "late_interaction", None),
        ("late-averaged", "late_interaction", (1, 3)),
    ):
        student = build_student(tiny_backbone(layers=3), teacher(), kind=kind, layers=layers).eval()
        torch.nn.init.normal_(token_projection(student).linear.bias)
        push_student(student, f"tester/{name}", token=token)
        leave(folder, name, student)


def published(folder: Path, token: str) -> None:
    """The whole way on the command line: train and push, measure, write the card and push again."""
    os.environ["HF_TOKEN"] = token
    teacher().save_pretrained(str(folder / "teacher"))
    tiny_backbone().save_pretrained(str(folder / "backbone"))
    files = []
    for code in ("de", "so"):
        rows = [row for row in bitext() if row["language"] == code]
        files.append(folder / f"{code}-en.tsv")
        files[-1].write_text("".join(f"{row['target']}\t{row['source']}\n" for row in rows), encoding="utf-8")
    student, report = str(folder / "published"), str(folder / "report.json")
    models = ["--teacher", str(folder / "teacher"), "--student"]
    measured = [word for file in files for word in ("--queries", str(file))]
    made = ["--base-model", "tester/backbone", "--bitext", "de=48", "--bitext", "so=24", "--dataset", "tester/pairs"]
    for words in (
        ["train", *models, str(folder / "backbone"), "--bitext", *map(str, files), "--output", student, "--max_steps", "2",
         "--alignment", "ridge", "--report_to", "none", "--use_cpu", "--push_to_hub", "--hub_model_id", "tester/published"],
        ["evaluate", *models, student, "--untrained", str(folder / "backbone"), *measured, "--high", "de", "--low", "so",
         "--limit", "24", "--json", report],
        ["card", student, "--report", report, "--teacher", "tester/teacher", *made, "--license", "apache-2.0",
         "--push-to", "tester/published"],
    ):  # fmt: skip
        app(words, prog_name="optical-hf", standalone_mode=False)
    leave(folder, "published", load_student(student, teacher()))


def push_all(folder: Path, token: str, endpoint: str) -> None:
    """Be a client of the hub at `endpoint`, with a home of its own: no token and no cache from outside."""
    logging.basicConfig(level=logging.DEBUG, force=True)
    constants.ENDPOINT, constants.HF_HUB_OFFLINE, constants.HF_HUB_DISABLE_XET = endpoint, False, True
    constants.HUGGINGFACE_CO_URL_TEMPLATE = endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    home = folder / "home" / "client"
    constants.HF_HOME, constants.HF_HUB_CACHE, constants.HF_TOKEN_PATH = map(str, (home, home / "hub", home / "token"))
    for push in (final, midway, layouts, published):
        push(folder, token)
