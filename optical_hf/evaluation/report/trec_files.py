"""TREC run and qrels files of a report, for trec_eval, ir-measures, and fusion with other people's runs."""

from pathlib import Path

from optical_hf.evaluation.report.retrieval_report import RetrievalReport
from optical_hf.files import expand_path, write_text
from optical_hf.stores.run_lines import check_run_ids, run_lines


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
        check_run_ids([*queries, *documents], name)
        for system, parts in report.found.items():
            found = parts[name]
            lines: list[str] = []
            for query, rows, scores in zip(queries, found.documents.tolist(), found.scores.tolist(), strict=True):
                there = [(documents[row], score) for row, score in zip(rows, scores, strict=True) if row >= 0]
                lines += run_lines(query, there, system)
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
