"""Bitext: sentences with their English translations, from many formats and languages, as one `datasets` table.

Knows nothing about models, tokens or sampling. The columns are `source` (English), `target` (the other language),
`language` (canonical code of the target), `origin` (the file) and `id`. Built by a `GeneratorBasedBuilder`, so the
table lies in the cache of `datasets` under the fingerprint of the files, or is streamed without ever being whole.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any, Literal, TypeAlias

import datasets
from datasets import Dataset, Features, IterableDataset, Value
from datasets.builder import Key
from datasets.exceptions import DatasetGenerationError

from optical_hf.data.bitext_sources import bitext_files, resolve_sources
from optical_hf.data.readers import READERS, BitextFile, Pair
from optical_hf.languages import canonical_language

logger = datasets.logging.get_logger(__name__)

BITEXT_FEATURES = Features({name: Value("string") for name in ("source", "target", "language", "origin", "id")})
"""The columns of a bitext table: English, the other language, its canonical code, the file, an id."""

OnEmpty = Literal["error", "drop", "keep"]
Path: TypeAlias = "str | PathLike[str]"
Source: TypeAlias = "Path | tuple[Path, Path] | Dataset | IterableDataset"
Sources: TypeAlias = "Source | list[Source] | Mapping[str, Source | list[Source]]"


@dataclass
class BitextConfig(datasets.BuilderConfig):
    """What a `Bitext` builder reads; all of it, with sizes and times of the files, names its folder in the cache."""

    files: tuple[BitextFile, ...] = ()
    languages: tuple[str, ...] | None = None
    on_empty: OnEmpty = "error"


class Bitext(datasets.GeneratorBasedBuilder):
    """The builder under `load_bitext`, for files.

    Args:
        sources: files, as `load_bitext` takes them.
        languages: codes of the languages to keep; None keeps all.
        on_empty: what to do with a pair that has an empty side: "error" (file and line are named), "drop" (counted and
            logged) or "keep".
        **kwargs: what every builder of `datasets` takes, such as `cache_dir`.

    Raises:
        ValueError: a missing file, a name that does not say enough, an unknown language code.
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
        wanted = None if languages is None else tuple(sorted({canonical_language(code) for code in languages}))
        if wanted is not None:
            files = [file for file in files if file.language is None or file.language in wanted]
        super().__init__(files=tuple(files), languages=wanted, on_empty=on_empty, **kwargs)

    def _info(self) -> datasets.DatasetInfo:
        return datasets.DatasetInfo(description=__doc__ or "", features=BITEXT_FEATURES)

    def _split_generators(self, dl_manager: Any) -> list[datasets.SplitGenerator]:
        return [datasets.SplitGenerator(name="train", gen_kwargs={"files": list(self.config.files)})]

    def _generate_examples(self, files: list[BitextFile]) -> Iterator[tuple[Key, dict[str, str]]]:
        for place, file in enumerate(files):
            dropped = 0
            for number, pair in enumerate(READERS[file.format](file)):
                language = pair.language or file.language
                assert language is not None
                if self.config.languages is not None and language not in self.config.languages:
                    continue
                if self.config.on_empty != "keep" and not (pair.english.strip() and pair.foreign.strip()):
                    if self.config.on_empty == "error":
                        raise _empty_side(file, pair, language)
                    dropped += 1
                    continue
                yield (
                    Key(place, number),
                    {
                        "source": pair.english,
                        "target": pair.foreign,
                        "language": language,
                        "origin": file.path,
                        "id": pair.id or f"{file.path}:{pair.line}",
                    },
                )
            if dropped:
                logger.warning(f"{file.path}: dropped {dropped} pairs with an empty side")


def load_bitext(
    sources: Sources,
    *,
    languages: Sequence[str] | None = None,
    on_empty: OnEmpty = "error",
    streaming: bool = False,
    num_proc: int | None = None,
    cache_dir: str | None = None,
) -> Dataset | IterableDataset:
    """Load bitext of any number of languages as one table with the columns of `BITEXT_FEATURES`.

    Args:
        sources: a path, a list of paths, or a mapping from language to path, paths or (foreign file, English file).
            `mar-eng.tsv.gz` is read as Marathi, tab, English, as its name says; `"mr=x.tsv"` states the language of the
            first column; `train.de.gz` is read with the lines of `train.en.gz` beside it.
        languages: codes of the languages to keep; None keeps all.
        on_empty: what to do with a pair that has an empty side: "error" (file and line are named), "drop" (counted and
            logged) or "keep".
        streaming: return an `IterableDataset`, which holds one line at a time, instead of a table in the cache.
        num_proc: processes that read several files at once.
        cache_dir: folder of the cache; None is the one of `datasets`.

    Returns:
        The table, in the order of the sources and of their lines.

    Raises:
        ValueError: an unknown language code, a file that is missing, empty or damaged, a line without exactly two
            columns, an empty side; one line that names the file and the line.

    Example:
        >>> import tempfile, pathlib
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> _ = (folder / "som-eng.tsv").write_text("biyo\\twater\\n", encoding="utf-8")
        >>> rows = load_bitext(folder / "som-eng.tsv", streaming=True)
        >>> row = next(iter(rows))
        >>> row["source"], row["target"], row["language"]
        ('water', 'biyo', 'so')
    """
    builder = Bitext(sources, languages=languages, on_empty=on_empty, cache_dir=cache_dir)
    if streaming:
        return builder.as_streaming_dataset(split="train")
    try:
        builder.download_and_prepare(num_proc=num_proc)
    except DatasetGenerationError as error:
        raise _reader_error(error) from None
    return builder.as_dataset(split="train")


def _empty_side(file: BitextFile, pair: Pair, language: str) -> ValueError:
    side = "English" if not pair.english.strip() else language
    return ValueError(
        f"{file.path}:{pair.line}: the {side} side is empty; a student would learn to put nothing where the other "
        'side is. Repair the line, or load with on_empty="drop"'
    )


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
