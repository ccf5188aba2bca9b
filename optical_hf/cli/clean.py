"""`optical-hf data clean`: which caches hold texts or vectors of yours, and their removal."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from optical_hf.kept_files import kept_files, remove_kept


def clean(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(help="Folders that were given as --cache or the like; searched with all in them."),
    ] = None,
    tables: Annotated[
        bool, typer.Option(help="The tables of bitext and documents in the cache of datasets, too.")
    ] = True,
    yes: Annotated[bool, typer.Option("--yes", help="Remove what is listed. Without it nothing is removed.")] = False,
) -> None:
    """List the caches of this package that hold your texts or vectors; with --yes, remove them.

    A cache is known by its layout and its files. Other files are left alone, and links are not followed.

    Example: optical-hf data clean runs/cache --yes
    """
    found = kept_files(folders or (), tables=tables)
    table = Table(box=None)
    for head in ("holds", "files", "MB", "folder"):
        table.add_column(head, justify="right" if head in ("files", "MB") else "left", overflow="fold")
    for kept in found:
        table.add_row(kept.kind, str(len(kept.files)), f"{kept.bytes / 1e6:.1f}", Text(str(kept.folder)))
    console = Console(highlight=False)
    if found:
        console.print(table)
    size = sum(kept.bytes for kept in found) / 1e6
    if not yes:
        console.print(f"{len(found)} caches, {size:.1f} MB. Nothing was removed; --yes removes them.")
        return
    for kept in found:
        remove_kept(kept)
    console.print(f"{len(found)} caches removed, {size:.1f} MB.")
