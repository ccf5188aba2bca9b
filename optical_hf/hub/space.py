"""A Space of the hub in which others try a student: its files, written to a folder, and their upload.

The Space has the rows of an index, or the URL of a server, never a password or a path of this machine.
"""

import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from huggingface_hub import SpaceCardData
from jinja2 import Environment

from optical_hf import __version__
from optical_hf.files import check_folder, expand_path, write_text, write_whole
from optical_hf.hub.card import checked_repo_id
from optical_hf.hub.figures import checked_report
from optical_hf.hub.licences import checked_licence
from optical_hf.hub.public_names import public_name, public_values
from optical_hf.hub.upload import Upload, hub_api, upload
from optical_hf.stores.document_store import DocumentStore
from optical_hf.stores.store_location import Scheme

INDEX = "index.parquet"
REPORT = "report.json"
FILES = ("README.md", "app.py", "requirements.txt", INDEX, REPORT)
"""What a Space consists of; the first three always."""
GRADIO = "6.31.0"
"""The version that the page is tested with (constraints.txt)."""
PYTHON = "3.12"
SERVERS: dict[Scheme, tuple[str, str]] = {
    "qdrant": ("qdrant", "QDRANT_API_KEY"),
    "postgresql": ("postgresql", "PGPASSWORD"),
    "milvus": ("milvus", "MILVUS_TOKEN"),
}
"""Stores whose URL a Space keeps, each with its extra and the variable that has its password; of others it has the rows."""

TEXTS = Environment(trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True)
TEXTS.filters["quoted"] = json.dumps
APP = TEXTS.from_string(
    '''"""A page to try {{ student }}, written by `optical-hf card --space`."""

from optical_hf.search.page import search_page, serve

page = search_page(
    {{ student | quoted }},
    {{ index | quoted }},
{% if teacher %}
    teacher={{ teacher | quoted }},
{% endif %}
{% if report %}
    report={{ report | quoted }},
{% endif %}
)
serve(page, host="0.0.0.0")
'''
)
REQUIREMENTS = TEXTS.from_string(
    """# torch without CUDA, which a Space without a GPU has no use for
--extra-index-url https://download.pytorch.org/whl/cpu
optical-hf[{{ extras }}]=={{ version }}
"""
)
README = TEXTS.from_string(
    """---
{{ metadata }}
---

# Try {{ student }}

Queries in any language find English documents. [{{ student }}](https://huggingface.co/{{ student }}) reads the query.
{% if teacher %}
Beside it stands what [{{ teacher }}](https://huggingface.co/{{ teacher }}) finds, the teacher that made the index.
{% endif %}

{{ about }}

Made with `optical-hf card --space`.
"""
)


