"""How near a German query in a user's own words comes to what the English teacher finds: closed form, MSE, contrastive steps.

Independent captions of one image are not translations of one another. Steps of three kinds follow one another, and each is
searched: a closed form on translations; MSE on translations; then the English relevance data, the only new thing the last one has
(contrastive: a German caption of a training image and any of its five English ones, against those of the batch and, with
contrastive(bank=N), of a document bank; with kl_dot in --losses the student ranks all of them as the teacher does for the
English caption that the German one translates).
--mse-steps 0 leaves the second kind out. Searched, with the 1,014 validation images of multi30k_task2: a
dev direction (German 4 to English 5) to choose by, and two to report, one English caption an image (German 2 to English 1) and
four (1, 3, 4 and 5). The column "of the way" says how much of the distance is gone from the closed form to the teacher reading
the English caption of the query's number. Those stand in order of length, the longest first, and the German ones are short: so in
the last row the teacher reads, of the image's English captions that are not searched, the one nearest the German one in characters.

With --dictionary the teacher also reads the German query word by word, through a dictionary of so many translations.

To choose by more than one direction at less cost, --screen takes the steps on --images training images alone and searches eight dev
directions (German 1, 3, 4 and 5 to English 2 and 5; no query or document of the reported ones' 2 to 1 is among them).

Students of several seeds start at one closed form, so the mean of their weights is a student too, often a better one than each
(Wortsman et al. 2022, arXiv:2203.05482): runs with --seed and --output may go side by side, one with --average searches the mean.

OMP_NUM_THREADS=1 python examples/benchmarks/independent_captions.py DATA MODELS [--mse-steps 450] [--contrastive-steps 450] \\
    [--losses "contrastive(bank=4096)=0.5,kl_dot(bank=4096)=0.5"] [--seed 1] [--output STUDENT]
OMP_NUM_THREADS=1 python examples/benchmarks/independent_captions.py DATA MODELS --average STUDENT STUDENT [--output STUDENT] \\
    [--dictionary 6000 29000]
OMP_NUM_THREADS=1 python examples/benchmarks/independent_captions.py DATA MODELS --screen --images 4000 --mse-steps 0 \\
    --contrastive-steps 350 --contrastive-batch 64 --learning-rate 2e-4 \\
    [--losses "contrastive(bank=4096)=0.5,kl_dot(bank=4096)=0.5"]
"""

import argparse
import random
import tempfile
import time
from functools import cache
from pathlib import Path
from statistics import fmean

from datasets import Dataset
from sentence_transformers import SentenceTransformer
from torch.optim.swa_utils import AveragedModel

from optical_hf import OTDistillationArguments, OTDistillationTrainer, RetrievalCollection, evaluate_retrieval
from optical_hf.data import load_bitext
from optical_hf.data.collections import caption_lines, captions_to_captions
from optical_hf.data.collections.collection_files import read_lines
from optical_hf.evaluation import learn_dictionaries
from optical_hf.evaluation.report.report_tables import percent
from optical_hf.models import Encoder, fit_alignment, load_student, load_teacher
from optical_hf.models.translation.seq2seq import Translator
from optical_hf.models.vocabulary import trim_vocabulary
from optical_hf.training import save_student

