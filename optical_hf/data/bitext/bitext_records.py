"""Reads bitext that is kept in records: JSON lines, Parquet, Arrow, and rows of `datasets`.

What counts as a pair in a record, in this order: the columns that the user named; a `translation` (a mapping from
code to text, as OPUS-100 and NLLB have it, or an array of codes beside an array of texts); the columns `source` and
`target` (ours, with `language` where there are several); English in a column named by its code, with other columns
named by theirs or with one other column of text.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa

from optical_hf.data.bitext.pairs import ORIGINAL, BitextFile, Pair, Variant, code_of, pair_up
from optical_hf.reading.bad_rows import BadRecord, BadRows
from optical_hf.reading.line_files import lines_of
from optical_hf.reading.record_batches import arrow_batches, json_object, parquet_batches

_NOT_TEXT = frozenset({"id", "language", "origin", "license", "url", "domain", "split", ORIGINAL})


def read_jsonl(file: BitextFile, bad: BadRows) -> Iterator[Pair]:
    """Yield the pairs of a file with one JSON object a line."""
    lines = lines_of(file.path, file.max_line_bytes)
    return bad.reading(lines, lambda number, line: pairs_of_record(json_object(line), number, file))


def read_parquet(file: BitextFile, bad: BadRows) -> Iterator[Pair]:
    """Yield the pairs of a Parquet file, a batch of rows at a time."""
    return _pairs(parquet_batches(file.path), file, bad)


def read_arrow(file: BitextFile, bad: BadRows) -> Iterator[Pair]:
    """Yield the pairs of an Arrow stream, as `datasets` writes it, or of an Arrow file."""
    return _pairs(arrow_batches(file.path), file, bad)


def _pairs(batches: Iterator[pa.RecordBatch], file: BitextFile, bad: BadRows) -> Iterator[Pair]:
    records = enumerate((record for batch in batches for record in batch.to_pylist()), start=1)
    yield from bad.reading(records, lambda row, record: pairs_of_record(record, row, file))


def pairs_of_record(record: Mapping[str, Any], number: int, file: BitextFile) -> list[Pair]:
    """Return the pairs of one record: one, or one for each language beside English.

    Raises:
        BadRecord: no English in it, nothing beside it, no text where one is expected, or no way to tell its language.
    """
    given = _name(record.get("id"))
    translation = record.get("translation")
    if file.columns is not None:
        pairs = [_pair_of_columns(record, number, given, file)]
    elif isinstance(translation, Mapping):
        pairs = _pairs_by_code(_by_code(translation), number, given, file)
    elif "source" in record and "target" in record:
        sides = _text(record, "source"), _text(record, "target")
        pairs = [Pair(number, *sides, _language(record, file), given, _name(record.get("origin")))]
    else:
        columns = {key: value for key, value in record.items() if key not in _NOT_TEXT}  # "id" is not Indonesian here
        pairs = _pairs_by_code(columns, number, given, file, columns=True)
    if not all(pair.language for pair in pairs):
        raise BadRecord(
            f"nothing says which language this is; state it ({{'so': {file.path!r}}}), name "
            "the file like test.so.jsonl, or give the records a column language"
        )
    original = None if file.columns and ORIGINAL in file.columns else record.get(ORIGINAL)
    return [pair._replace(original=original) for pair in pairs] if isinstance(original, str) else pairs


def _pair_of_columns(record: Mapping[str, Any], number: int, name: str | None, file: BitextFile) -> Pair:
    """Return the pair of the two columns that the user named."""
    foreign, english = map(str, file.columns or ())
    for column in (foreign, english):
        if column not in record:
            raise BadRecord(f"no column is named {column!r}; it has {_described(record)}")
    return Pair(number, _text(record, english), _text(record, foreign), _language(record, file), name)


def _language(record: Mapping[str, Any], file: BitextFile) -> str | None:
    """The canonical code that a record states, or else its file."""
    return _code(record["language"]) if record.get("language") else file.language


def _pairs_by_code(
    texts: Mapping[str, Any], number: int, name: str | None, file: BitextFile, columns: bool = False
) -> list[Pair]:
    """Return the pairs of texts that are named by codes; of columns, one without a code may be the foreign text."""
    codes = {key: code_of(key) for key in texts}
    english = [key for key, code in codes.items() if code == "en"]
    if len(english) != 1:
        raise BadRecord(
            "expected one English text, in a column or translation named en, eng or eng_Latn, or the columns "
            f"source and target; got {_described(texts)}"
        )
    others = [key for key, code in codes.items() if key != english[0] and (code or _is_text(texts[key]))]
    named = {key: code for key in others if (code := codes[key]) is not None}
    if not named and len(others) == 1:
        named = {others[0]: file.language or ""}
    named = {key: code for key, code in named.items() if code == file.language} or named
    if columns:  # a count in a column "no" is no Norwegian
        named = {key: code for key, code in named.items() if _is_text(texts[key])} or named
    if not named:
        raise BadRecord(
            f"expected one other column of text, or columns named by language codes; got {_described(texts)}"
        )
    sides = [Variant(key, code, _text(texts, key)) for key, code in {english[0]: "en", **named}.items()]
    return pair_up(number, name, sides[:1], sides[1:])


def _by_code(translation: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a mapping from code to text, also for an array of codes beside an array of texts."""
    codes = translation.get("language")
    if not isinstance(codes, list | tuple):
        return translation
    texts = translation.get("translation")
    if not isinstance(texts, list | tuple) or len(texts) != len(codes):
        raise BadRecord("expected as many texts in translation.translation as codes in translation.language")
    return dict(zip(map(str, codes), texts, strict=True))


def _code(language: Any) -> str:
    code = code_of(str(language))
    if code is None:
        raise BadRecord(f"unknown language code {language!r}")
    return code


def _text(texts: Mapping[str, Any], key: str) -> str:
    """Return a text, "" for null."""
    text = texts[key]
    if text is None:
        return ""
    if not isinstance(text, str):
        raise BadRecord(f"expected a text in {key!r}, got {type(text).__name__}")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise BadRecord(f"the text in {key!r} is half a character at {error.start}, which no UTF-8 can hold") from None
    return text


def _name(value: Any) -> str | None:
    return None if value in (None, "") else str(value).encode(errors="replace").decode()


def _is_text(value: Any) -> bool:
    return value is None or isinstance(value, str)


def _described(texts: Mapping[str, Any]) -> str:
    """The keys, each with the type of what is no text."""
    named = [key if _is_text(value) else f"{key} ({type(value).__name__})" for key, value in sorted(texts.items())]
    return ", ".join(named)[:200] or "no columns"
