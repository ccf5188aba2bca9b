"""`optical-hf align`: a student in minutes, its backbone left as it is."""

import json
import logging
from pathlib import Path
from typing import Annotated, cast

import typer
from datasets import Dataset
from rich.console import Console

from optical_hf.cli import shared_options as options
from optical_hf.cli.ending import usage
from optical_hf.cli.relevance_files import load_relevance
from optical_hf.data import load_bitext
from optical_hf.evaluation.index_check import check_table_of_documents
from optical_hf.files import check_folder, write_text
from optical_hf.models import AlignmentSettings, fit_alignment, load_student, load_teacher
from optical_hf.models.alignment.alignment_report import Method, Plans, Start
from optical_hf.models.alignment.index_documents import MAX_DOCUMENTS
from optical_hf.models.alignment.ridge_penalty import Selection
from optical_hf.models.text_length import set_max_seq_length
from optical_hf.models.tokens import Encoder
from optical_hf.reading.line_files import LINE_LIMIT
from optical_hf.stores import load_documents
from optical_hf.stores.store_location import without_secrets
from optical_hf.training import save_student
from optical_hf.training.trainer.fitted_start import is_new

logger = logging.getLogger(__name__)

CONTRAST, TRANSPORT = "The default method, contrastive", "--method transport"


