"""Reads bitext that is kept in records: JSON lines, Parquet, Arrow, and rows of `datasets`.

Knows nothing about files of lines. What counts as a pair in a record, in this order: a `translation` (a mapping from
code to text, as OPUS-100 and NLLB have it, or an array of codes beside an array of texts); the columns `source` and
`target` (ours, with `language` where there are several); English in a column named by its code, with other columns
named by theirs or with one other column of text.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from optical_hf.data.readers.files import open_binary, read_lines
from optical_hf.data.readers.pairs import BitextFile, Pair, code_of

_NOT_TEXT = frozenset({"id", "language", "origin", "license", "url", "domain", "split"})


def read_jsonl(file: BitextFile) -> Iterator[Pair]:
    """Yield the pairs of a file with one JSON object a line."""
    for number, line in read_lines(file.path):
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            raise ValueError(f"{file.path}:{number}: not one JSON object a line ({error})") from None
        if not isinstance(record, dict):
            raise ValueError(f"{file.path}:{number}: expected a JSON object, got {type(record).__name__}")
        yield from pairs_of_record(record, number, file)


def read_parquet(file: BitextFile) -> Iterator[Pair]:
    """Yield the pairs of a Parquet file, a batch of rows at a time."""
    try:
        with open_binary(file.path) as raw:
            yield from _batches(pq.ParquetFile(raw).iter_batches(), file)
    except pa.ArrowInvalid as error:
        raise ValueError(f"{file.path}: not a readable Parquet file ({error})") from None


def read_arrow(file: BitextFile) -> Iterator[Pair]:
    """Yield the pairs of an Arrow stream, as `datasets` writes it, or of an Arrow file."""
    with open_binary(file.path) as raw:
        try:
            yield from _batches(iter(pa.ipc.open_stream(raw)), file)
            return
        except pa.ArrowInvalid:
            raw.seek(0)
        try:
            reader = pa.ipc.open_file(raw)
        except pa.ArrowInvalid as error:
            raise ValueError(f"{file.path}: neither an Arrow stream nor an Arrow file ({error})") from None
        yield from _batches((reader.get_batch(place) for place in range(reader.num_record_batches)), file)


def _batches(batches: Iterator[pa.RecordBatch], file: BitextFile) -> Iterator[Pair]:
    number = 0
    for batch in batches:
        for record in batch.to_pylist():
            number += 1
            yield from pairs_of_record(record, number, file)
    if number == 0:
        raise ValueError(f"{file.path}: the file is empty, expected at least one row")


def pairs_of_record(record: Mapping[str, Any], number: int, file: BitextFile) -> Iterator[Pair]:
    """Yield the pairs of one record: one, or one for each language beside English.

    Raises:
        ValueError: no English in it, nothing beside it, or no way to tell its language; file and line are named.
    """
    where = f"{file.path}:{number}"
    given = None if record.get("id") in (None, "") else str(record["id"])
    translation = record.get("translation")
    if isinstance(translation, Mapping) and isinstance(translation.get("language"), list | tuple):
        translation = dict(zip(translation["language"], translation["translation"], strict=True))
    if "source" in record and "target" in record and not isinstance(translation, Mapping):
        language = _code(record["language"], where) if record.get("language") else file.language
        pair = Pair(number, record["source"] or "", record["target"] or "", language, given, record.get("origin"))
        yield _checked(pair, file)
        return
    texts = translation if isinstance(translation, Mapping) else record
    hidden = _NOT_TEXT if texts is record else frozenset()  # "id" is Indonesian, but not as a column
    codes = {key: code_of(key) for key, text in texts.items() if key not in hidden and _is_text(text)}
    english = [key for key, code in codes.items() if code == "en"]
    if len(english) != 1:
        raise ValueError(
            f"{where}: expected one English text, in a column or translation named en, eng or eng_Latn, or the columns "
            f"source and target; got {sorted(texts)}"
        )
    del codes[english[0]]
    named = {key: code for key, code in codes.items() if code is not None}
    if not named and len(codes) == 1:
        named = dict.fromkeys(codes, file.language or "")
    if file.language in named.values():
        named = {key: code for key, code in named.items() if code == file.language}
    if not named:
        raise ValueError(
            f"{where}: expected one other column of text, or columns named by language codes; got {sorted(codes)}"
        )
    for key, code in named.items():
        one = given if given is None or len(named) == 1 else f"{given}:{code}"
        yield _checked(Pair(number, texts[english[0]] or "", texts[key] or "", code, one), file)


def _checked(pair: Pair, file: BitextFile) -> Pair:
    if not pair.language:
        raise ValueError(
            f"{file.path}:{pair.line}: nothing says which language this is; state it ({{'so': {file.path!r}}}), name "
            "the file like test.so.jsonl, or give the records a column language"
        )
    return pair


def _code(language: Any, where: str) -> str:
    code = code_of(str(language))
    if code is None:
        raise ValueError(f"{where}: unknown language code {language!r}")
    return code


def _is_text(value: Any) -> bool:
    return value is None or isinstance(value, str)
