"""Vectors as a column of Arrow: fixed-size lists of float32 of one width, and back.

Shapes: N rows, D width.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def vectors_of(column: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """The rows of a column that `column_of` made, (N, D)."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    return column.flatten().to_numpy().reshape(len(column), column.type.list_size)


def column_of(vectors_ND: np.ndarray) -> pa.Array:
    """A matrix as fixed-size lists of float32."""
    flat = np.ascontiguousarray(vectors_ND, np.float32).reshape(-1)
    return pa.FixedSizeListArray.from_arrays(pa.array(flat), vectors_ND.shape[1])


def matrix_of(column: pa.Array, width: int) -> tuple[np.ndarray, np.ndarray, dict[int, int]]:
    """Any column of lists of numbers as a matrix of float32.

    Args:
        column: lists of numbers; a list of another width is no row of the matrix.
        width: D.

    Returns:
        The matrix (N, D), zeros where a row is null or of another width; which rows are null (N,); other widths by row.
    """
    null_N = np.asarray(column.is_null())
    width_N = pc.list_value_length(column).fill_null(0).to_numpy(zero_copy_only=False)
    fits_N = ~null_N & (width_N == width)
    matrix_ND = np.zeros((len(column), width), np.float32)
    values = column.filter(pa.array(fits_N)).flatten().to_numpy(zero_copy_only=False)
    with np.errstate(over="ignore"):
        matrix_ND[fits_N] = values.astype(np.float32).reshape(-1, width)
    other = np.flatnonzero(~null_N & ~fits_N)
    return matrix_ND, null_N, {int(row): int(width_N[row]) for row in other}


def vector_faults(vectors_ND: np.ndarray) -> dict[int, str]:
    """What is wrong with rows whose direction means nothing: NaN, infinity, or zeros alone."""
    broken_N = ~np.isfinite(vectors_ND).all(axis=1)
    zero_N = ~vectors_ND.any(axis=1)
    found = dict.fromkeys(np.flatnonzero(broken_N).tolist(), "its vector holds NaN or infinity")
    return found | dict.fromkeys(np.flatnonzero(zero_N).tolist(), "its vector is zero, which has no direction")
