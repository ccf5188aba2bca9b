"""`optical-hf demo`: the whole main job on the embedded scenes, on any machine, in a few minutes.

The scenes are synthetic: what the table shows is that the machinery works, never how good a model is.
"""

import copy
import time
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from datasets import Dataset
from rich.console import Console
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

from optical_hf.cli.evaluate import write_report
from optical_hf.data import RetrievalCollection
from optical_hf.evaluation import evaluate_retrieval, print_report
from optical_hf.evaluation.report.report_plots import plot_recall
from optical_hf.files import check_folder, write_whole
from optical_hf.models import Encoder, build_student, fit_alignment
from optical_hf.models.tiny import tiny_encoder
from optical_hf.scenes import (
    HIGH_RESOURCE,
    LOW_RESOURCE,
    caption,
    generate_scenes,
    scenes_bitext,
    scenes_collection_parts,
)
from optical_hf.training import OTDistillationArguments, OTDistillationTrainer, save_student

HIGH_PAIRS, LOW_PAIRS = 2000, 120
TEACHER_STEPS, STUDENT_STEPS, BATCH = 200, 250, 32
TEST_SCENES = 300


def demo(
    output: Annotated[Path, typer.Option(help="Folder for the teacher, the student, the report and the plot.")] = Path(
        "demo"
    ),
    seed: Annotated[int, typer.Option(min=0, help="Of the scenes and of every random weight.")] = 0,
) -> None:
    """Distil a student on synthetic scenes in four languages and print R@1 by language and the gap; a few minutes."""
    started = time.perf_counter()
    output = check_folder(output)
    console = Console(highlight=False)
    high = ", ".join(f"{language} {HIGH_PAIRS}" for language in HIGH_RESOURCE)
    low = ", ".join(f"{language} {LOW_PAIRS}" for language in LOW_RESOURCE)
    console.print(f"[bold]1 Bitext[/bold]  scenes, a synthetic corpus. Pairs with English: {high}; {low}")
    bitext = scenes_bitext(dict.fromkeys(HIGH_RESOURCE, HIGH_PAIRS) | dict.fromkeys(LOW_RESOURCE, LOW_PAIRS), seed=seed)
    collection = RetrievalCollection(
        "scenes", *scenes_collection_parts([*HIGH_RESOURCE, *LOW_RESOURCE], TEST_SCENES, seed=seed)
    )

    console.print("[bold]2 Teacher[/bold]  a tiny English encoder, trained on pairs of English captions of one scene")
    teacher = english_teacher(output / "runs", seed)
    student = build_student(
        tiny_encoder(bitext["target"], width=96, layers=2, vocabulary_size=4000, seed=seed), teacher
    )

    console.print("[bold]3 Students[/bold]  the same random weights, the same bitext, three ways")
    students: dict[str, Encoder] = {}
    students["ridge"] = copy.deepcopy(student)
    fit_alignment(students["ridge"], teacher, bitext, method="ridge")
    students["mse"] = distilled(student, teacher, bitext, "pooled_mse=1.0", "ridge", output / "runs", seed)
    students["optical"] = distilled(
        student, teacher, bitext, OTDistillationArguments.losses, "transport", output / "runs", seed
    )

    console.print("[bold]4 Evaluation[/bold]  English captions of held-out scenes, searched in each language")
    systems = {"untrained": student, **students}
    report = evaluate_retrieval(
        None, teacher, collection, systems=(), models=systems, high=HIGH_RESOURCE, low=LOW_RESOURCE, seed=seed
    )
    print_report(report)
    save_student(students["optical"], output / "student")
    write_report(report, output / "report.json", output / "report.md", None, {})
    write_whole(output / "recall.png", partial(plot_recall(report).savefig, format="png", dpi=150))
    for what, where in (("plot", "recall.png"), ("student", "student")):
        console.print(f"{what}: {output / where}")
    console.print(
        f"{time.perf_counter() - started:.0f} s. Synthetic data: this shows that it runs, not how good a student is."
    )


def english_teacher(runs: Path, seed: int) -> SentenceTransformer:
    """Train a small encoder to put two English captions of one scene close to each other."""
    scenes = generate_scenes(3000, seed=seed)
    anchors, positives = ([caption(scene, "en", variant=v).text for scene in scenes] for v in (0, 1))
    teacher = tiny_encoder(anchors, width=96, layers=2, vocabulary_size=1000, seed=seed)
    args = SentenceTransformerTrainingArguments(
        str(runs / "teacher"), max_steps=TEACHER_STEPS, per_device_train_batch_size=64, learning_rate=1e-3, report_to="none",
        save_strategy="no", logging_strategy="no", seed=seed, use_cpu=True,
    )  # fmt: skip
    data = Dataset.from_dict({"anchor": anchors, "positive": positives})
    SentenceTransformerTrainer(teacher, args, data, loss=MultipleNegativesRankingLoss(teacher)).train()
    return teacher.requires_grad_(False).eval()


def distilled(
    student: Encoder, teacher: Encoder, bitext: Dataset, losses: str, alignment: str, runs: Path, seed: int
) -> Encoder:
    """Distil a copy of `student`, all with the same number of steps on the same pairs."""
    learner = copy.deepcopy(student)
    args = OTDistillationArguments(
        str(runs / losses.split("=", maxsplit=1)[0]), losses=losses, alignment=alignment, max_steps=STUDENT_STEPS,
        per_device_train_batch_size=BATCH, learning_rate=1e-3, report_to="none", save_strategy="no", logging_strategy="no",
        seed=seed, use_cpu=True,
    )  # fmt: skip
    OTDistillationTrainer(model=learner, teacher=teacher, args=args, train_dataset=bitext).train()
    return learner
