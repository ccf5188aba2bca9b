"""`optical-hf data`: look at bitext before training on it, or write it."""

import json
from pathlib import Path
from typing import Annotated, Literal, get_args

import typer
from rich.console import Console

from optical_hf.cli import shared_options as options
from optical_hf.cli.clean import clean
from optical_hf.cli.ending import usage
from optical_hf.cli.translate import translate
from optical_hf.data import bitext_quality, clean_bitext, load_bitext
from optical_hf.data.quality.rules import Rule
from optical_hf.files import check_file, check_new_folder, write_text
from optical_hf.folders import write_folder
from optical_hf.reading.line_files import LINE_LIMIT
from optical_hf.scenes import LANGUAGES, export_flickr30k_entities, generate_scenes

data_app = typer.Typer(help="Check, clean or make bitext; export synthetic scenes; clear caches.", no_args_is_help=True)


@data_app.command()
def check(
    bitext: Annotated[
        list[str], typer.Argument(help="Bitext files, as for train: mar-eng.tsv.gz, train.de.gz, so=FILE, so=FILE:2,1.")
    ],
    evaluation: Annotated[
        list[str] | None, typer.Option(help="File that must not be in the training data; repeat it for more.")
    ] = None,
    json_: Annotated[Path | None, typer.Option("--json", help="Write the counts as JSON.")] = None,
    drop: Annotated[
        list[str] | None,
        typer.Option(help=f"Rule whose pairs to drop or list: {', '.join(get_args(Rule))}; repeat it for more."),
    ] = None,
    output: Annotated[Path | None, typer.Option(help="Folder for the cleaned bitext, a datasets folder.")] = None,
    list_: Annotated[
        Path | None, typer.Option("--list", help="TSV file for the pairs of --drop: rule, id, English, foreign side.")
    ] = None,
    on_bad_row: Annotated[
        Literal["error", "drop", "keep"],
        typer.Option(
            help="A row that cannot be used: error stops, drop counts; keep stops too, but counts empty sides as a rule."
        ),
    ] = "keep",
    max_line_bytes: options.LineLimit = LINE_LIMIT,
) -> None:
    """Count what looks wrong, by language: empty sides, duplicates, wrong language, leaks, runs of misalignment.

    Example: optical-hf data check swh-eng.tsv.gz --evaluation test.sw --drop duplicate --drop misaligned --output clean
    """
    with usage():
        if bool(drop) != (output is not None or list_ is not None):
            raise ValueError(
                "--drop and --output belong together: name the rules to drop and the folder for what is left, or with --list "
                "the file for what breaks them"
            )
        options.check_known("--drop", drop, get_args(Rule))
        if "leak" in (drop or []) and not evaluation:
            raise ValueError("--drop leak needs --evaluation, the texts that must not be in the training data")
    if json_ is not None:
        check_file(json_)
    if output is not None:
        output = check_new_folder(output)
    rows = load_bitext(bitext, on_bad_row=on_bad_row, max_line_bytes=max_line_bytes)
    held_out = load_bitext(evaluation, on_bad_row=on_bad_row, max_line_bytes=max_line_bytes) if evaluation else None
    report = bitext_quality(rows, evaluation=held_out)
    print(report)
    if json_ is not None:
        write_text(json_, json.dumps(report.to_dict(), indent=2) + "\n")
    if not drop:
        return
    cleaned = clean_bitext(rows, drop, evaluation=held_out)
    print(cleaned)
    if list_ is not None:
        columns = ("rule", "id", "source", "target")
        lines = ("\t".join(" ".join(row[name].split()) for name in columns) + "\n" for row in cleaned.taken)
        write_text(list_, "".join(lines))
        Console(highlight=False).print(f"{len(cleaned.taken)} pairs are listed in {list_}")
    if output is not None:
        write_folder(output, cleaned.bitext.save_to_disk)
        Console(highlight=False).print(f"{len(cleaned.bitext)} pairs are in {output}")


@data_app.command()
def scenes(
    output: Annotated[Path, typer.Option(help="Folder to write, in the Flickr30k Entities format.")],
    count: Annotated[int, typer.Option(min=1, help="How many scenes.")] = 8,
    seed: Annotated[int, typer.Option(min=0, help="Of the scenes.")] = 0,
    languages: Annotated[
        list[str] | None,
        typer.Option(help=f"Language of the captions: {', '.join(LANGUAGES)}; repeat it. Default: all of them."),
    ] = None,
) -> None:
    """Write synthetic scenes with captions, phrases, boxes and pictures, as Flickr30k Entities is laid out."""
    with usage():
        options.check_known("--languages", languages, LANGUAGES)
    check_new_folder(output)
    export_flickr30k_entities(generate_scenes(count, seed=seed), output, languages or LANGUAGES)
    Console(highlight=False).print(f"{count} scenes in the Flickr30k Entities format: {output}")


data_app.command()(translate)
data_app.command()(clean)
