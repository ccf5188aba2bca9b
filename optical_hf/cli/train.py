"""`optical-hf train`: from bitext to a student on disk."""

import warnings
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Literal

import typer
from datasets import Dataset, IterableDataset
from peft import LoraConfig
from rich.console import Console
from rich.table import Table
from transformers import TrainingArguments

from optical_hf.cli.config_file import parse_options
from optical_hf.cli.ending import usage
from optical_hf.cli.named_collections import collections_of
from optical_hf.data import load_bitext, stream_bitext
from optical_hf.data.bitext.bitext_files import LINE_LIMIT
from optical_hf.evaluation import RetrievalEvaluator
from optical_hf.evaluation.encode.encoding import Search
from optical_hf.files import check_folder, expand_path
from optical_hf.models import load_student, load_teacher
from optical_hf.models.text_length import set_max_seq_length
from optical_hf.models.views import Kind
from optical_hf.training import OTDistillationArguments, OTDistillationTrainer

COMMON = (
    "max_steps", "num_train_epochs", "per_device_train_batch_size", "gradient_accumulation_steps", "learning_rate", "warmup_steps",
    "bf16", "gradient_checkpointing", "eval_strategy", "eval_steps", "metric_for_best_model", "load_best_model_at_end",
    "save_steps", "logging_steps", "report_to", "push_to_hub", "hub_model_id", "seed",
)  # fmt: skip


@dataclass
class TrainOptions:
    """What `train` reads and where it writes."""

    teacher: str = field(metadata={"help": "English teacher: a hub id or a folder."})
    student: str = field(metadata={"help": "Multilingual encoder to distil into: a hub id or a folder."})
    bitext: list[str] = field(
        metadata={
            "help": "Bitext files: mar-eng.tsv.gz, train.de.gz (with train.en.gz beside it), mr=FILE, a hub id; "
            "sw=FILE:2,1 or sw=FILE:swahili,english where a TSV or CSV file has other columns (the foreign one first)."
        }
    )
    output: str = field(metadata={"help": "Folder for the student; checkpoints go into it as well."})
    kind: Kind | None = field(
        default=None, metadata={"help": "vector or late_interaction; the default is the teacher's."}
    )
    layers: list[int] | None = field(
        default=None,
        metadata={
            "help": "Hidden layers of the student whose average is projected, such as 10 12; the default stands in docs/models.md."
        },
    )
    max_seq_length: int | None = field(default=None, metadata={"help": "Tokens kept of a text, on both sides."})
    query_prompt: str | None = field(
        default=None,
        metadata={"help": "Text in front of every text the student reads, such as 'query: '; saved with it."},
    )
    evaluate: list[str] | None = field(
        default=None,
        metadata={"help": "Files to measure R@1 on at each evaluation, as for `optical-hf evaluate --queries`."},
    )
    evaluate_limit: int | None = field(default=None, metadata={"help": "Pairs read of each of these files."})
    search: Search | None = field(
        default=None,
        metadata={"help": "How they are searched: vector or maxsim. Default: maxsim for a late-interaction student."},
    )
    on_bad_row: Literal["error", "drop"] = field(
        default="error",
        metadata={"help": "A row that cannot be used, such as a pair with an empty side: error stops, drop counts."},
    )
    max_line_bytes: int = field(default=LINE_LIMIT, metadata={"help": "Bound on a line of a bitext file."})
    on_empty: Literal["error", "drop"] | None = field(default=None, metadata={"help": "Old name of on_bad_row."})
    streaming: bool = field(
        default=False,
        metadata={
            "help": "Read the bitext as a stream, its languages mixed; for more than fits the disk. Needs --max_steps."
        },
    )
    lora_rank: int | None = field(
        default=None, metadata={"help": "Train a LoRA adapter of this rank, merged when saved."}
    )
    resume: bool = field(default=False, metadata={"help": "Go on from the last checkpoint in the output folder."})
    trust_remote_code: bool = field(default=False, metadata={"help": "Run code that comes with a checkpoint."})

    def __post_init__(self) -> None:
        if self.on_empty is not None:
            warnings.warn("--on_empty is now called --on_bad_row", FutureWarning, stacklevel=2)
            self.on_bad_row = self.on_empty
        for name in ("max_seq_length", "evaluate_limit", "lora_rank", "max_line_bytes"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"--{name} is {value}: expected 1 or more, or leave it out")


