"""What a search gives back, and how it is shown: tables for people, JSON lines for programs, a TREC run for evaluation."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table
from rich.text import Text

from optical_hf.files import write_text
from optical_hf.search.query_list import Query
from optical_hf.stores.run_lines import check_run_ids, run_lines

SHOWN = 240
"""Letters of a document that the terminal shows."""


class FoundDocument(NamedTuple):
    """A document of the index.

    Attributes:
        id: in the index.
        score: the higher, the better; of the search, or of the fusion of two.
        text: its English text.
    """

    id: str
    score: float
    text: str


class Answer(NamedTuple):
    """A query and the documents found for it, best first."""

    query: Query
    documents: list[FoundDocument]

    def to_dict(self, words: Mapping[tuple[str, str], Sequence[Any]] = MappingProxyType({})) -> dict[str, Any]:
        """Plain values, as a line of JSON has them.

        Args:
            words: links between words by the ids of a query and a document, where they were made.
        """
        found = [{"rank": rank, **one._asdict()} for rank, one in enumerate(self.documents, start=1)]
        for one in found:
            if (links := words.get((self.query.id, one["id"]))) is not None:
                one["words"] = [link._asdict() for link in links]
        return {**self.query._asdict(), "documents": found}


def print_answers(answers: Sequence[Answer]) -> None:
    """Print a table for each query to the terminal."""
    console = Console()
    for answer in answers:
        table = Table(title=Text(answer.query.text), title_justify="left")
        table.add_column("rank", justify="right")
        table.add_column("score", justify="right")
        table.add_column("id", overflow="fold")
        table.add_column("document", overflow="fold")
        for rank, found in enumerate(answer.documents, start=1):
            text = " ".join(found.text.split())
            text = text if len(text) <= SHOWN else text[:SHOWN].rsplit(" ", 1)[0] + " …"
            table.add_row(str(rank), f"{found.score:.4f}", Text(found.id), Text(text))
        console.print(table)


def json_lines(answers: Sequence[Answer], words: Mapping[tuple[str, str], Sequence[Any]] = MappingProxyType({})) -> str:
    """A line of JSON for each query.

    Args:
        answers: of the queries.
        words: as `Answer.to_dict` takes them.

    Example:
        >>> print(json_lines([Answer(Query("1", "mbwa", "sw"), [FoundDocument("7", 0.5, "a dog")])]), end="")
        {"id": "1", "text": "mbwa", "language": "sw", "documents": [{"rank": 1, "id": "7", "score": 0.5, "text": "a dog"}]}
    """
    return "".join(json.dumps(answer.to_dict(words), ensure_ascii=False) + "\n" for answer in answers)


def write_run(answers: Sequence[Answer], path: str | Path, system: str = "student") -> None:
    """Write a TREC run: query Q0 document rank score system.

    Args:
        answers: of the queries.
        path: of the file.
        system: what to call the run.

    Raises:
        ValueError: ids with white space, which the format cannot hold.
    """
    check_run_ids([system, *(answer.query.id for answer in answers)], "the queries")
    check_run_ids((found.id for answer in answers for found in answer.documents), "the documents")
    lines: list[str] = []
    for answer in answers:
        lines += run_lines(answer.query.id, [(found.id, found.score) for found in answer.documents], system)
    write_text(path, "".join(lines))
