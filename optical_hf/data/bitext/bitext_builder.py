"""Bitext: sentences with their English translations, from many formats and languages, as one `datasets` table.

The columns are `source` (English), `target` (the other language), `language` (canonical code of the target), `origin` (the
file) and `id`. A table lies in the cache of `datasets` under the fingerprint of its files, or is streamed.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby, islice, pairwise
from os import PathLike
from typing import Any, TypeAlias

import datasets
import pyarrow as pa
import pyarrow.compute as pc
from datasets import Dataset, IterableDataset, concatenate_datasets
from datasets.utils.logging import get_logger

from optical_hf.data.batches.sampling import interleave_languages
from optical_hf.data.bitext.hub_tables import bitext_of_table, is_table, open_tables
from optical_hf.data.bitext.pairs import BITEXT_FEATURES, BitextFile, Columns, OnBadPair, bitext_rows, describe_left_out
from optical_hf.data.bitext.readers import READERS
from optical_hf.data.bitext.sources import bitext_files, checked_columns, record_columns, resolve_sources
from optical_hf.files import expand_path
from optical_hf.languages import canonical_language
from optical_hf.reading.bad_rows import BadRows, LeftOut, OnBadRow, check_on_bad_row
from optical_hf.reading.line_files import LINE_LIMIT
from optical_hf.reading.reader_errors import reader_errors

logger = get_logger(__name__)

_TABLE_ROWS = 1_000
Path: TypeAlias = "str | PathLike[str]"
Source: TypeAlias = "Path | tuple[Path, Path] | Dataset | IterableDataset"
Sources: TypeAlias = "Source | list[Source] | Mapping[str, Source | list[Source]]"


@dataclass
class BitextConfig(datasets.BuilderConfig):
    """What a `Bitext` builder reads; all of it, with sizes and times of the files, names its folder in the cache."""

    files: tuple[BitextFile, ...] = ()
    languages: tuple[str, ...] | None = None
    on_bad_row: OnBadPair = "error"
    notes: bool = False


class Bitext(datasets.ArrowBasedBuilder, datasets.GeneratorBasedBuilder):
    """The builder under `load_bitext`, for files alone.

    Args:
        sources: files, as `load_bitext` takes them, and so are the arguments that follow.
        **kwargs: what every builder of `datasets` takes, such as `cache_dir`.

    Example:
        >>> import tempfile, pathlib
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> _ = (folder / "train.so").write_text("biyo\\n", encoding="utf-8")
        >>> _ = (folder / "train.en").write_text("water\\n", encoding="utf-8")
        >>> builder = Bitext(folder / "train.so", cache_dir=str(folder))
        >>> next(iter(builder.as_streaming_dataset(split="train")))["source"]
        'water'
    """

    BUILDER_CONFIG_CLASS = BitextConfig
    VERSION = datasets.Version("2.0.0")  # tables that older readers made are not taken from the cache

    def __init__(
        self,
        sources: Sources,
        *,
        languages: Sequence[str] | None = None,
        columns: Columns | None = None,
        on_bad_row: OnBadPair = "error",
        max_line_bytes: int = LINE_LIMIT,
        **kwargs: Any,
    ) -> None:
        wanted = _checked(languages, on_bad_row, max_line_bytes)
        general = None if columns is None else checked_columns(columns)
        files = [
            replace(file, max_line_bytes=max_line_bytes)
            for named in resolve_sources(sources)
            for file in bitext_files(named.path, named.language, named.columns or general)
        ]
        kept = [file for file in files if wanted is None or file.language is None or file.language in wanted]
        if not kept:
            found = sorted({str(file.language) for file in files})
            raise ValueError(f"no source has pairs in {list(wanted or ())}; the languages found are {found}")
        super().__init__(files=tuple(kept), languages=wanted, on_bad_row=on_bad_row, **kwargs)

    def _info(self) -> datasets.DatasetInfo:
        return datasets.DatasetInfo(description=__doc__ or "", features=BITEXT_FEATURES)

    def _split_generators(self, dl_manager: Any) -> list[datasets.SplitGenerator]:
        return [datasets.SplitGenerator(name="train", gen_kwargs={"files": list(self.config.files)})]

    def _generate_tables(self, files: list[BitextFile]) -> Iterator[tuple[int, pa.Table]]:
        # Tables, as to check the type of every single row would take three quarters of the time.
        examples = self._generate_examples(files)
        while batch := list(islice(examples, _TABLE_ROWS)):
            table = pa.Table.from_pylist([row for _, row in batch], schema=BITEXT_FEATURES.arrow_schema)
            yield batch[0][0], table

    def _generate_examples(self, files: list[BitextFile]) -> Iterator[tuple[int, dict[str, str]]]:
        yield from enumerate(row for file in files for row in self._rows(file))

    def _rows(self, file: BitextFile) -> Iterator[dict[str, str]]:
        bad = BadRows(file.path, self.config.on_bad_row)
        pairs = READERS[file.format](file, bad)
        yield from bitext_rows(pairs, file, self.config.languages, bad, self.config.notes)


def load_bitext(
    sources: Sources,
    *,
    languages: Sequence[str] | None = None,
    columns: Columns | None = None,
    on_bad_row: OnBadPair = "error",
    max_line_bytes: int = LINE_LIMIT,
    split: str = "train",
    streaming: bool = False,
    num_proc: int | None = None,
    cache_dir: str | None = None,
) -> Dataset | IterableDataset:
    """Load bitext of any number of languages as one table.

    Its columns are `source` (English), `target`, `language` (of the target), `origin` (the file) and `id`.

    Args:
        sources: a source, a list of sources, or a mapping from language to a source, a list of sources or a tuple
            (foreign file, English file). A source is a file (TSV, CSV, Moses lines, TMX, JSON lines, Parquet, Arrow; plain,
            .gz, .bz2, .xz, .zst or in a .zip), a folder of `datasets`, the id of a hub data set (`owner/name` or
            `owner/name:configuration`), or a `Dataset` with a `translation` column or columns of text.
            `mar-eng.tsv.gz` is read as Marathi, tab, English, as its name says; `"mr=x.tsv"` states the language of the
            first column; `train.de.gz` is read with the lines of `train.en.gz` beside it.
        languages: codes of the languages to keep; None keeps all.
        columns: the foreign and the English column: of TSV and CSV files numbers from 1, such as (2, 1), where there is no
            header, or names in the first line; of JSON lines, Parquet, Arrow and tables names. One file alone says it in its
            path, `"sw=x.csv:swahili,english"`.
        on_bad_row: "error" stops at the first row that cannot be used, such as one with an empty side, and names file and
            line; "drop" leaves such rows out; the log and the quality report have their count and the first three; "keep"
            stops as well, but keeps empty sides, for a report.
        max_line_bytes: bound on a line, a unit of TMX or a text.
        split: which split of a hub data set to read.
        streaming: return an `IterableDataset`, which holds one line at a time, instead of a table in the cache.
        num_proc: processes that read several files, or the rows of a table, at once.
        cache_dir: folder of the cache; None is the one of `datasets`.

    Returns:
        The table, in the order of the sources and of their lines.

    Raises:
        ValueError: an unknown language code, a file that is missing, empty or damaged, columns that nobody named, a row
            that cannot be used, a language that no source has; one line that names the file and the line.

    Example:
        >>> import tempfile, pathlib
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> _ = (folder / "som-eng.tsv").write_text("biyo\\twater\\n", encoding="utf-8")
        >>> rows = load_bitext(folder / "som-eng.tsv", streaming=True)
        >>> row = next(iter(rows))
        >>> row["source"], row["target"], row["language"]
        ('water', 'biyo', 'so')
    """
    wanted = _checked(languages, on_bad_row, max_line_bytes)
    tables: list[Any] = []
    for tabular, group in groupby(resolve_sources(sources), key=lambda item: is_table(item.path)):
        if not tabular:
            cache = None if cache_dir is None else str(expand_path(cache_dir))
            builder = Bitext(
                list(group), languages=wanted, columns=columns, on_bad_row=on_bad_row, max_line_bytes=max_line_bytes,
                cache_dir=cache, notes=not streaming,
            )  # type: ignore[arg-type]  # fmt: skip
            tables.append(builder.as_streaming_dataset(split="train") if streaming else _prepared(builder, num_proc))
            continue
        for named in group:
            stated = named.columns or (None if columns is None else checked_columns(columns))
            for table, file in open_tables(named, wanted, split, streaming):
                chosen = record_columns(file.path, stated)
                file = replace(file, max_line_bytes=max_line_bytes, columns=chosen)  # noqa: PLW2901
                tables.append(bitext_of_table(table, file, wanted, on_bad_row, num_proc))
    bitext = concatenate_datasets(tables)
    if streaming:
        return bitext
    bitext = _without_notes(bitext)
    if wanted and (missing := set(wanted) - set(bitext.unique("language"))):
        raise ValueError(
            f"no source has pairs in {sorted(missing)}; the languages found are {bitext.unique('language')}"
        )
    return bitext


def stream_bitext(
    sources: Sources,
    *,
    temperature: float = 1.0,
    max_repeats: float | None = None,
    buffer_size: int = 10_000,
    columns: Columns | None = None,
    on_bad_row: OnBadRow = "error",
    max_line_bytes: int = LINE_LIMIT,
    seed: int = 0,
) -> IterableDataset:
    """Stream bitext, its languages mixed with the probabilities of `language_probabilities`, its rows shuffled in a buffer.

    For what would not fit the disk as a table. The files are read once to count the pairs of each language.

    Args:
        sources: as `load_bitext` takes them.
        temperature: T >= 1; 1 keeps the sizes of the corpora.
        max_repeats: cap on how often a row is seen.
        buffer_size: rows held and shuffled together.
        columns: as `load_bitext` takes it.
        on_bad_row: as `load_bitext` takes it; every reading of a file says in the log what it left out.
        max_line_bytes: as `load_bitext` takes it.
        seed: of the mixture and of the shuffles.

    Returns:
        A stream that ends when every language was exhausted once.

    Raises:
        ValueError: as `load_bitext` and `language_probabilities`.

    Example:
        >>> import tempfile, pathlib
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> for code, word, count in (("som", "biyo", 10), ("deu", "Wasser", 40)):
        ...     _ = (folder / f"{code}-eng.tsv").write_text(f"{word}\\twater\\n" * count, encoding="utf-8")
        >>> mixture = stream_bitext([folder / "som-eng.tsv", folder / "deu-eng.tsv"], temperature=5.0)
        >>> sum(row["language"] == "so" for row in mixture.take(50)) > 10
        True
    """
    read = partial(
        load_bitext, sources, columns=columns, on_bad_row=on_bad_row, max_line_bytes=max_line_bytes, streaming=True
    )
    counts = dict(sorted(Counter(row["language"] for row in read()).items()))
    streams = {code: read(languages=[code]) for code in counts}
    mixture = interleave_languages(streams, counts, temperature=temperature, max_repeats=max_repeats, seed=seed)
    return mixture.shuffle(seed=seed, buffer_size=buffer_size)


def _checked(languages: Sequence[str] | None, on_bad_row: str, max_line_bytes: int) -> tuple[str, ...] | None:
    """Check the arguments of reading, and return the canonical codes of the languages."""
    check_on_bad_row(on_bad_row, ("error", "drop", "keep"))
    if max_line_bytes < 1:
        raise ValueError(f"max_line_bytes is {max_line_bytes}: expected a number of bytes, such as {LINE_LIMIT}")
    if isinstance(languages, str):
        raise ValueError(
            f"languages: expected a list of codes, got the one string {languages!r}; write [{languages!r}]"
        )
    return None if languages is None else tuple(sorted({canonical_language(code) for code in languages}))


def _prepared(builder: Bitext, num_proc: int | None) -> Dataset:
    """Read files through the builder, and give the reader's own error where one fails."""
    with reader_errors():
        builder.download_and_prepare(num_proc=num_proc)
    if not builder.info.splits["train"].num_examples:
        wanted = list(builder.config.languages or ())
        raise ValueError(f"no source has pairs in {wanted}: {len(builder.config.files)} files were read")
    return builder.as_dataset(split="train")


def _without_notes(bitext: Dataset) -> Dataset:
    """Say what was left out, whether the table was just read or lay in the cache, and take the rows that note it away."""
    codes = bitext.select_columns("language").with_format("arrow")[:]["language"]
    places = pc.indices_nonzero(pc.equal(codes, "")).to_pylist()
    if not places:
        return bitext
    found: dict[str, LeftOut] = {}
    for note in bitext.select(places):
        found[note["origin"]] = found.get(note["origin"], LeftOut()) + LeftOut(**json.loads(note["id"]))
    lines = [f"{origin}: {left_out}" for origin, left_out in found.items()]
    for line in lines:
        logger.warning(line)
    ranges = [range(a + 1, b) for a, b in pairwise([-1, *places, len(bitext)]) if b > a + 1]
    if not ranges:
        first, left_out = next(iter(found.items()))
        raise ValueError(f"{first}: no row is left; {left_out}")
    kept = concatenate_datasets([bitext.select(rows) for rows in ranges])
    describe_left_out(kept, lines)
    return kept
