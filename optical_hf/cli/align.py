"""`optical-hf align`: a student in minutes, its backbone left as it is."""

import json
import math
from pathlib import Path
from typing import Annotated, cast, get_args

import typer
from rich.console import Console

from optical_hf.cli import shared_options as options
from optical_hf.cli.ending import usage
from optical_hf.data import load_bitext
from optical_hf.files import check_folder, write_text
from optical_hf.models import fit_alignment, load_student, load_teacher
from optical_hf.models.alignment.alignment_report import Method, Start
from optical_hf.models.alignment.ridge_penalty import Selection
from optical_hf.models.text_length import set_max_seq_length
from optical_hf.reading.line_files import LINE_LIMIT
from optical_hf.training import save_student


def align(
    context: typer.Context,
    teacher: options.TeacherName,
    student: options.StudentName,
    bitext: options.BitextFiles,
    output: Annotated[Path, typer.Option(help="Folder for the student and alignment.json.")],
    method: Annotated[
        Method, typer.Option(help="Tokens by transport, or pooled vectors by ridge or contrast.")
    ] = "transport",
    rounds: Annotated[int, typer.Option(min=1, help="Rounds of plans and regression.")] = 3,
    epsilon: Annotated[
        float, typer.Option(help="Entropic regularisation of the plans, above 0, in units of cosine cost.")
    ] = 0.02,
    regularisation: Annotated[
        str, typer.Option(help="Ridge penalty: a number, or how to choose it, held_out_pairs or held_out_language.")
    ] = "held_out_pairs",
    also_english: Annotated[
        bool, typer.Option(help="Let the student read the English sides too, as one more language.")
    ] = True,
    pairs: Annotated[
        int | None, typer.Option(min=1, help="Fit on so many pairs chosen at random; the default is all.")
    ] = None,
    held_out: Annotated[
        int, typer.Option(min=0, help="Pairs kept from the fit, to measure R@1 before and after.")
    ] = 200,
    start: Annotated[Start, typer.Option(help="Start of --method contrastive.")] = "ridge",
    temperature: Annotated[float, typer.Option(help="Of its loss, above 0.")] = 0.05,
    steps: Annotated[int, typer.Option(min=1, help="Its gradient steps.")] = 600,
    queries_per_step: Annotated[int, typer.Option(min=2, help="Texts of the student in a step.")] = 512,
    negatives: Annotated[int, typer.Option(min=0, help="Further English texts in a step.")] = 2048,
    learning_rate: Annotated[float, typer.Option(help="Of the first step, above 0.")] = 1e-3,
    kind: options.StudentKind = None,
    layers: options.Layers = None,
    max_seq_length: options.MaxSeqLength = None,
    query_prompt: options.QueryPrompt = None,
    on_bad_row: options.BadRow = "error",
    max_line_bytes: options.LineLimit = LINE_LIMIT,
    seed: Annotated[int, typer.Option(min=0, help="Of all random choices.")] = 0,
) -> None:
    """Fit the student's projection in minutes; its backbone stays as it is. By default: transport plans and regression by turns.

    An option that takes several values is given several times.

    Example: optical-hf align --teacher sentence-transformers/all-MiniLM-L6-v2 --student intfloat/multilingual-e5-small
    --query-prompt "query: " --bitext swh-eng.tsv.gz --bitext train.de.gz --output students/e5
    """
    with usage():
        penalty = _penalty(regularisation)
        averaged = _layers(layers, context.args)
        for flag, given in (("epsilon", epsilon), ("temperature", temperature), ("learning-rate", learning_rate)):
            if not 0 < given < math.inf:
                raise ValueError(f"--{flag} is {given}: expected a number above 0")
    output = check_folder(output)
    rows = load_bitext(bitext, on_bad_row=on_bad_row, max_line_bytes=max_line_bytes)
    if pairs is not None and pairs < len(rows):
        rows = rows.shuffle(seed=seed).select(range(pairs))
    english = load_teacher(teacher, kind=kind)
    learner = load_student(student, english, layers=averaged, max_seq_length=max_seq_length, query_prompt=query_prompt)
    if max_seq_length is not None:
        set_max_seq_length(english, max_seq_length)
    report = fit_alignment(
        learner, english, rows, method=method, rounds=rounds, epsilon=epsilon, regularisation=penalty,
        also_english=also_english, start=start, temperature=temperature, steps=steps, queries_per_step=queries_per_step,
        negatives=negatives, learning_rate=learning_rate, held_out=min(held_out, len(rows) // 10), seed=seed,
    )  # fmt: skip
    save_student(learner, output)
    write_text(output / "alignment.json", json.dumps(report.to_dict(), indent=2) + "\n")
    console = Console(highlight=False)
    console.print(f"Alignment: {report}")
    console.print(f"The student is in {output}")


def _layers(first: list[int] | None, rest: list[str]) -> list[int] | None:
    """All numbers behind `--layers`: the parser of this verb gives an option one value, and those of `train` take several."""
    for word in rest:
        if not first or not word.isdecimal():
            raise ValueError(f"cannot place {word!r}: expected options that begin with --, each followed by its value")
    return [*first, *map(int, rest)] if first else None


def _penalty(given: str) -> float | Selection:
    """A number, or how to choose one."""
    if given in get_args(Selection):
        return cast(Selection, given)
    try:
        number = float(given)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise ValueError(
            f"--regularisation is {given!r}: expected a number above 0, held_out_pairs or held_out_language"
        )
    return number
