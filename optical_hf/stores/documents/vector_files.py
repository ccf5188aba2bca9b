"""Files of vectors without texts: a NumPy array, or an index of FAISS that gives back what was put in.

Rows are read block by block, in the order of the texts.
"""

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np

from optical_hf.extras import import_extra

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class VectorFile:
    """Vectors by row.

    Attributes:
        path: the file.
        count: rows.
        width: numbers in a row.
        source: a mapped array, or an index of FAISS.
        owner: what frees the source when it goes.
    """

    path: str
    count: int
    width: int
    source: Any
    owner: Any = None

    def rows(self, start: int, stop: int) -> np.ndarray:
        """The vectors from `start` up to `stop`, (rows, width), as they are stored.

        Raises:
            ValueError: an index of FAISS that cannot give its vectors back.
        """
        stop = min(stop, self.count)
        if isinstance(self.source, np.ndarray):
            return np.array(self.source[start:stop])
        try:
            return np.asarray(self.source.reconstruct_n(start, stop - start))
        except RuntimeError as error:
            raise ValueError(
                f"{self.path}: this index of FAISS ({type(self.source).__name__}) does not give its vectors back; export them to "
                "an .npy file where they were made"
            ) from error


def open_vectors(path: str) -> VectorFile:
    """Open a file of vectors, without reading them.

    Raises:
        ValueError: it is damaged, holds objects, or is no matrix of numbers.
        ImportError: for FAISS without the extra `search`.
    """
    return _open_array(path) if path.endswith(".npy") else _open_faiss(path)


def _open_array(path: str) -> VectorFile:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        if "Object arrays" in str(error) or "Array can't be memory-mapped" in str(error):
            raise ValueError(
                f"{path}: the array holds Python objects, which are not read, for they could run code: save it as "
                "np.save(file, np.stack(vectors).astype('float32'))"
            ) from None
        raise ValueError(f"{path}: no readable array of NumPy ({error}); is the file complete?") from None
    if array.ndim != 2 or array.dtype.kind not in "fiu":
        raise ValueError(
            f"{path}: expected numbers as (rows, width), got the shape {array.shape} of {array.dtype}; one row a text"
        )
    return VectorFile(path, len(array), array.shape[1], array)


def _open_faiss(path: str) -> VectorFile:
    faiss = import_extra("faiss", "search", "reading vectors from FAISS")
    try:
        index = whole = faiss.read_index(path)
    except RuntimeError as error:
        raise ValueError(f"{path}: no readable index of FAISS ({_reason(error)}); is the file complete?") from None
    if hasattr(index, "id_map"):
        ids = faiss.vector_to_array(index.id_map)
        if not np.array_equal(ids, np.arange(len(ids))):
            raise ValueError(
                f"{path}: the vectors have ids of their own and not 0, 1, 2, ...: nothing says which text belongs to which; "
                "export them in the order of the texts"
            )
        whole, index = index, faiss.downcast_index(index.index)
    if isinstance(index, faiss.IndexIVF):
        index.make_direct_map()
    if not isinstance(index, faiss.IndexFlat):
        logger.warning(
            "%s: a %s may keep vectors compressed: what it gives back is near them", path, type(index).__name__
        )
    return VectorFile(path, index.ntotal, index.d, index, whole)


def _reason(error: RuntimeError) -> str:
    return str(error).splitlines()[-1][:200]
