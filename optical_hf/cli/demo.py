"""`optical-hf demo`: the whole main job on the embedded scenes, on any machine, in a few minutes.

An English teacher and its index; a multilingual encoder, in place of one that is downloaded; students of it that search the
teacher's index; and re-indexing beside them. The scenes are synthetic: the tables show that the machinery works, never how good
a model is.
"""

import copy
import time
from dataclasses import replace
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
from optical_hf.evaluation.report.report_tables import report_console
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
from optical_hf.search import student_search
from optical_hf.training import OTDistillationArguments, OTDistillationTrainer, save_student
from optical_hf.training.recipe import RECIPE

LANGUAGES = (*HIGH_RESOURCE, *LOW_RESOURCE)
HIGH_PAIRS, LOW_PAIRS = 2000, 120
HIGH_CAPTIONS, LOW_CAPTIONS = 4000, 600
TEACHER_STEPS, ENCODER_STEPS, STUDENT_STEPS, BATCH = 200, 300, 200, 32
TEST_SCENES = 300


def demo(
    output: Annotated[Path, typer.Option(help="Folder for the index, the student, the report and the plot.")] = Path(
        "demo"
    ),
    seed: Annotated[int, typer.Option(min=0, help="Of the scenes and of every random weight.")] = 0,
    open_report: Annotated[bool, typer.Option("--open", help="Open the report in the browser at the end.")] = False,
) -> None:
    """Keep an English index and search it in four other languages, on synthetic scenes; a few minutes."""
    started = time.perf_counter()
    output = check_folder(output)
    console = report_console()
    counts = dict.fromkeys(HIGH_RESOURCE, HIGH_PAIRS) | dict.fromkeys(LOW_RESOURCE, LOW_PAIRS)
    pairs = ", ".join(f"{language} {count}" for language, count in counts.items())
    console.print(f"[bold]1 Bitext[/bold]  scenes, a synthetic corpus. Pairs with English: {pairs}", soft_wrap=True)
    bitext = scenes_bitext(counts, seed=seed)
    collection = RetrievalCollection("scenes", *scenes_collection_parts(LANGUAGES, TEST_SCENES, seed=seed))

    console.print("[bold]2 Teacher[/bold]  a tiny English encoder, and the index that it made")
    teacher = english_teacher(output / "runs", seed)
    documents, index = collection.documents, output / "index.parquet"
    vectors = teacher.encode_document(documents["text"][:], show_progress_bar=False)
    table = Dataset.from_dict({**documents.select_columns(["id", "text"]).to_dict(), "vector": vectors.tolist()})
    write_whole(index, table.to_parquet)

    console.print("[bold]3 Multilingual encoder[/bold]  it stands for one that you would download")
    encoder = multilingual_encoder(output / "runs", seed)
    encoder.save_pretrained(str(output / "encoder"))

    console.print("[bold]4 Students[/bold]  of this encoder, for this index, three ways")
    student = build_student(encoder, teacher)
    students: dict[str, Encoder] = {"ridge": copy.deepcopy(student)}
    fit_alignment(students["ridge"], teacher, bitext, method="ridge", progress=False)
    distil = partial(distilled, student, teacher, bitext, output / "runs", seed)
    students["mse"] = distil("pooled_mse=1.0", "ridge")
    students["optical"] = distil(RECIPE["losses"], "contrastive", table)

    console.print(
        "[bold]5 Evaluation[/bold]  captions of new scenes, searched in each language; own_index is re-indexing"
    )
    report = evaluate_retrieval(
        None, teacher, collection, systems=["own_index"], models=students, untrained=output / "encoder",
        high=HIGH_RESOURCE, low=LOW_RESOURCE, seed=seed,
    )  # fmt: skip
    print_report(replace(report, recovery={"optical": report.recovery["optical"]}))
    save_student(students["optical"], output / "student")
    write_report(report, output / "report.json", output / "report.md", output / "report.html", {})
    write_whole(output / "recall.png", partial(plot_recall(report).savefig, format="png", dpi=150))

    console.print("[bold]6 Searches[/bold]  queries of optical in the teacher's index")
    show_searches(console, students["optical"], table, seed)
    for what in ("index.parquet", "student", "recall.png"):
        console.print(f"{Path(what).stem}: {output / what}")
    console.print(
        f"{time.perf_counter() - started:.0f} s. Synthetic data: this shows that it runs, not how good a student is.\n"
        "Next, with your own index and encoders:\n"
        "  optical-hf advise --teacher TEACHER --student intfloat/multilingual-e5-small --documents INDEX [--bitext FILE]\n"
        "  optical-hf align --teacher TEACHER --student intfloat/multilingual-e5-small --documents INDEX --output students/any",
        soft_wrap=True,
    )
    if open_report:
        typer.launch(str(output / "report.html"))


