"""`open_index`: the index that a user has, ready to be searched by a student."""

from pathlib import Path
from typing import TypeAlias

from datasets import Dataset

from optical_hf.files import check_folder
from optical_hf.models.tokens import Encoder
from optical_hf.search.read_index import ReadIndex
from optical_hf.stores import open_store
from optical_hf.stores.document_store import DocumentStore
from optical_hf.stores.exact_search import ExactSearch
from optical_hf.stores.file_store import FileStore, TableVectors, read_table
from optical_hf.stores.search_engine import Search
from optical_hf.stores.store_location import StoreLocation

IndexSource: TypeAlias = "str | Path | Dataset | DocumentStore"


def open_index(
    source: IndexSource,
    *,
    teacher: Encoder | None = None,
    search: Search | None = None,
    cache: str | Path | None = None,
    progress: bool = True,
) -> DocumentStore:
    """Open an index for many searches; `student_search` opens it for one.

    Args:
        source: the URL of a store, as `open_store` takes it; a file of texts and vectors; a `Dataset` with `text`, `vector` and
            perhaps `id`; or a store that is open.
        teacher: reads the texts of an index that has no vectors, or none of tokens where `search` is "maxsim".
        search: of texts that the teacher reads: by one vector a text, or one a token; None takes the teacher's kind.
        cache: a folder for the vectors that the teacher gives.
        progress: show a bar of progress.

    Raises:
        ValueError: an index that cannot be read, or texts without vectors and no teacher.
        ImportError: for a store without the extra of its engine.

    Example:
        >>> index = open_index(Dataset.from_dict({"text": ["a dog", "a cat"], "vector": [[1.0, 0.0], [0.0, 1.0]]}))
        >>> index.count, index.width, index.metric
        (2, 2, 'cosine')
    """
    if isinstance(source, Dataset):
        opened = _of_table(source)
    else:
        opened = open_store(str(source)) if isinstance(source, str | Path) else source
    if teacher is not None and (not opened.width or (search == "maxsim" and not opened.late_interaction)):
        return ReadIndex.by(teacher, opened, search, None if cache is None else check_folder(cache), progress)
    if not opened.width:
        raise ValueError(
            f"{opened.location} holds {opened.count:,} texts and no vectors: name the column of the vectors (?vector=NAME), or the "
            "teacher that reads the texts (teacher=, --teacher)"
        )
    return opened


def _of_table(documents: Dataset) -> DocumentStore:
    location = StoreLocation("file", "the table", id="id" if "id" in documents.column_names else None)
    table = read_table(location, documents)
    return FileStore(location, table, "cosine", ExactSearch().index(TableVectors(table, True)))  # type: ignore[arg-type]
