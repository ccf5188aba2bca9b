"""Reads records batch by batch: Parquet and Arrow files, plain, compressed or in a zip archive, and single JSON objects.

A damaged file is an error of one line that names the file and the row.
"""

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from typing import Any, BinaryIO, TypeAlias, cast

import pyarrow as pa
import pyarrow.parquet as pq

from optical_hf.reading.bad_rows import BadRecord
from optical_hf.reading.line_files import named_damage, open_binary

PAGE = 2**20
"""Bytes of a Parquet file that are read together."""
Batches: TypeAlias = Iterator[pa.RecordBatch]


def json_object(line: str) -> dict[str, Any]:
    """Read one JSON object.

    Raises:
        BadRecord: it is none, or nothing that Python reads.
    """
    try:
        record = json.loads(line)
    except RecursionError:
        raise BadRecord("not one JSON object a line (nested too deeply)") from None
    except ValueError as error:  # JSONDecodeError, and numbers of more than 4,300 digits
        raise BadRecord(f"not one JSON object a line ({str(error).partition(';')[0]})") from None
    if not isinstance(record, dict):
        raise BadRecord(f"expected a JSON object, got {type(record).__name__}")
    return record


def parquet_schema(path: str) -> pa.Schema:
    """The columns of a Parquet file.

    Raises:
        ValueError: it is damaged.
    """
    with named_damage(lambda: f"{path}: not a readable Parquet file"), open_binary(path) as raw:
        return pq.ParquetFile(_seekable(raw)).schema_arrow


def parquet_batches(path: str, columns: Sequence[str] | None = None, batch_size: int = 65_536) -> Batches:
    """Yield the rows of a Parquet file.

    Args:
        path: the file.
        columns: those that are read; None reads all.
        batch_size: rows in a batch.

    Raises:
        ValueError: it is empty or damaged; file and row are named.
    """

    def batches(raw: BinaryIO) -> Batches:
        # Page by page: the defaults read a row group whole, and the next ones ahead.
        file = pq.ParquetFile(raw, pre_buffer=False, buffer_size=PAGE)
        yield from file.iter_batches(batch_size, columns=columns, use_threads=False)

    return _read(batches, "a readable Parquet file", path)


def arrow_batches(path: str) -> Batches:
    """Yield the rows of an Arrow stream, as `datasets` writes it, or of an Arrow file.

    Raises:
        ValueError: it is empty or damaged; file and row are named.
    """

    def batches(raw: BinaryIO) -> Batches:
        try:
            stream = pa.ipc.open_stream(raw)
        except pa.ArrowInvalid:
            raw.seek(0)
            reader = pa.ipc.open_file(raw)
            stream = map(reader.get_batch, range(reader.num_record_batches))
        yield from stream

    return _read(batches, "a readable Arrow stream or file", path)


def _read(batches: Callable[[BinaryIO], Batches], what: str, path: str) -> Batches:
    number = 0
    with named_damage(lambda: f"{path}:{number + 1}: not {what}"), open_binary(path) as raw:
        for batch in batches(_seekable(raw)):
            batch.validate(full=True)  # reading damaged offsets would end the process
            yield batch
            number += len(batch)
    if number == 0:
        raise ValueError(f"{path}: the file is empty, expected at least one row")


def _seekable(raw: BinaryIO) -> BinaryIO:
    """The file, or where one can only go forward in it (zstd) a copy on the disk."""
    if raw.seekable():
        return raw
    copy = tempfile.TemporaryFile()  # noqa: SIM115  its last reader closes it
    shutil.copyfileobj(raw, copy)
    copy.seek(0)
    return cast(BinaryIO, copy)
