"""`optical-hf card`: the model card of a saved student, a Space to try it, and the push of both to the hub."""

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from optical_hf.cli.ending import usage
from optical_hf.cli.shared_options import pair_counts
from optical_hf.evaluation import RetrievalReport, save_plots
from optical_hf.files import check_file, expand_path, write_text
from optical_hf.hub import model_card, push_student, write_space
from optical_hf.hub import push_space as push_space_folder
from optical_hf.hub.card import checked_repo_id
from optical_hf.hub.licences import checked_licence
from optical_hf.losses import parse_losses
from optical_hf.models import load_teacher
from optical_hf.stores import open_store

SPACE = "A Space to try it"


def card(
    student: Annotated[Path, typer.Argument(help="Folder of the student; its README.md is written anew.")],
    report: Annotated[Path | None, typer.Option(help="Report that optical-hf evaluate --json wrote.")] = None,
    system: Annotated[str | None, typer.Option(help="System of the report that is this student.")] = None,
    teacher: Annotated[str | None, typer.Option(help="Hub id of the teacher, which encodes the documents.")] = None,
    base_model: Annotated[
        str | None, typer.Option(help="Hub id of the backbone that the student started from.")
    ] = None,
    bitext: Annotated[
        list[str] | None, typer.Option(help="Pairs it was trained on, as so=5101; give the option again for more.")
    ] = None,
    losses: Annotated[str | None, typer.Option(help='As for train: "transport=1.0,pooled_cosine=0.5".')] = None,
    license: Annotated[str | None, typer.Option(help="As the hub calls it: apache-2.0.")] = None,
    dataset: Annotated[list[str] | None, typer.Option(help="Hub id of a data set it was trained on.")] = None,
    push_to: Annotated[str | None, typer.Option(help="Push the student with this card to owner/name.")] = None,
    with_teacher: Annotated[
        bool, typer.Option("--with-teacher", help="Push the teacher too: one model for queries and documents.")
    ] = False,
    private: Annotated[bool | None, typer.Option(help="Make the repository private.")] = None,
    space: Annotated[
        str | None,
        typer.Option(
            rich_help_panel=SPACE,
            help="Write the folder of a Space owner/name, STUDENT-space; with --index, and --push-to or --hub-id.",
        ),
    ] = None,
    index: Annotated[
        str | None,
        typer.Option(
            rich_help_panel=SPACE,
            help="The index, as for search: the Space has its rows, of a server its URL without the password.",
        ),
    ] = None,
    hub_id: Annotated[
        str | None,
        typer.Option(rich_help_panel=SPACE, help="Where the student lies on the hub already; else --push-to."),
    ] = None,
    push_space: Annotated[
        bool, typer.Option("--push-space", rich_help_panel=SPACE, help="Push the Space, too.")
    ] = False,
) -> None:
    """Write a student's model card: what it is, how to load it, how well it finds. Nothing that is not given is guessed.

    Example: optical-hf card students/e5 --report report.json --teacher sentence-transformers/all-MiniLM-L6-v2 --license mit

    A page to try it: optical-hf card students/e5 --hub-id me/e5-so --space me/try-e5-so --index index.parquet
    """
    with usage():
        pairs = pair_counts("--bitext", bitext)
        weighted = parse_losses(losses) if losses else None
        repo_id = push_to or hub_id
        for name in filter(None, (push_to, hub_id, space)):
            checked_repo_id(name)
        if with_teacher and (push_to is None or teacher is None):
            raise ValueError("--with-teacher pushes both towers: give --teacher and --push-to too")
        if space is not None and not (index and repo_id):
            raise ValueError("--space needs the --index to search, and where the student lies: --push-to or --hub-id")
        if space is None and (index or push_space):
            raise ValueError("--index and --push-space belong to a Space: name it, --space owner/name")
        if license is not None:
            checked_licence(license)
    student = expand_path(student)
    if not student.is_dir():
        raise NotADirectoryError(f"no folder {str(student)!r}: give the folder of a saved student")
    check_file(student / "README.md")
    console = Console(highlight=False)
    measured = None if report is None else RetrievalReport.from_json(report)
    figures = None if measured is None else measured.to_dict()
    plots = [] if measured is None else drawn(measured, student, console)
    describe = partial(
        model_card, load_teacher(str(student), role="student"), repo_id=repo_id, teacher=teacher, base_model=base_model,
        bitext=pairs, report=figures, system=system, license=license, losses=weighted, datasets=dataset or (),
        plots=plots,
    )  # fmt: skip
    write_text(student / "README.md", describe())
    console.print(f"The card is in {student / 'README.md'}")
    if push_to is not None:
        both: dict[str, Any] = (
            {"with_teacher": load_teacher(teacher), "card": describe(both_towers=True)}
            if with_teacher and teacher
            else {}
        )
        console.print(f"Pushed: {push_student(student, push_to, private=private, **both)}")
    if space is not None:
        folder = student.with_name(f"{student.resolve().name}-space")
        write_space(
            folder, space, str(repo_id), open_store(str(index)), teacher=teacher, report=figures, license=license
        )
        console.print(f"The Space is in {folder}")
        if push_space:
            console.print(f"Pushed: {push_space_folder(folder, space, private=private)}")


def drawn(report: RetrievalReport, folder: Path, console: Console) -> list[str]:
    """Names of the plots of a report, written to the student's folder; none without matplotlib, which is said."""
    try:
        return [path.name for path in save_plots(report, folder)]
    except ImportError as error:
        console.print(f"The card has no plots: {error}")
        return []
