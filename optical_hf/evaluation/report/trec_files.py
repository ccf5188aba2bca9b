"""TREC run and qrels files of a report, for trec_eval, ir-measures, and fusion with other people's runs.

A line of a run: query Q0 document rank score system. Equal scores keep our order by rank; trec_eval sorts them by
document id instead, so its figures may differ where documents tie.
"""

from pathlib import Path

from optical_hf.evaluation.report.retrieval_report import RetrievalReport
from optical_hf.files import expand_path, write_text


def write_trec(report: RetrievalReport, folder: str | Path) -> list[Path]:
    """Write `<collection>.<system>.run` for every system and `<collection>.qrels`.

    Args:
        report: as `evaluate_retrieval` returns it; one read from JSON has only the first documents and cannot be written.
        folder: where to.

    Returns:
        The files.

    Raises:
        ValueError: for a report from JSON, or ids with white space, which the format cannot hold.

    Example:
        >>> write_trec(report, "runs")  # doctest: +SKIP
        [PosixPath('runs/flores.student.run'), PosixPath('runs/flores.qrels')]
    """
    if not report.found:
        raise ValueError("this report was read from JSON, which holds no runs: evaluate again and write them then")
    folder, files = expand_path(folder), []
    for name, collection in report.collections.items():
        queries, documents = collection.queries["id"][:], collection.documents["id"][:]
        spaced = [key for key in [*queries, *documents] if not key or any(letter.isspace() for letter in key)]
        if spaced:
            raise ValueError(
                f"{len(spaced)} ids of {name} are empty or hold white space (first: {spaced[0]!r}): a TREC file is "
                "split at white space and would be misread; rename them"
            )
        for system, parts in report.found.items():
            found = parts[name]
            lines = [
                f"{query} Q0 {documents[row]} {rank} {score:.9g} {system}\n"
                for query, rows, scores in zip(queries, found.documents.tolist(), found.scores.tolist(), strict=True)
                for rank, (row, score) in enumerate(zip(rows, scores, strict=True), start=1)
                if row >= 0
            ]
            files.append(folder / f"{name}.{system}.run")
            write_text(files[-1], "".join(lines))
        judged = [
            f"{query} 0 {document} {grade}\n"
            for query in queries
            for document, grade in collection.qrels[query].items()
        ]
        files.append(folder / f"{name}.qrels")
        write_text(files[-1], "".join(judged))
    return files
