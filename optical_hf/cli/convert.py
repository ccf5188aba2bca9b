"""`optical-hf convert`: a saved student in the layout that another program reads."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from optical_hf.cli.ending import usage
from optical_hf.files import check_new_folder
from optical_hf.models.export.conversion import Layout, convert_student


def convert(
    student: Annotated[str, typer.Argument(help="Folder or hub id of the student.")],
    output: Annotated[Path, typer.Argument(help="Folder to write; new, or empty.")],
    to: Annotated[
        Layout,
        typer.Option(
            help="standard: as text-embeddings-inference and vLLM read it. tokens: the projection before the pooling. "
            "onnx: a graph from token ids to vectors beside the weights."
        ),
    ] = "standard",
) -> None:
    """Write a student in another layout; its vectors stay the same.

    Example: optical-hf convert students/so served/so --to onnx
    """
    with usage():
        check_new_folder(output)
    Console(highlight=False).print(f"The student is in {convert_student(student, output, to)}")
