"""`optical-hf advise`: keep the index or re-index, predicted from a sample before any work."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from optical_hf.cli import shared_options as options
from optical_hf.cli.ending import usage
from optical_hf.data import load_bitext
from optical_hf.evaluation.advice import AdviceRule
from optical_hf.evaluation.advice import advise as advise_on
from optical_hf.files import check_file
from optical_hf.languages import canonical_language
from optical_hf.models import load_student, load_teacher
from optical_hf.stores import load_documents


def advise(
    teacher: options.TeacherName,
    student: options.StudentName,
    documents: Annotated[list[str], options.DOCUMENTS],
    bitext: options.MaybeBitextFiles = None,
    document_text: options.DocumentText = "text",
    document_vector: options.DocumentVector = "vector",
    index_size: Annotated[
        int | None, typer.Option(min=1, help="Documents of the whole index, where --documents are a part of it.")
    ] = None,
    max_documents: Annotated[int, typer.Option(min=1, help="Documents of the sample.")] = 2000,
    pairs: Annotated[int, typer.Option(min=1, help="Pairs of each language to fit on.")] = 500,
    held_out: Annotated[int, typer.Option(min=1, help="Queries of each language: pairs kept from the fit.")] = 200,
    threshold: Annotated[float, typer.Option(help="Recovery, as a share, from which the index is kept.")] = 0.95,
    high: Annotated[
        list[str] | None,
        typer.Option(help="Language of the high-resource group; repeat it. Default: Joshi et al. classes."),
    ] = None,
    low: Annotated[list[str] | None, typer.Option(help="Language of the low-resource group; repeat it.")] = None,
    untrained: Annotated[
        str | None, typer.Option(help="The checkpoint that the student was made from, where it does not say so.")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="Write the advice as JSON, such as advice.json.")] = None,
    max_seq_length: options.MaxSeqLength = None,
    query_prompt: options.QueryPrompt = None,
    on_bad_row: options.BadRow = "error",
    batch_size: Annotated[int, typer.Option(min=1, help="Texts in a batch.")] = 64,
    seed: Annotated[int, typer.Option(min=0, help="Of all random choices.")] = 0,
) -> None:
    """Predict, in minutes, what keeping the index would reach of what re-indexing would, and what both cost here.

    Without --bitext English alone is judged. --document-vector none reads the texts alone.

    Example: optical-hf advise --teacher sentence-transformers/all-MiniLM-L6-v2 --student intfloat/multilingual-e5-small
    --query-prompt "query: " --documents index.parquet --bitext swh-eng.tsv.gz --bitext train.de.gz --output advice.json
    """
    with usage():
        rule = AdviceRule(threshold=threshold)
        high, low = ([canonical_language(code) for code in group or []] or None for group in (high, low))
    if output is not None:
        check_file(output)
    vector = None if document_vector == "none" else document_vector
    index = load_documents(documents, text=document_text, vector=vector, on_bad_row=on_bad_row)
    rows = load_bitext(bitext, on_bad_row=on_bad_row) if bitext else None
    english = load_teacher(teacher)
    learner = load_student(student, english, kind="vector", query_prompt=query_prompt)
    advice = advise_on(
        learner, english, index, rows, untrained=untrained, index_size=index_size, max_documents=max_documents, pairs=pairs,
        held_out=held_out, rule=rule, high=high, low=low, max_seq_length=max_seq_length, batch_size=batch_size, seed=seed,
    )  # fmt: skip
    advice.print()
    if output is not None:
        advice.to_json(output)
        Console(highlight=False).print(f"\nJSON: {output}")