DEV = {"dev, 4 to 5": [(4, (5,))]}
REPORTED = {"2 to 1": [(2, (1,))], "2 to 1, 3, 4, 5": [(2, (1, 3, 4, 5))]}
EIGHT = {"eight dev directions": [(query, (document,)) for query in (1, 3, 4, 5) for document in (2, 5)]}

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("data", type=Path)
parser.add_argument("models", type=Path)
parser.add_argument("--fit", type=int, default=6000, help="pairs of the closed form")
parser.add_argument("--mse-steps", type=int, default=450)
parser.add_argument("--mse-batch", type=int, default=64)
parser.add_argument("--contrastive-steps", type=int, default=450)
parser.add_argument("--contrastive-batch", type=int, default=128)
parser.add_argument("--losses", default="contrastive", help="of the last steps: contrastive, or with kl_dot beside it")
parser.add_argument("--learning-rate", type=float, default=1e-4)
parser.add_argument(
    "--bf16", action="store_true", help="for processors with bf16 instructions; others are slower with it"
)
parser.add_argument("--seed", type=int, default=0, help="of the steps; the closed form is the same for every seed")
parser.add_argument("--average", type=Path, nargs="+", help="no steps: the mean of the weights of students of --output")
parser.add_argument(
    "--dictionary",
    type=int,
    nargs="+",
    default=[],
    help="pairs of dictionaries, through which the teacher reads the German query word by word",
)
parser.add_argument("--screen", action="store_true", help="search eight dev directions and none of the reported ones")
parser.add_argument("--images", type=int, help="training images of the last steps; all by default")
parser.add_argument("--output", type=Path, help="a new folder that keeps the student")
options = parser.parse_args()
COLUMNS = {**DEV, **(EIGHT if options.screen else REPORTED)}
SEARCHES = list(dict.fromkeys(search for searches in COLUMNS.values() for search in searches))
if options.output is not None and options.output.exists():
    parser.error(f"--output {options.output} is there already: name a new folder")


@cache
def collection(query: int, documents: tuple[int, ...], *, nearest: bool = False) -> RetrievalCollection:
    """German captions of the validation images into English ones by other people.

    `english`, the teacher's own query, is the caption of the query's number, or with `nearest` the one nearest in length.
    """
    others = tuple(number for number in range(1, 6) if number not in documents) if nearest else (query,)
    folder = options.data / "multi30k_task2"
    images = folder / "val_images.txt.gz"
    german, english, answers = (
        caption_lines(images, *(folder / f"val.{number}.{code}.gz" for number in numbers))
        for code, numbers in (("de", (query,)), ("en", others), ("en", documents))
    )
    english = {image: [_nearest(german[image][0], texts)] for image, texts in english.items()}
    return captions_to_captions(f"{query} to {documents}", {"de": german}, answers, english=english)


def _nearest(text: str, others: list[str]) -> str:
    return min(others, key=lambda other: abs(len(other) - len(text)))


def relevance(count: int) -> Dataset:
    """German captions of training images with their English originals; to be found is one of the image's five English ones.

    `count` rows drawn at random.
    """
    folder = options.data / "flickr30k_captions_train"
    english = list(zip(*(read_lines(folder / f"train.{number}.en.gz") for number in range(1, 6)), strict=True))
    german, translated = (list(read_lines(options.data / "multi30k" / f"train.{code}.gz")) for code in ("de", "en"))
    chosen = range(len(german))
    if options.images is not None:
        chosen = random.Random(0).sample(chosen, options.images)
    draw = random.Random(options.seed)
    rows = []
    while len(rows) < count:
        images = draw.sample(chosen, len(chosen))
        rows += [
            {
                "source": translated[i],
                "target": german[i],
                "language": "de",
                "relevant_document": draw.choice(english[i]),
            }
            for i in images
        ]
    return Dataset.from_list(rows[:count])


def steps(rows: Dataset, losses: str, count: int, batch: int, folder: str) -> None:
    args = OTDistillationArguments(
        folder, losses=losses, alignment="none", max_steps=count, per_device_train_batch_size=batch, bf16=options.bf16,
        learning_rate=options.learning_rate, warmup_steps=count // 10, train_sampling_strategy="group_by_length",
        save_strategy="no", logging_steps=50, report_to="none", seed=options.seed,
    )  # fmt: skip
    OTDistillationTrainer(model=student, teacher=teacher, args=args, train_dataset=rows).train()
    student.eval()


def average(folders: list[Path]) -> None:
    """Give the student the mean of the weights of students that this script kept."""
    mean = AveragedModel(student)
    for folder in folders:
        mean.update_parameters(load_student(str(folder), teacher, device="cpu"))
    student.load_state_dict(mean.module.state_dict())


