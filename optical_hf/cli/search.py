"""`optical-hf search`: queries in any language find documents of an English index."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from optical_hf.cli import shared_options as options
from optical_hf.cli.ending import usage
from optical_hf.files import check_file
from optical_hf.languages import canonical_language
from optical_hf.models import load_teacher
from optical_hf.search import explain as align_words
from optical_hf.search import (
    json_lines,
    open_index,
    print_answers,
    print_explanation,
    read_query_file,
    student_search,
    write_explanation,
    write_run,
)
from optical_hf.search.explanation import check_explanation
from optical_hf.search.token_alignment import By
from optical_hf.stores.rank_fusion import CONSTANT
from optical_hf.stores.search_engine import Search
from optical_hf.stores.text_search import Words


def search(
    student: Annotated[str, typer.Option(help="The student: a hub id or a folder.")],
    index: options.IndexName,
    query: Annotated[list[str] | None, typer.Argument(help="Queries, each in quotation marks.")] = None,
    queries: Annotated[
        Path | None,
        typer.Option(help="File of queries: x.txt, x.tsv or x.csv (id and text, or named columns), x.jsonl."),
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="Documents of each query.")] = 10,
    language: Annotated[
        str | None, typer.Option(help="Of the queries, such as sw: you are warned where the student does not know it.")
    ] = None,
    output: Annotated[
        Literal["table", "jsonl"] | None,
        typer.Option(
            "--format", help="What is printed. Default: a table in a terminal, JSON lines in a pipe or a file."
        ),
    ] = None,
    run: Annotated[Path | None, typer.Option(help="Write a TREC run instead of printing.")] = None,
    teacher: Annotated[
        str | None,
        typer.Option(help="Reads documents for --explain, and all where the index has no vectors: id or folder."),
    ] = None,
    by: Annotated[
        Search | None, typer.Option("--search", help="Of --teacher: by one vector a text, or one a token.")
    ] = None,
    cache: Annotated[Path | None, typer.Option(help="Folder for the vectors that the teacher gives.")] = None,
    hybrid: Annotated[
        bool,
        typer.Option("--hybrid", help="Fuse with a search of the same words, by reciprocal rank."),
    ] = False,
    words: Annotated[
        Words,
        typer.Option(
            help="Of --hybrid: bm25 reads all texts of the index at each start; store is the full-text search of PostgreSQL or "
            "LanceDB."
        ),
    ] = "bm25",
    fusion: Annotated[int, typer.Option(min=1, help="Constant of reciprocal rank fusion, for --hybrid.")] = CONSTANT,
    rerank: Annotated[
        int,
        typer.Option(
            min=0, help="Compare the first so many documents again by MaxSim; --teacher reads their texts as tokens."
        ),
    ] = 0,
    explain: Annotated[
        int, typer.Option(min=0, help="Show, word by word, why the first so many documents of each query were found.")
    ] = 0,
    explain_by: Annotated[
        By,
        typer.Option(
            help="plan: a transport plan, where no document word takes all; maxsim: each query word chooses alone."
        ),
    ] = "plan",
    explanation: Annotated[
        Path | None,
        typer.Option(help="Write it as a page x.html, or of one document as a picture x.png; implies --explain 1."),
    ] = None,
    query_prompt: Annotated[
        str | None, typer.Option(help="Text in front of every query, in place of the one that the student states.")
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Queries in a batch.")] = 64,
    check: Annotated[
        bool, typer.Option(help="See that the student was made for this index, by a few documents.")
    ] = True,
) -> None:
    """Find the documents of an English index that answer queries in any language.

    Example: optical-hf search --student students/e5 --index index.parquet "habari za leo"

    Why: optical-hf search --student students/e5 --index index.parquet --explanation why.html "habari za leo"

    Many: optical-hf search --student students/e5 --index index.parquet --queries topics.tsv --top 1000 --run student.run
    """
    with usage():
        if bool(query) == (queries is not None):
            raise ValueError("expected queries in quotation marks, or a file of them with --queries")
        code = None if language is None else canonical_language(language)
        asked = list(query or []) if queries is None else read_query_file(queries)
        if explanation is not None:
            explain = explain or 1
            check_explanation(explanation, explain * len(asked))
        if words == "store" and not hybrid:
            raise ValueError("--words says how --hybrid searches words: give --hybrid too")
        if explain and run is not None:
            raise ValueError("--run writes a file of ids and scores: leave --explain out")
    for file in filter(None, (run, explanation)):
        check_file(file)
    reader = None if teacher is None else load_teacher(teacher)
    opened = open_index(index, teacher=reader, search=by, cache=cache)
    model = load_teacher(student, query_prompt=query_prompt, role="student")
    answers = student_search(
        model, opened, asked, top=top, language=code, hybrid=hybrid, words=words, fusion=fusion, rerank=rerank, teacher=reader,
        batch_size=batch_size, check=check,
    )  # fmt: skip
    if run is not None:
        return write_run(answers, run)
    aligned = align_words(model, answers, reader=reader, documents=explain, by=explain_by) if explain else []
    if explanation is not None:
        write_explanation(aligned, explanation)
    if output == "table" or (output is None and sys.stdout.isatty()):
        print_answers(answers)
        print_explanation(aligned)
    else:
        links = {(one.query.id, one.document.id): one.links for one in aligned}
        print(json_lines(answers, links), end="")
    return None
