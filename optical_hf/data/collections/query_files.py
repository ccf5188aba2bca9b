"""Query files: bitext whose English side is the document, perhaps with the English original of each query in a column `english`."""

from datasets import Dataset, Features, Value

from optical_hf.data.bitext.pairs import BITEXT_FEATURES, ORIGINAL, BitextFile, bitext_rows
from optical_hf.data.bitext.readers import READERS
from optical_hf.reading.bad_rows import BadRows, OnBadRow

QUERY_FEATURES = Features({**BITEXT_FEATURES, ORIGINAL: Value("string")})


def read_queries(file: BitextFile, on_bad_row: OnBadRow = "error") -> Dataset:
    """The rows of a query file, with the columns of `load_bitext` and `english`, "" where a query has none.

    Args:
        file: from `bitext_files`.
        on_bad_row: as `load_bitext` takes it.

    Raises:
        ValueError: a row that cannot be used, or no row at all.

    Example:
        >>> import json, pathlib, tempfile
        >>> from optical_hf.data.bitext.sources import bitext_files
        >>> path = pathlib.Path(tempfile.mkdtemp(), "questions.so.jsonl")
        >>> row = {"target": "Yaa qoray?", "english": "Who wrote it?", "source": "The book was written by Ann."}
        >>> _ = path.write_text(json.dumps(row) + "\\n", encoding="utf-8")
        >>> read_queries(bitext_files(str(path))[0])["english"][:]
        ['Who wrote it?']
    """
    bad = BadRows(file.path, on_bad_row)
    rows = list(bitext_rows(READERS[file.format](file, bad), file, None, bad, notes=False, originals=True))
    if not rows:
        raise ValueError(f"{file.path}: no row is left; {bad.left_out}")
    return Dataset.from_list(rows, features=QUERY_FEATURES)
