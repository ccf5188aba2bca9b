"""The lines of a TREC run, for trec_eval, ir-measures, and fusion with other people's runs.

A line: query Q0 document rank score system. Equal scores keep our order by rank; trec_eval sorts them by document id instead, so
its figures may differ where documents tie.
"""

from collections.abc import Iterable, Iterator


def run_lines(query: str, found: Iterable[tuple[str, float]], system: str) -> Iterator[str]:
    """The lines of one query.

    Args:
        query: its id.
        found: ids and scores of the documents, best first.
        system: what to call the system.

    Example:
        >>> list(run_lines("q1", [("d7", 0.5)], "student"))
        ['q1 Q0 d7 1 0.5 student\\n']
    """
    for rank, (document, score) in enumerate(found, start=1):
        yield f"{query} Q0 {document} {rank} {score:.9g} {system}\n"


def check_run_ids(ids: Iterable[str], whose: str) -> None:
    """Raise ValueError for ids that a line of a run cannot hold: empty ones, and such with white space.

    Args:
        ids: of queries, documents or systems.
        whose: where they stand, for the message.
    """
    spaced = [key for key in ids if not key or any(letter.isspace() for letter in key)]
    if spaced:
        raise ValueError(
            f"{len(spaced)} ids of {whose} are empty or hold white space (first: {spaced[0]!r}): a TREC file is "
            "split at white space and would be misread; rename them"
        )