def english_teacher(runs: Path, seed: int) -> SentenceTransformer:
    """Train a small encoder to put two English captions of one scene close to each other."""
    scenes = generate_scenes(3000, seed=seed)
    anchors, positives = ([caption(scene, "en", variant=v).text for scene in scenes] for v in (0, 1))
    teacher = tiny_encoder(anchors, width=96, layers=2, vocabulary_size=1000, seed=seed)
    contrasted(teacher, anchors, positives, TEACHER_STEPS, runs / "teacher", seed)
    return teacher.requires_grad_(False).eval()


def multilingual_encoder(runs: Path, seed: int) -> SentenceTransformer:
    """Train a small encoder on translated captions of other scenes, with fewer in the low-resource languages."""
    counts = dict.fromkeys(HIGH_RESOURCE, HIGH_CAPTIONS) | dict.fromkeys(LOW_RESOURCE, LOW_CAPTIONS)
    seen = scenes_bitext(counts, seed=seed + 1000)
    foreign, english = seen["target"][:], seen["source"][:]
    encoder = tiny_encoder([*foreign, *english[:HIGH_CAPTIONS]], width=96, layers=2, vocabulary_size=4000, seed=seed)
    contrasted(encoder, foreign, english, ENCODER_STEPS, runs / "encoder", seed)
    return encoder.eval()


def contrasted(
    encoder: SentenceTransformer, anchors: list[str], positives: list[str], steps: int, folder: Path, seed: int
) -> None:
    """Train an encoder to find the positive of each anchor among those of a batch."""
    args = SentenceTransformerTrainingArguments(
        str(folder), max_steps=steps, per_device_train_batch_size=64, learning_rate=1e-3, report_to="none", save_strategy="no",
        logging_strategy="no", seed=seed, use_cpu=True,
    )  # fmt: skip
    data = Dataset.from_dict({"anchor": anchors, "positive": positives})
    SentenceTransformerTrainer(encoder, args, data, loss=MultipleNegativesRankingLoss(encoder)).train()


def distilled(
    student: Encoder,
    teacher: Encoder,
    bitext: Dataset,
    runs: Path,
    seed: int,
    losses: str,
    alignment: str,
    documents: Dataset | None = None,
) -> Encoder:
    """Distil a copy of `student`, all with the same number of steps on the same pairs."""
    learner = copy.deepcopy(student)
    args = OTDistillationArguments(
        str(runs / losses.split("=", maxsplit=1)[0]), losses=losses, alignment=alignment, max_steps=STUDENT_STEPS,
        per_device_train_batch_size=BATCH, learning_rate=1e-3, report_to="none", save_strategy="no", logging_strategy="no",
        seed=seed, use_cpu=True,
    )  # fmt: skip
    OTDistillationTrainer(model=learner, teacher=teacher, args=args, train_dataset=bitext, documents=documents).train()
    return learner


def show_searches(console: Console, student: Encoder, index: Dataset, seed: int) -> None:
    """Three queries, each with its English and the best three documents."""
    scenes = generate_scenes(TEST_SCENES, seed, "test")
    asked = list(zip(scenes[:: TEST_SCENES // 3], ("de", *LOW_RESOURCE), strict=False))
    queries = [caption(scene, language, variant=1).text for scene, language in asked]
    answers = student_search(student, index, queries, top=3, progress=False)
    for (scene, language), answer in zip(asked, answers, strict=True):
        console.print(f"{language}: {answer.query.text}\n    in English: {caption(scene, 'en').text}", markup=False)
        for rank, found in enumerate(answer.documents, start=1):
            console.print(f"    {rank}  {found.score:.3f}  {found.text}", markup=False)