def align(
    context: typer.Context,
    teacher: options.TeacherName,
    student: options.StudentName,
    output: Annotated[Path, typer.Option(help="Folder for the student and alignment.json.")],
    bitext: options.MaybeBitextFiles = None,
    documents: options.DocumentFiles = None,
    document_text: options.DocumentText = "text",
    document_vector: options.DocumentVector = "vector",
    document_prompt: options.DocumentPrompt = None,
    index_check: Annotated[
        bool,
        typer.Option(
            rich_help_panel=options.INDEX,
            help="See that --teacher made the vectors of --documents.",
        ),
    ] = True,
    query_texts: options.QueryTexts = None,
    relevance: options.Relevance = None,
    method: Annotated[
        Method, typer.Option(help="What is searched by contrast, tokens by transport, or pooled vectors by ridge.")
    ] = "contrastive",
    plans: Annotated[
        Plans,
        typer.Option(rich_help_panel=TRANSPORT, help="Of --method transport; relay ones have no rounds."),
    ] = "direct",
    rounds: Annotated[int, typer.Option(min=1, rich_help_panel=TRANSPORT, help="Rounds of plans and regression.")] = 3,
    epsilon: Annotated[
        float,
        typer.Option(
            rich_help_panel=TRANSPORT, help="Entropic regularisation of the plans, above 0, in units of cosine cost."
        ),
    ] = 0.02,
    regularisation: Annotated[
        str, typer.Option(help="Ridge penalty: a number, or held_out_pairs to choose it.")
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
    start: Annotated[
        Start | None,
        typer.Option(
            rich_help_panel=CONTRAST,
            help="Start of --method contrastive: by default a fitted student's own projection, else relay plans (MaxSim) or ridge.",
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(
            min=1,
            rich_help_panel=CONTRAST,
            help="Its gradient steps: 600 (fewer for few documents without bitext), for MaxSim 300.",
        ),
    ] = None,
    document_share: Annotated[
        float,
        typer.Option(
            rich_help_panel=CONTRAST, help="Share of its texts that are documents, where there is bitext too."
        ),
    ] = 0.5,
    pseudo_foreign: Annotated[
        float,
        typer.Option(
            rich_help_panel=CONTRAST,
            help="Share of its documents moved by the difference foreign - English of a random pair.",
        ),
    ] = 1.0,
    max_documents: Annotated[
        int, typer.Option(min=1, rich_help_panel=options.INDEX, help="Documents that are read; a random choice.")
    ] = MAX_DOCUMENTS,
    document_sentences: Annotated[
        bool, typer.Option(rich_help_panel=CONTRAST, help="Take sentences of long documents as further queries.")
    ] = False,
    query_share: Annotated[
        float, typer.Option(rich_help_panel=CONTRAST, help="Share of its texts that are --query-texts.")
    ] = 0.25,
    cache: Annotated[
        Path | None, typer.Option(help="Folder for what is read: a fit that was stopped goes on from it.")
    ] = None,
    kind: options.StudentKind = None,
    layers: options.Layers = None,
    max_seq_length: options.MaxSeqLength = None,
    query_prompt: options.QueryPrompt = None,
    on_bad_row: options.BadRow = "error",
    max_line_bytes: options.LineLimit = LINE_LIMIT,
    seed: Annotated[int, typer.Option(min=0, help="Of all random choices.")] = 0,
) -> None:
    """Fit the student's projection in minutes; its backbone stays as it is. By default by contrast (InfoNCE).

    An option that takes several values is given several times.

    Give it the English texts of your index (--documents), bitext, or both. Without bitext the student serves the languages that
    it was pretrained on.

    Example: optical-hf align --teacher sentence-transformers/all-MiniLM-L6-v2 --student intfloat/multilingual-e5-small
    --query-prompt "query: " --documents index.jsonl --bitext swh-eng.tsv.gz --bitext train.de.gz --output students/e5
    """
    with usage():
        averaged = _layers(layers, context.args)
        settings = AlignmentSettings(
            method=method, plans=plans, rounds=rounds, epsilon=epsilon, regularisation=_penalty(regularisation),
            also_english=also_english, steps=steps, document_share=document_share, pseudo_foreign=pseudo_foreign,
            max_documents=max_documents, document_sentences=document_sentences, query_share=query_share, cache=cache, seed=seed,
        )  # fmt: skip
        if not bitext and not documents:
            raise ValueError("there is nothing to fit on: give --bitext, --documents, or both")
        if documents and method == "transport":
            raise ValueError("--documents are not for --method transport: leave it out, or take ridge")
    output = check_folder(output)
    rows = load_bitext(bitext, on_bad_row=on_bad_row, max_line_bytes=max_line_bytes) if bitext else None
    if rows is not None and pairs is not None and pairs < len(rows):
        rows = rows.shuffle(seed=seed).select(range(pairs))
    index = None
    if documents:
        index = load_documents(documents, text=document_text, vector=document_vector, on_bad_row=on_bad_row)
    asked = load_documents(query_texts, text=document_text, vector=None, on_bad_row=on_bad_row) if query_texts else None
    english = load_teacher(teacher, kind=kind, document_prompt=document_prompt)
    if index is not None and index_check and "vector" in index.column_names:
        index = checked_documents(index, ", ".join(map(without_secrets, documents or [])), english)
    learner = load_student(student, english, layers=averaged, max_seq_length=max_seq_length, query_prompt=query_prompt)
    if max_seq_length is not None:
        set_max_seq_length(english, max_seq_length)
    if method == "contrastive" and start is None and not is_new(learner):
        start = "student"
        logger.info("%s has a fitted projection, which is the start; --start ridge begins anew", student)
    report = fit_alignment(
        learner, english, rows, documents=index, query_texts=asked,
        relevance_pairs=load_relevance(relevance, on_bad_row), settings=settings, start=start,
        held_out=min(held_out, len(rows) // 10) if rows is not None else held_out,
    )  # fmt: skip
    save_student(learner, output)
    write_text(output / "alignment.json", json.dumps(report.to_dict(), indent=2) + "\n")
    console = Console(highlight=False)
    console.print(f"Alignment: {report}")
    console.print(f"The student is in {output}")


def checked_documents(documents: Dataset, where: str, teacher: Encoder) -> Dataset:
    """The documents, after a look that the teacher made their vectors; texts alone where these are cut or rounded.

    Args:
        documents: with `text` and `vector`.
        where: what to call them.
        teacher: who should have made the vectors.

    Raises:
        ValueError: another teacher made them.
    """
    found = check_table_of_documents(documents, where, teacher)
    if found.verdict == "another teacher":
        raise ValueError(f"{found.summary()}; --no-index-check fits on it all the same")
    console = Console(highlight=False, markup=False, soft_wrap=True)
    console.print(f"Index check: {found.summary()}")
    if found.whole:
        return documents
    console.print("Index check: its vectors are cut or rounded, so the teacher reads its texts anew")
    return documents.remove_columns("vector")


def _layers(first: list[int] | None, rest: list[str]) -> list[int] | None:
    """All numbers behind `--layers`: the parser of this verb gives an option one value, and those of `train` take several."""
    for word in rest:
        if not first or not word.isdecimal():
            raise ValueError(f"cannot place {word!r}: expected options that begin with --, each followed by its value")
    return [*first, *map(int, rest)] if first else None


def _penalty(given: str) -> float | Selection:
    """A number, or how to choose one."""
    try:
        return float(given)
    except ValueError:
        return cast(Selection, given)
