"""Bitext: sentences with their English translations, from many formats and languages, as one `datasets` table.

Knows nothing about models, tokens or sampling. The columns are `source` (English), `target` (the other language),
`language` (canonical code of the target), `origin` (the file) and `id`. Built by a `GeneratorBasedBuilder`, so the
table lies in the cache of `datasets` under the fingerprint of the files, or is streamed without ever being whole.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from os import PathLike
from typing import Any, TypeAlias

import datasets
import pyarrow as pa
from datasets import Dataset, IterableDataset, concatenate_datasets
from datasets.exceptions import DatasetGenerationError
from datasets.utils.logging import get_logger

from optical_hf.data.bitext_hub import bitext_of_table, is_table, open_tables
from optical_hf.data.bitext_rows import BITEXT_FEATURES, OnEmpty, bitext_rows
from optical_hf.data.bitext_sources import bitext_files, resolve_sources
from optical_hf.data.readers import READERS, BitextFile
from optical_hf.files import expand_path
from optical_hf.languages import canonical_language

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
    on_empty: OnEmpty = "error"


class Bitext(datasets.ArrowBasedBuilder, datasets.GeneratorBasedBuilder):
    """The builder under `load_bitext`, for files.

    It generates rows, and hands them on as tables of a thousand: checking the type of every single row would take three
    quarters of the time.

    Args:
        sources: files, as `load_bitext` takes them.
        languages: codes of the languages to keep; None keeps all.
        on_empty: what to do with a pair that has an empty side: "error" (file and line are named), "drop" (counted and
            logged) or "keep".
        **kwargs: what every builder of `datasets` takes, such as `cache_dir`.

    Raises:
        ValueError: a missing file, a name that does not say enough, an unknown language code.

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
    VERSION = datasets.Version("1.0.0")

    def __init__(
        self,
        sources: Sources,
        *,
        languages: Sequence[str] | None = None,
        on_empty: OnEmpty = "error",
        **kwargs: Any,
    ) -> None:
        files = [file for language, source in resolve_sources(sources) for file in bitext_files(source, language)]
        wanted = _canonical(languages)
        if wanted is not None:
            found = sorted({file.language for file in files if file.language})
            files = [file for file in files if file.language is None or file.language in wanted]
            if not files:
                raise ValueError(f"no source has pairs in {list(wanted)}; the languages found are {found}")
        super().__init__(files=tuple(files), languages=wanted, on_empty=on_empty, **kwargs)

    def _info(self) -> datasets.DatasetInfo:
        return datasets.DatasetInfo(description=__doc__ or "", features=BITEXT_FEATURES)

    def _split_generators(self, dl_manager: Any) -> list[datasets.SplitGenerator]:
        return [datasets.SplitGenerator(name="train", gen_kwargs={"files": list(self.config.files)})]

    def _generate_tables(self, files: list[BitextFile]) -> Iterator[tuple[int, pa.Table]]:
        examples = self._generate_examples(files)
        while batch := list(islice(examples, _TABLE_ROWS)):
            table = pa.Table.from_pylist([row for _, row in batch], schema=BITEXT_FEATURES.arrow_schema)
            yield batch[0][0], table

    def _generate_examples(self, files: list[BitextFile]) -> Iterator[tuple[int, dict[str, str]]]:
        rows = (
            row
            for file in files
            for row in bitext_rows(READERS[file.format](file), file, self.config.languages, self.config.on_empty)
        )
        yield from enumerate(rows)