def train(context: typer.Context) -> None:
    """Distil a student: optical-hf train --teacher T --student S --bitext FILE... --output DIR, or train CONFIG.yaml."""
    arguments = list(context.args)
    if not arguments or {"--help", "-h", "--help-all"} & set(arguments):
        print_help(everything="--help-all" in arguments)
        return
    with usage():
        options, args = parse_train(arguments)
    check_folder(options.output)
    bitext = bitext_of(options, args)
    teacher = load_teacher(options.teacher, kind=options.kind, trust_remote_code=options.trust_remote_code)
    student = load_student(
        options.student, teacher, layers=options.layers, max_seq_length=options.max_seq_length,
        query_prompt=options.query_prompt,
        trust_remote_code=options.trust_remote_code,
    )  # fmt: skip
    if options.max_seq_length is not None:
        set_max_seq_length(teacher, options.max_seq_length)
    collections = (
        collections_of(options.evaluate, options.evaluate_limit, on_bad_row=options.on_bad_row)
        if options.evaluate
        else []
    )
    evaluators = [RetrievalEvaluator(collections, teacher, search=options.search, sharded=True)] if collections else []
    trainer = OTDistillationTrainer(
        model=student,
        teacher=teacher,
        args=args,
        train_dataset=bitext,
        evaluators=evaluators,
        peft_config=LoraConfig(r=options.lora_rank, target_modules="all-linear") if options.lora_rank else None,
    )
    trainer.train(resume_from_checkpoint=options.resume or args.resume_from_checkpoint)
    trainer.save_model(options.output)
    if trainer.is_world_process_zero():
        Console().print(f"The student is in {Path(options.output)}; SentenceTransformer({options.output!r}) loads it.")


def bitext_of(options: TrainOptions, args: OTDistillationArguments) -> Dataset | IterableDataset:
    """The bitext as a table, or as a stream that is mixed already."""
    if not options.streaming:
        return load_bitext(options.bitext, on_bad_row=options.on_bad_row, max_line_bytes=options.max_line_bytes)
    mixture = stream_bitext(
        options.bitext,
        temperature=args.sampling_temperature or 1.0,
        max_repeats=args.sampling_max_repeats,
        on_bad_row=options.on_bad_row,
        max_line_bytes=options.max_line_bytes,
        seed=args.seed,
    )
    args.sampling_temperature = args.sampling_max_repeats = None
    return mixture


def parse_train(arguments: list[str]) -> tuple[TrainOptions, OTDistillationArguments]:
    """Read the options; the output folder is where `transformers` writes its checkpoints, too."""
    if "--output_dir" in arguments:
        raise ValueError("unknown option '--output_dir'; did you mean 'output'?")
    where = [*arguments, "--output_dir", "."]
    options, args = parse_options("train", (TrainOptions, OTDistillationArguments), where)
    args.output_dir = options.output = str(expand_path(options.output))
    return options, args


def print_help(everything: bool = False) -> None:
    """Print our options and the training arguments used most; with `everything`, all of those of transformers."""
    console = Console()
    console.print(
        "Usage: optical-hf train --teacher T --student S --bitext FILE... --output DIR [OPTIONS]\n"
        "       optical-hf train CONFIG.yaml [OPTIONS]\n\n"
        "Distil an English teacher into a multilingual student on bitext. The projection starts from the closed form, gradient\n"
        "steps follow, and the student is saved as sentence-transformers saves it. A configuration file has the same names\n"
        "as keys; options after it go before it. On several devices: accelerate launch -m optical_hf.cli train ...\n",
        highlight=False,
        markup=False,
    )
    host = {f.name for f in fields(TrainingArguments)}
    own = [f for f in fields(OTDistillationArguments) if f.name not in host]
    inherited = {
        f.name: f for f in fields(OTDistillationArguments) if f.name in host and f.name != "output_dir" and f.init
    }
    chosen = list(inherited.values()) if everything else [inherited[name] for name in COMMON if name in inherited]
    title = (
        "All of transformers.TrainingArguments"
        if everything
        else "Of transformers.TrainingArguments, the ones used most"
    )
    for heading, rows in (
        ("What is read and written", list(fields(TrainOptions))),
        ("Distillation", own),
        (title, chosen),
    ):
        table = Table(
            title=heading, title_justify="left", title_style="bold", box=None, show_header=False, padding=(0, 2, 0, 0)
        )
        table.add_column(no_wrap=True)
        table.add_column()
        for option in rows:
            table.add_row(f"--{option.name}", _described(option, short=option.name in COMMON and not everything))
        console.print(table)
        console.print()
    if not everything:
        console.print(
            "--help-all lists every option of transformers.TrainingArguments; what a student cannot have is refused.",
            highlight=False,
        )


def _described(option: object, short: bool) -> str:
    text = " ".join(str(option.metadata.get("help", "")).split())
    text = text.split(". ")[0].rstrip(".") + "." if short and text else text
    if option.default is MISSING and option.default_factory is MISSING:
        return f"{text} \\[required]"
    default = option.default
    shown = default is not MISSING and default is not None and default != ""
    return f"{text} \\[{default}]" if shown else text
