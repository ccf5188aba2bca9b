"""Options that several verbs have, each declared once: its type and its help text.

`align`, `evaluate`, `data` and `card` are typer commands and take them as they are; `train` reads the help texts from them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from types import MappingProxyType
from typing import Annotated, Literal, TypeVar, get_args, get_type_hints

import typer

from optical_hf.evaluation.encode.encoding import Search
from optical_hf.models.views import Kind

Value = TypeVar("Value")

TeacherName = Annotated[str, typer.Option(help="English teacher: a hub id or a folder.")]
StudentName = Annotated[str, typer.Option(help="Multilingual encoder to align or distil into: a hub id or a folder.")]
BITEXT = typer.Option(
    help="Bitext files: mar-eng.tsv.gz, train.de.gz (with train.en.gz beside it), mr=FILE, a hub id; sw=FILE:2,1 or "
    "sw=FILE:swahili,english where a TSV, CSV, JSON lines or Parquet file has other columns (the foreign one first)."
)
MaybeBitextFiles = Annotated[list[str] | None, BITEXT]
INDEX = "The index"
DOCUMENTS = typer.Option(
    rich_help_panel=INDEX,
    help="English documents of the index, with their vectors or without: x.txt, x.jsonl, x.csv, x.parquet, x.npy or x.faiss "
    "beside its texts, a LanceDB folder, the URL of a store (docs/stores.md).",
)
IndexName = Annotated[
    str,
    typer.Option(
        help="The English index: qdrant://, postgresql://, milvus://, lancedb:// (docs/stores.md), or a file of texts and "
        "vectors: x.parquet, x.jsonl, file://x.jsonl?id=ID&text=BODY&vector=V, texts with x.npy or x.faiss beside them."
    ),
]
DocumentFiles = Annotated[list[str] | None, DOCUMENTS]
QueryTexts = Annotated[
    list[str] | None, typer.Option(help="English queries, such as a query log: files as for --documents.")
]
Relevance = Annotated[
    list[str] | None,
    typer.Option(
        help="English queries and documents that answer them: x.jsonl with the fields query and document, or x.tsv:1,2, "
        "x.csv:question,passage where a file has other columns (the query first)."
    ),
]
DocumentText = Annotated[str, typer.Option(rich_help_panel=INDEX, help="The column or field of the documents' texts.")]
DocumentVector = Annotated[
    str,
    typer.Option(rich_help_panel=INDEX, help="The column or field of the documents' vectors, where they have any."),
]
StudentKind = Annotated[
    Kind | None, typer.Option(help="One vector a text or one a token; the default is the teacher's.")
]
Layers = Annotated[
    list[int] | None,
    typer.Option(
        help="Hidden layers of the student whose average is projected, such as 10 12; the default stands in docs/models.md."
    ),
]
MaxSeqLength = Annotated[int | None, typer.Option(min=1, help="Tokens kept of a text, on both sides.")]
QueryPrompt = Annotated[
    str | None, typer.Option(help="Text in front of every text the student reads, such as 'query: '; saved with it.")
]
DocumentPrompt = Annotated[
    str | None,
    typer.Option(rich_help_panel=INDEX, help="Text in front of documents that the teacher reads, in place of its own."),
]
BadRow = Annotated[
    Literal["error", "drop"],
    typer.Option(help="A row that cannot be used, such as a pair with an empty side: error stops, drop counts."),
]
LineLimit = Annotated[int, typer.Option(min=1, help="Bound on a line of a bitext file.")]
SearchBy = Annotated[
    Search | None,
    typer.Option(help="By one vector a text, or by one a token. Default: maxsim for a late-interaction student."),
]
PairLimit = Annotated[int | None, typer.Option(min=1, help="Read the first so many pairs of each file.")]


def with_help(cls: type) -> type:
    """Give each field of a dataclass the help text of its annotation."""
    hints = get_type_hints(cls, include_extras=True)
    for one in fields(cls):
        texts = [part.help for part in get_args(hints[one.name]) if hasattr(part, "help")]
        one.metadata = MappingProxyType({"help": texts[0]})
    return cls


def named_values(option: str, given: Iterable[str] | None, form: str = "NAME=VALUE") -> dict[str, str]:
    """The values of an option that is given as NAME=VALUE, by name.

    Raises:
        ValueError: for one without a name or a "=".
    """
    for text in given or []:
        if not text.partition("=")[0] or "=" not in text:
            raise ValueError(f"{option} {text!r}: expected {form}")
    return dict(text.split("=", 1) for text in given or [])


def pair_counts(option: str, given: Sequence[str] | None) -> dict[str, int]:
    """Numbers of bitext pairs by language, from LANGUAGE=NUMBER.

    Raises:
        ValueError: for what is not a language and a whole number.
    """
    form = "a language and its number of pairs, as in so=5101"
    counts = named_values(option, given, form)
    for language, count in counts.items():
        if not count.isdecimal():
            raise ValueError(f"{option} {language}={count}: expected {form}")
    return {language: int(count) for language, count in counts.items()}


def check_known(option: str, given: Iterable[str] | None, known: Sequence[str] | Mapping[str, Value]) -> None:
    """Raise ValueError for a value that is none of the known ones."""
    if unknown := [value for value in given or [] if value not in known]:
        raise ValueError(f"{option} {unknown[0]!r}: expected one of {', '.join(known)}")