def load_bitext(
    sources: Sources,
    *,
    languages: Sequence[str] | None = None,
    on_empty: OnEmpty = "error",
    split: str = "train",
    streaming: bool = False,
    num_proc: int | None = None,
    cache_dir: str | None = None,
) -> Dataset | IterableDataset:
    """Load bitext of any number of languages as one table with the columns of `BITEXT_FEATURES`.

    Args:
        sources: a source, a list of sources, or a mapping from language to a source, a list of sources or a tuple
            (foreign file, English file). A source is a file (TSV, Moses lines, TMX, JSON lines, Parquet, Arrow; plain,
            .gz, .bz2, .xz, .zst or in a .zip), a folder of `datasets`, the id of a hub data set (`owner/name` or
            `owner/name:configuration`), or a `Dataset` with a `translation` column or columns of text.
            `mar-eng.tsv.gz` is read as Marathi, tab, English, as its name says; `"mr=x.tsv"` states the language of the
            first column; `train.de.gz` is read with the lines of `train.en.gz` beside it.
        languages: codes of the languages to keep; None keeps all.
        on_empty: what to do with a pair that has an empty side: "error" (file and line are named), "drop" (counted and
            logged) or "keep".
        split: which split of a hub data set to read.
        streaming: return an `IterableDataset`, which holds one line at a time, instead of a table in the cache.
        num_proc: processes that read several files, or the rows of a table, at once.
        cache_dir: folder of the cache; None is the one of `datasets`.

    Returns:
        The table, in the order of the sources and of their lines.

    Raises:
        ValueError: an unknown language code, a file that is missing, empty or damaged, a line without exactly two
            columns, an empty side, a language that no source has; one line that names the file and the line.

    Example:
        >>> import tempfile, pathlib
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> _ = (folder / "som-eng.tsv").write_text("biyo\\twater\\n", encoding="utf-8")
        >>> rows = load_bitext(folder / "som-eng.tsv", streaming=True)
        >>> row = next(iter(rows))
        >>> row["source"], row["target"], row["language"]
        ('water', 'biyo', 'so')
    """
    wanted = _canonical(languages)
    reading: OnEmpty = "keep" if on_empty == "drop" and not streaming else on_empty
    cache_dir = cache_dir and str(expand_path(cache_dir))
    tables: list[Any] = []
    for tabular, group in groupby(resolve_sources(sources), key=lambda item: is_table(item[1])):
        if tabular:
            for language, source in group:
                for table, code, origin in open_tables(source, language, wanted, split, streaming):
                    if isinstance(table, IterableDataset) and not streaming:
                        raise ValueError(f"{origin}: a streamed table was given; load it with streaming=True")
                    found = table.to_iterable_dataset() if streaming and isinstance(table, Dataset) else table
                    tables.append(
                        bitext_of_table(found, code, origin, wanted=wanted, on_empty=reading, num_proc=num_proc)
                    )
        else:
            files = [{language: source} if language else source for language, source in group]
            tables.append(_built(files, wanted, reading, streaming=streaming, num_proc=num_proc, cache_dir=cache_dir))
    bitext = concatenate_datasets(tables)
    if streaming:
        return bitext
    if wanted and (missing := set(wanted) - set(bitext.unique("language"))):
        raise ValueError(
            f"no source has pairs in {sorted(missing)}; the languages found are {bitext.unique('language')}"
        )
    return _without_empty(bitext) if on_empty == "drop" else bitext


def _built(
    sources: Any,
    wanted: tuple[str, ...] | None,
    on_empty: OnEmpty,
    *,
    streaming: bool,
    num_proc: int | None,
    cache_dir: str | None,
) -> Any:
    """Read files through the builder, and give the reader's own error where one fails."""
    builder = Bitext(sources, languages=wanted, on_empty=on_empty, cache_dir=cache_dir)
    if streaming:
        return builder.as_streaming_dataset(split="train")
    try:
        builder.download_and_prepare(num_proc=num_proc)
    except DatasetGenerationError as error:
        raise _reader_error(error) from None
    if not builder.info.splits["train"].num_examples:
        raise ValueError(f"no source has pairs in {list(wanted or ())}: {len(builder.config.files)} files were read")
    return builder.as_dataset(split="train")


def _without_empty(bitext: Dataset) -> Dataset:
    """Drop the pairs with an empty side, and say how many, whether the table was just read or lay in the cache."""
    kept = bitext.filter(
        lambda sources, targets: [bool(e.strip() and f.strip()) for e, f in zip(sources, targets, strict=True)],
        input_columns=["source", "target"],
        batched=True,
    )
    if dropped := len(bitext) - len(kept):
        logger.warning(f"load_bitext dropped {dropped} of {len(bitext)} pairs, which have an empty side")
    return kept


def _canonical(languages: Sequence[str] | None) -> tuple[str, ...] | None:
    if isinstance(languages, str):
        raise ValueError(
            f"languages: expected a list of codes, got the one string {languages!r}; write [{languages!r}]"
        )
    return None if languages is None else tuple(sorted({canonical_language(code) for code in languages}))


def _reader_error(error: Exception) -> Exception:
    """Dig the reader's one line out of what `datasets` wraps around it, in this process or another."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ValueError):
            return ValueError(str(cause))
        if told := re.findall(r"^ValueError: (.+)$", str(cause), flags=re.MULTILINE):
            return ValueError(told[0])
        cause = cause.__cause__ or cause.__context__
    return error