def found(
    model: Encoder | None, *, nearest: bool = False, translator: Translator | None = None
) -> dict[str, tuple[float, str]]:
    """R@1 by column, of several searches their mean, and how it is shown.

    Without a model it is the teacher's, which reads the English caption, or what a translator makes of the German one.
    """
    system = "student" if model is not None else "translate_query" if translator is not None else "teacher_english"
    recall = {}
    for search in SEARCHES:
        entry = collection(*search, nearest=nearest)
        report = evaluate_retrieval(
            model, teacher, entry, systems=(system,), document_vectors={entry.name: vectors[search[1]]},
            translator=translator, progress=False,
        )  # fmt: skip
        recall[search] = report.systems[system].languages["de"].recall_at_1
    levels = {}
    for column, searches in COLUMNS.items():
        mean, first = fmean(recall[search].value for search in searches), recall[searches[0]]
        levels[column] = (mean, percent(mean, first.low, first.high) if len(searches) == 1 else f"{100 * mean:.1f}")
    return levels


def row(name: str, levels: dict[str, tuple[float, str]]) -> None:
    way = "-"
    if levels is not closed and ceiling is not None:
        parts = ((levels[c][0] - closed[c][0]) / (ceiling[c][0] - closed[c][0]) for c in COLUMNS)
        way = ", ".join(f"{100 * part:.0f} %" for part in parts)
    minutes = (time.perf_counter() - started) / 60
    print(f"| {name} | {' | '.join(told for _, told in levels.values())} | {way} | {minutes:.0f} |", flush=True)


def characters(column: str, *, nearest: bool = False) -> str:
    """Mean length of the queries by column of the table."""
    entries = (collection(*searches[0], nearest=nearest) for searches in COLUMNS.values())
    return ", ".join(f"{fmean(map(len, entry.queries[column])):.0f}" for entry in entries)


started = time.perf_counter()
bitext = load_bitext(options.data / "multi30k" / "train.de.gz").shuffle(seed=0)
teacher = load_teacher(str(options.models / "all-MiniLM-L6-v2"), device="cpu")
documents = {search[1]: collection(*search).documents["text"][:] for search in SEARCHES}
vectors = {numbers: teacher.encode_document(texts) for numbers, texts in documents.items()}
queries = [text for search in SEARCHES for text in collection(*search).queries["text"]]
with tempfile.TemporaryDirectory() as folder:
    trimmed = SentenceTransformer(str(options.models / "multilingual-e5-small"), device="cpu")
    trim_vocabulary(trimmed, sorted({*bitext["target"][:], *bitext["source"][:], *queries}))
    trimmed.save_pretrained(folder)
    student = load_student(folder, teacher, max_seq_length=48, device="cpu")
    ceiling = None if options.screen else found(None)
    if ceiling is not None:
        print(
            f"Characters a query, by search: German {characters('text')}; English {characters('english')}; "
            f"the English one nearest in length {characters('english', nearest=True)}\n"
        )
    print(f"| | {' | '.join(COLUMNS)} | of the way | minutes |\n|---|{'---|' * len(COLUMNS)}---|---|", flush=True)
    fit_alignment(student, teacher, bitext.select(range(options.fit)), method="transport", progress=False)
    closed = found(student)
    row(f"closed form, {options.fit:,} translations", closed)
    for count in options.dictionary:
        learnt = learn_dictionaries(bitext.select(range(min(count, len(bitext)))), progress=False)["de"]
        row(f"the teacher behind a dictionary of {count:,} translations", found(None, translator=learnt))
    if options.average:
        average(options.average)
        row(f"the mean of {len(options.average)} students", found(student))
    else:
        if options.mse_steps:
            steps(bitext, "pooled_mse", options.mse_steps, options.mse_batch, folder + "/mse")
            row(f"+ {options.mse_steps} steps of MSE on translations", found(student))
        count, batch = options.contrastive_steps, options.contrastive_batch
        if count:
            steps(relevance(count * batch), options.losses, count, batch, folder + "/contrastive")
            row(f"+ {count:,} steps of {options.losses} on captions of one image", found(student))
    if options.output is not None:
        save_student(student, options.output)
    if ceiling is not None:
        row("the teacher reads English", ceiling)
        row("the teacher reads English as short as the German", found(None, nearest=True))
