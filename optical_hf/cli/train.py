"""`optical-hf train`: from bitext to a student on disk."""

from dataclasses import MISSING, Field, dataclass, fields
from pathlib import Path
from typing import Annotated, Any

import typer
from datasets import Dataset, IterableDataset
from peft import LoraConfig
from rich.console import Console
from rich.table import Table
from transformers import TrainingArguments

from optical_hf.cli import shared_options as options
from optical_hf.cli.config_file import parse_options
from optical_hf.cli.ending import usage
from optical_hf.cli.named_collections import collections_of
from optical_hf.cli.relevance_files import load_relevance
from optical_hf.data import load_bitext, stream_bitext
from optical_hf.evaluation import RetrievalEvaluator
from optical_hf.files import check_folder, expand_path
from optical_hf.models import load_student, load_teacher
from optical_hf.models.text_length import set_max_seq_length
from optical_hf.reading.line_files import LINE_LIMIT
from optical_hf.stores import load_documents
from optical_hf.training import OTDistillationArguments, OTDistillationTrainer
from optical_hf.training.recipe import RECIPE, recipe_beside

COMMON = (
    "max_steps", "num_train_epochs", "per_device_train_batch_size", "gradient_accumulation_steps", "learning_rate", "warmup_steps",
    "bf16", "gradient_checkpointing", "eval_strategy", "eval_steps", "metric_for_best_model", "load_best_model_at_end",
    "save_steps", "logging_steps", "report_to", "push_to_hub", "hub_model_id", "seed",
)  # fmt: skip


@options.with_help
@dataclass
class TrainOptions:
    """What `train` reads and where it writes."""

    teacher: options.TeacherName
    student: options.StudentName
    output: Annotated[str, typer.Option(help="Folder for the student; checkpoints go into it as well.")]
    bitext: options.MaybeBitextFiles = None
    documents: options.DocumentFiles = None
    document_text: options.DocumentText = "text"
    document_vector: options.DocumentVector = "vector"
    query_texts: options.QueryTexts = None
    relevance: options.Relevance = None
    kind: options.StudentKind = None
    layers: options.Layers = None
    max_seq_length: options.MaxSeqLength = None
    query_prompt: options.QueryPrompt = None
    evaluate: Annotated[
        list[str] | None,
        typer.Option(help="Files to measure R@1 on at each evaluation, as for `optical-hf evaluate --queries`."),
    ] = None
    evaluate_limit: Annotated[int | None, typer.Option(help="Pairs read of each of these files.")] = None
    search: options.SearchBy = None
    on_bad_row: options.BadRow = "error"
    max_line_bytes: options.LineLimit = LINE_LIMIT
    streaming: Annotated[
        bool,
        typer.Option(
            help="Read the bitext as a stream, its languages mixed; for more than fits the disk. Needs --max_steps."
        ),
    ] = False
    lora_rank: Annotated[int | None, typer.Option(help="Train a LoRA adapter of this rank, merged when saved.")] = None
    resume: Annotated[bool, typer.Option(help="Go on from the last checkpoint in the output folder.")] = False
    trust_remote_code: Annotated[bool, typer.Option(help="Run code that comes with a checkpoint.")] = False

    def __post_init__(self) -> None:
        for name in ("max_seq_length", "evaluate_limit", "lora_rank", "max_line_bytes"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"--{name} is {value}: expected 1 or more, or leave it out")
        if not self.bitext and not self.documents:
            raise ValueError("there is nothing to learn from: give --bitext, --documents, or both")


def train(context: typer.Context) -> None:
    """Distil a student: optical-hf train --teacher T --student S --bitext FILE... --output DIR, or train CONFIG.yaml."""
    arguments = list(context.args)
    if not arguments or {"--help", "-h", "--help-all"} & set(arguments):
        print_help(everything="--help-all" in arguments)
        return
    with usage():
        chosen, args = parse_train(arguments)
    check_folder(chosen.output)
    bitext, documents, queries = bitext_of(chosen, args), documents_of(chosen), query_texts_of(chosen)
    teacher = load_teacher(chosen.teacher, kind=chosen.kind, trust_remote_code=chosen.trust_remote_code)
    student = load_student(
        chosen.student, teacher, layers=chosen.layers, max_seq_length=chosen.max_seq_length,
        query_prompt=chosen.query_prompt, trust_remote_code=chosen.trust_remote_code,
    )  # fmt: skip
    if chosen.max_seq_length is not None:
        set_max_seq_length(teacher, chosen.max_seq_length)
    evaluators = []
    if chosen.evaluate:
        collections = collections_of(chosen.evaluate, chosen.evaluate_limit, on_bad_row=chosen.on_bad_row)
        how = {"search": chosen.search, "max_seq_length": chosen.max_seq_length, "sharded": True}
        evaluators = [RetrievalEvaluator(collections, teacher, **how)]
    trainer = OTDistillationTrainer(
        model=student,
        teacher=teacher,
        args=args,
        train_dataset=bitext,
        documents=documents,
        query_texts=queries,
        relevance_pairs=load_relevance(chosen.relevance, chosen.on_bad_row),
        evaluators=evaluators,
        peft_config=LoraConfig(r=chosen.lora_rank, target_modules="all-linear") if chosen.lora_rank else None,
    )
    trainer.train(resume_from_checkpoint=chosen.resume or args.resume_from_checkpoint)
    trainer.save_model(chosen.output)
    if trainer.is_world_process_zero():
        Console().print(f"The student is in {Path(chosen.output)}; SentenceTransformer({chosen.output!r}) loads it.")


