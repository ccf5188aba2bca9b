"""`optical-hf check`: was this index made by this teacher, and how did the teacher read its texts?"""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from optical_hf.cli import shared_options as options
from optical_hf.evaluation.index_check import check_index
from optical_hf.files import check_file, write_text
from optical_hf.models import load_teacher


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
    output: Annotated[Path | None, typer.Option("--json", help="Write what was found as JSON.")] = None,
) -> None:
    """Say whether a teacher made an index, and with which prompt, length and title it read the texts.

    Fifty texts are read anew and compared with the stored vectors. The status is 1 where another teacher made the index.

    Example: optical-hf check --index "postgresql://ann@localhost/shop?table=docs&text=body"
    --teacher sentence-transformers/all-MiniLM-L6-v2
    """
    if output is not None:
        check_file(output)
    found = check_index(index, load_teacher(teacher, document_prompt=document_prompt), batch_size=batch_size)
    Console(highlight=False, soft_wrap=True, markup=False).print(str(found))
    if output is not None:
        write_text(output, json.dumps(found.to_dict(), indent=2, ensure_ascii=False) + "\n")
    if found.verdict == "another teacher":
        raise typer.Exit(1)