def write_space(
    folder: str | Path,
    repo_id: str,
    student: str,
    index: DocumentStore,
    *,
    teacher: str | None = None,
    report: Mapping[str, Any] | None = None,
    license: str | None = None,
) -> list[Path]:
    """Write the folder of a Space: `app.py`, `requirements.txt`, its card, the index, and a report where there is one.

    Of an index on this machine the Space has the rows in one Parquet file: **its texts are as public as the Space**. Vectors that a
    store compares by distance are compared by cosine there. Of a server it has the URL without the password, which must be reached
    from the net; the card names the secret to set.

    Args:
        folder: where to; made where it is missing, files of an earlier call are written anew.
        repo_id: "owner/name" of the Space.
        student: hub id of the student.
        index: from `open_store`.
        teacher: hub id of the teacher that made the index. A path of this machine is left out, with a warning.
        report: what `RetrievalReport.to_dict` returns; its plots stand on a second tab.
        license: of the Space, as the hub calls it.

    Returns:
        The files.

    Raises:
        ValueError: an id that is none, an index of one vector a token that would have to be copied, or one without vectors and no
            teacher to read its texts.
        OSError: a folder that cannot be written to.
    """
    place, known = check_folder(folder), public_name(teacher, "teacher")
    for name in filter(None, (repo_id, student, known)):
        checked_repo_id(name)
    server = SERVERS.get(index.location.scheme)
    if server is None and index.late_interaction:
        raise ValueError(
            f"{index.location} holds one vector a token, which a file does not: expected the URL of a server"
        )
    if not index.width and known is None:
        raise ValueError(
            f"{index.location} holds texts without vectors: expected the teacher's hub id, which reads them"
        )
    about = f"The index: {index.count:,} documents."
    if server is not None:
        url = str(index.location)
        about += f" Set the password of its server as the secret `{server[1]}` of the Space, where it has one."
    else:
        url = f"file://{INDEX}?id=id" + ("&metric=dot" if index.metric == "dot" else "")
        write_whole(place / INDEX, lambda beside: _copy_rows(index, beside))
    metadata = SpaceCardData(
        title=f"Search with {student.partition('/')[2] or student}", sdk="gradio", sdk_version=GRADIO, python_version=PYTHON,
        app_file="app.py",
        license=None if license is None else checked_licence(license), models=[student, *([known] if known else [])],
        tags=["cross-lingual-retrieval", "optical-hf"],
    )  # fmt: skip
    values = {"student": student, "teacher": known, "index": url, "about": about, "version": __version__}
    texts = {
        "app.py": APP.render(values, report=None if report is None else REPORT),
        "requirements.txt": REQUIREMENTS.render(values, extras=",".join(["app", *([server[0]] if server else [])])),
        "README.md": README.render(values, metadata=metadata.to_yaml()),
    }
    if report is not None:
        texts[REPORT] = json.dumps(public_values(checked_report(report)), ensure_ascii=False)
    for name, text in texts.items():
        write_text(place / name, text)
    return [place / name for name in [*texts, *([] if server else [INDEX])]]


def push_space(
    folder: str | Path,
    repo_id: str,
    *,
    token: str | None = None,
    private: bool | None = None,
    commit_message: str = "Add Space",
) -> str:
    """Upload the folder of a Space to the hub; the Space is made where it is missing. Only the files of a Space go up.

    Args:
        folder: from `write_space`.
        repo_id: "owner/name" of the Space.
        token: access token that may write; None takes the one that `hf auth login` or `HF_TOKEN` left.
        private: make the Space private; None leaves it to the owner's default.
        commit_message: first line of the commit.

    Returns:
        Address of the commit.

    Raises:
        ValueError: for an id that is none, a folder that holds no Space, a refused token, or a public Space where a private one was
            asked for.
        ConnectionError: where the hub cannot be reached or keeps answering with an error of its own.
    """
    checked_repo_id(repo_id)
    api, place = hub_api(token), expand_path(folder)
    if missing := [name for name in FILES[:3] if not (place / name).is_file()]:
        raise ValueError(f"no Space in {str(place)!r}: it has no {missing[0]}; give a folder that write_space wrote")
    with tempfile.TemporaryDirectory() as staging:
        for file in (place / name for name in FILES):
            if file.is_file():
                shutil.copyfile(file, Path(staging, file.name))
        return upload(api, Upload(staging, repo_id, private, None, commit_message, FILES, "space"))


def _copy_rows(index: DocumentStore, path: Path) -> None:
    """Write ids, texts and vectors as Parquet, a batch in memory at a time."""
    fields = [pa.field("id", pa.string()), pa.field("text", pa.string())]
    if index.width:
        fields.append(pa.field("vector", pa.list_(pa.float32(), index.width)))
    schema = pa.schema(fields)
    with pq.ParquetWriter(path, schema) as writer:
        for rows in index.rows():
            columns = [pa.array(rows.ids, pa.string()), pa.array([text or "" for text in rows.texts], pa.string())]
            if rows.vectors is not None:
                numbers = pa.array(rows.vectors.vectors.reshape(-1).numpy())
                columns.append(pa.FixedSizeListArray.from_arrays(numbers, index.width))
            writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))
