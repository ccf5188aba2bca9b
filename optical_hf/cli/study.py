"""`optical-hf study`: a grid of students, systems, bitext sizes and seeds, from one YAML file to a table, plots and a report."""

import signal
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from optical_hf.cli.ending import usage
from optical_hf.cli.shared_options import named_values
from optical_hf.files import check_folder
from optical_hf.study import RunFolder, StudyConfig, folders_of, launch_runs, load_study, runs_of
from optical_hf.study.estimate import estimates
from optical_hf.study.report.study_report import write_study
from optical_hf.study.run.launching import LOG
from optical_hf.study.run.run_data import read_bitext, read_collections


def study(
    config: Annotated[Path, typer.Argument(help="The study: a YAML file, see docs/study.md.")],
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="NAME=VALUE for a ${NAME} in the file; may be repeated.")
    ] = None,
    dry_run: Annotated[bool, typer.Option(help="Print the grid and what it will take, and run nothing.")] = False,
    report_only: Annotated[
        bool, typer.Option(help="Write table, plots and report from the runs that are done.")
    ] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="Do at most so many runs that are not done yet.")] = None,
) -> None:
    """Run a study: students x teachers x systems x bitext sizes x seeds, then tests, plots and a report.

    Runs are done in processes that `accelerate launch` starts. A run that is done is not done again.

    After a kill, or when the file grew, start the same command again.

    A run that fails does not end the study: its error is in table and report, and it is tried again the next time.

    Table, tests, plots and report are written anew whenever the command ends:

    OUTPUT/runs.parquet   a row for every run, collection, language and metric

    OUTPUT/report.html    the report, with its plots; report.md and plots/ beside it

    OUTPUT/runs/KEY/      configuration, reports with the rank of every query, result and log of a run
    """
    with usage():
        values = named_values("--set", set_)
    loaded = load_study(config, values)
    if not dry_run:
        check_folder(loaded.output)
    runs = runs_of(loaded)
    entries = folders_of(loaded, runs, fetch=not (dry_run or report_only))
    if dry_run:
        print_grid(loaded, entries)
        return
    console = Console(highlight=False, stderr=True)
    if not report_only:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that a kill ends the run that is under way, too
        do_runs(loaded, _first_open(entries, limit), console)
    written = write_study(loaded, entries)
    statuses = Counter(entry.status for entry in entries)
    counts = ", ".join(f"{count} {status}" for status, count in statuses.items())
    Console(highlight=False).print(f"{len(entries)} runs: {counts}. Report: {written}", soft_wrap=True)


def _first_open(entries: list[RunFolder], limit: int | None) -> list[RunFolder]:
    """Runs up to and with the `limit`-th that is not done."""
    if limit is None:
        return entries
    there = [entry for entry in entries if entry.status == "done"]
    return [*there, *[entry for entry in entries if entry.status != "done"][:limit]]


def do_runs(config: StudyConfig, entries: list[RunFolder], console: Console) -> None:
    """Do the runs with a progress bar; the error of a failed one is printed at once."""
    columns = (
        SpinnerColumn(),
        BarColumn(20),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    with (
        Progress(*columns, console=console, disable=not console.is_terminal) as progress,
        closing(launch_runs(config, entries)) as running,  # so that Ctrl-C ends the run that is under way
    ):
        bar = progress.add_task("", total=len(entries))
        for entry, status in running:
            if status == "open":
                progress.update(bar, description=entry.run.label)
                if not console.is_terminal:
                    console.print(f"started: {entry.run.label}", markup=False)
                continue
            if status == "failed":
                console.print(f"failed: {entry.run.label}: {entry.error} ({entry.folder / LOG})", markup=False)
            progress.update(bar, advance=1, description="")


def print_grid(config: StudyConfig, entries: list[RunFolder]) -> None:
    """Print every run with its status and what it will take."""
    pairs = len(read_bitext(config.bitext)) if config.bitext else 0
    sets = read_collections(list(config.collections.values()))
    queries = sum(len(entry.queries) for entry in sets)
    documents = sum(len(part.documents) for entry in sets for part in entry.parts)
    costs = estimates([entry.run for entry in entries], entries, pairs, queries, documents)
    table = Table(title=config.name, title_justify="left")
    for head in ("run", "status", "TFLOP", "minutes"):
        table.add_column(head, justify="left" if head in ("run", "status") else "right", no_wrap=head != "run")
    for entry, cost in zip(entries, costs, strict=True):
        table.add_row(entry.run.label, entry.status, f"{cost.flops / 1e12:.2f}", f"{cost.seconds / 60:.1f}")
    console = Console(highlight=False)
    console.print(table)
    left = sum(cost.seconds for entry, cost in zip(entries, costs, strict=True) if entry.status != "done")
    console.print(
        f"{len(entries)} runs, {sum(entry.status != 'done' for entry in entries)} of them to do: about {left / 60:.0f} minutes. "
        f"{pairs:,} pairs of bitext, {queries:,} queries. Operations are rough; minutes follow the runs that are done, and "
        "where there are none, the speed of a matrix product, which no training reaches."
    )
