"""`optical-hf app`: a page in the browser to try a student on its index."""

from pathlib import Path
from typing import Annotated

import typer

from optical_hf.cli import shared_options as options
from optical_hf.cli.ending import usage
from optical_hf.cli.evaluate import named_translators
from optical_hf.languages import canonical_language
from optical_hf.search.page import check_address, search_page, serve
from optical_hf.stores.search_engine import Search


def app_page(
    student: Annotated[str, typer.Argument(help="The student: a hub id or a folder.")],
    index: options.IndexName,
    teacher: Annotated[
        str | None,
        typer.Option(help="The teacher that made the index, to search beside the student: a hub id or a folder."),
    ] = None,
    translator: Annotated[
        list[str] | None,
        typer.Option(
            help="Puts queries into English for the teacher: a translation model, or so=NAME for one language, or so=FILE.tsv for "
            "a dictionary of it; may be repeated."
        ),
    ] = None,
    dictionary: Annotated[
        list[str] | None,
        typer.Option(
            help="Bitext files from which dictionaries are learnt that translate word by word; may be repeated."
        ),
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="Report that optical-hf evaluate --json wrote: its plots stand on a second tab.")
    ] = None,
    language: Annotated[
        str | None, typer.Option(help="Language of the queries, chosen at the start, such as sw.")
    ] = None,
    top: Annotated[int, typer.Option(min=1, max=20, help="Documents of each system, at the start.")] = 5,
    hybrid: Annotated[
        bool, typer.Option("--hybrid", help="Show the student fused with BM25, too; reads all texts of the index.")
    ] = False,
    query_prompt: Annotated[
        str | None, typer.Option(help="Text in front of the student's queries, in place of the one that it states.")
    ] = None,
    by: Annotated[
        Search | None,
        typer.Option("--search", help="Of an index that --teacher reads: by one vector a text, or one a token."),
    ] = None,
    cache: Annotated[Path | None, typer.Option(help="Folder for the vectors that the teacher gives.")] = None,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 lets other machines in.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 7860,
) -> None:
    """Try a student in the browser: its results beside those of the teacher and of translated queries, and why they were found.

    Example: optical-hf app students/e5 --index index.parquet --teacher sentence-transformers/all-MiniLM-L6-v2
    """
    with usage():
        code = None if language is None else canonical_language(language)
        if (translator or dictionary) and teacher is None:
            raise ValueError("--translator and --dictionary translate for the teacher: give --teacher too")
    check_address(host, port)
    page = search_page(
        student, index, teacher=teacher, translator=named_translators(translator, dictionary), report=report, language=code,
        top=top, hybrid=hybrid, query_prompt=query_prompt, search=by, cache=cache,
    )  # fmt: skip
    serve(page, host=host, port=port)
