"""`optical-hf check`: was this index made by this teacher, and how did the teacher read its texts?"""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from optical_hf.cli import shared_options as options
from optical_hf.cli.ending import usage
from optical_hf.evaluation.index_check import check_index
from optical_hf.files import check_file, write_text
from optical_hf.models import load_teacher
from optical_hf.search import index_drift


def check(
    index: Annotated[
        str,
        typer.Option(
            help="The index: qdrant://, postgresql://, milvus://, lancedb://, faiss:// (docs/stores.md), or a file of texts and "
            "vectors. title=COLUMN in the URL tries title and text together."
        ),
    ],
    teacher: options.TeacherName,
    document_prompt: options.DocumentPrompt = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Texts in a batch.")] = 32,
    student: Annotated[
        str | None, typer.Option(help="With --new: the student of this index, a hub id or a folder.")
    ] = None,
    new: Annotated[
        str | None,
        typer.Option(help="Documents that came since, as --index: say whether the student is due for a new fit."),
    ] = None,
    sample: Annotated[int, typer.Option(min=1, help="Documents of --index and of --new that the student reads.")] = 500,
    output: Annotated[Path | None, typer.Option("--json", help="Write what was found as JSON.")] = None,
) -> None:
    """Say whether a teacher made an index, and with which prompt, length and title it read the texts.

    Fifty texts are read anew and compared with the stored vectors. The status is 1 where another teacher made the index.

    Example: optical-hf check --index "postgresql://ann@localhost/shop?table=docs&text=body"
    --teacher sentence-transformers/all-MiniLM-L6-v2

    Drift: optical-hf check --index index.parquet --teacher all-MiniLM-L6-v2 --student students/e5 --new this_week.parquet
    """
    with usage():
        if (student is None) != (new is None):
            raise ValueError(
                "--student and --new belong together: the student, and documents that came since it was fitted"
            )
    if output is not None:
        check_file(output)
    reader = load_teacher(teacher, document_prompt=document_prompt)
    found = check_index(index, reader, batch_size=batch_size)
    console = Console(highlight=False, soft_wrap=True, markup=False)
    console.print(str(found))
    told = found.to_dict()
    if student is not None and new is not None and found.verdict != "another teacher":
        learner = load_teacher(student, role="student")
        drift = index_drift(learner, index, new, teacher=reader, sample=sample, batch_size=batch_size)
        console.print(str(drift))
        told["drift"] = drift.to_dict()
    if output is not None:
        write_text(output, json.dumps(told, indent=2, ensure_ascii=False) + "\n")
    if found.verdict == "another teacher":
        raise typer.Exit(1)