def documents_of(chosen: TrainOptions) -> Dataset | None:
    """The documents of the index, where there are any."""
    if not chosen.documents:
        return None
    columns = {"text": chosen.document_text, "vector": chosen.document_vector}
    return load_documents(chosen.documents, on_bad_row=chosen.on_bad_row, **columns)


def query_texts_of(chosen: TrainOptions) -> Dataset | None:
    """The English queries, where there are any."""
    if not chosen.query_texts:
        return None
    return load_documents(chosen.query_texts, text=chosen.document_text, vector=None, on_bad_row=chosen.on_bad_row)


def bitext_of(chosen: TrainOptions, args: OTDistillationArguments) -> Dataset | IterableDataset | None:
    """The bitext as a table, or as a stream that is mixed already; None where there is none."""
    if not chosen.bitext:
        return None
    reading = {"on_bad_row": chosen.on_bad_row, "max_line_bytes": chosen.max_line_bytes}
    if not chosen.streaming:
        return load_bitext(chosen.bitext, **reading)
    temperature, max_repeats = args.sampling_temperature or 1.0, args.sampling_max_repeats
    mixture = stream_bitext(chosen.bitext, temperature=temperature, max_repeats=max_repeats, seed=args.seed, **reading)
    args.sampling_temperature = args.sampling_max_repeats = None
    return mixture


def parse_train(arguments: list[str]) -> tuple[TrainOptions, OTDistillationArguments]:
    """Read the options; the output folder is where `transformers` writes its checkpoints, too."""
    if "--output_dir" in arguments:
        raise ValueError("unknown option '--output_dir'; did you mean 'output'?")
    where = [*arguments, "--output_dir", "."]
    chosen, args = parse_options((TrainOptions, OTDistillationArguments), where, recipe_beside)
    args.output_dir = chosen.output = str(expand_path(chosen.output))
    return chosen, args


def print_help(everything: bool = False) -> None:
    """Print our options and the training arguments used most; with `everything`, all of those of transformers."""
    console = Console()
    console.print(
        "Usage: optical-hf train --teacher T --student S --bitext FILE... --documents FILE... --output DIR [OPTIONS]\n"
        "       optical-hf train CONFIG.yaml [OPTIONS]\n\n"
        "Distil an English teacher into a multilingual student on bitext, the documents of its index, or both. The projection is\n"
        "fitted first, gradient steps follow, and the student is saved as sentence-transformers saves it. A configuration file\n"
        "has the same names as keys, and ${NAME} stands for a variable of the environment or of its own `variables`. Options\n"
        "after the file replace those in it. On several devices: accelerate launch -m optical_hf.cli train ...\n",
        highlight=False,
        markup=False,
    )
    host = {option.name for option in fields(TrainingArguments)}
    ours = [option for option in fields(OTDistillationArguments) if option.init and option.name != "output_dir"]
    theirs = {option.name: option for option in ours if option.name in host}
    which = (
        "All of transformers.TrainingArguments"
        if everything
        else "Of transformers.TrainingArguments, the ones used most"
    )
    for heading, rows in (
        ("What is read and written", fields(TrainOptions)),
        ("Distillation", [option for option in ours if option.name not in host]),
        (which, list(theirs.values()) if everything else [theirs[name] for name in COMMON if name in theirs]),
    ):
        table = Table(
            title=heading, title_justify="left", title_style="bold", box=None, show_header=False, padding=(0, 2, 0, 0)
        )
        table.add_column(no_wrap=True)
        for option in rows:
            table.add_row(f"--{option.name}", _described(option, short=option.name in COMMON and not everything))
        console.print(table)
        console.print()
    if not everything:
        console.print(
            "--help-all lists every option of transformers.TrainingArguments; what a student cannot have is refused.",
            highlight=False,
        )


def _described(option: Field[Any], short: bool) -> str:
    text = " ".join(str(option.metadata.get("help", "")).split())
    text = text.split(". ")[0].rstrip(".") + "." if short and text else text
    if option.default is MISSING and option.default_factory is MISSING:
        return f"{text} \\[required]"
    default = RECIPE.get(option.name, option.default)
    return text if default in (MISSING, None, "") else f"{text} \\[{default}]"
