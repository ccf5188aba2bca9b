"""Retrieval collections from the files named on a command line."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from optical_hf.data import RetrievalCollection
from optical_hf.data.bitext.sources import bitext_files, resolve_sources
from optical_hf.data.collections.query_files import read_queries
from optical_hf.reading.bad_rows import OnBadRow


def collections_of(
    files: Sequence[str],
    limit: int | None = None,
    *,
    on_bad_row: OnBadRow = "error",
) -> list[RetrievalCollection]:
    """Read evaluation files: every line a query in a foreign language whose English side is the document it must find.

    Args:
        files: as for bitext: TSV `foreign<TAB>english` (`mar-eng.tsv.gz`, or `mr=FILE`), or line pairs (`test.de.gz` with
            `test.en.gz` beside it). Line files that share their English side become one collection, so that the languages are
            compared on the same documents. A column `english` beside them, in a file whose columns have names or in records, is
            the English of each query.
        limit: read the first so many pairs of each file.
        on_bad_row: as `load_bitext` takes it.

    Returns:
        One collection for every set of English documents.
    """
    shared: dict[str, dict[str, str]] = defaultdict(dict)
    found: list[RetrievalCollection] = []
    for stated, path, columns in resolve_sources(list(files)):
        for file in bitext_files(path, stated, columns):
            if file.english_path is not None and file.language is not None:
                shared[file.english_path][file.language] = file.path
                continue
            rows = read_queries(file, on_bad_row)
            for language in rows.unique("language"):
                name = f"{Path(file.path).name} ({language})"
                found.append(RetrievalCollection.from_bitext(name, rows, language, limit=limit))
    for english, queries in shared.items():
        found.append(
            RetrievalCollection.from_lines(Path(english).name, queries, english, limit=limit, on_bad_row=on_bad_row)
        )
    return found
