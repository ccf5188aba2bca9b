"""Flickr30k Entities as a `datasets` builder.

Reads the official release as it is (Plummer et al. 2017, IJCV, arXiv:1505.04870,
github.com/BryanPlummer/flickr30k_entities): `Sentences/*.txt`, `Annotations/*.xml` (or both inside `annotations.zip`),
`train.txt`, `val.txt`, `test.txt` and `UNRELATED_CAPTIONS`, and translated marks in the same notation.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any, Literal

import datasets
from datasets import Dataset, IterableDataset
from datasets.builder import Key

from optical_hf.data.entities.members import stamp
from optical_hf.data.entities.records import FEATURES, RECORDS, Release
from optical_hf.data.entities.splits import check_one_family, split_ids
from optical_hf.files import expand_path
from optical_hf.languages import canonical_language
from optical_hf.reading.reader_errors import reader_errors

Config = Literal["captions", "phrases", "bitext"]
Location = str | PathLike[str]


@dataclass
class EntitiesConfig(datasets.BuilderConfig):
    """What a `Flickr30kEntities` builder reads; with sizes and times of the files, it names the folder in the cache."""

    release: Release | None = None
    splits: tuple[str, ...] = ()
    stamp: tuple[tuple[int, ...], ...] = ()


class Flickr30kEntities(datasets.GeneratorBasedBuilder):
    """The builder; `load_flickr30k_entities` is the short way to a table.

    Args:
        root: folder of the release.
        split: one or more of train, val, test (official) or karpathy_train, karpathy_val, karpathy_test; never of both.
        config: "captions" (an image and its captions a row), "phrases" (a phrase a row) or "bitext" (a caption and its
            translation a row).
        karpathy: where the Karpathy split is listed; see `split_ids`.
        sentences: another folder or archive of marked captions than `root`, or one file with a line an image.
        image_ids: image names, line-aligned with that file, or with the files of `lines`.
        images: folder, .zip or .tar of the images; without it the column `image` is empty.
        lines: for "bitext", language -> (foreign file, English file), line-aligned with `image_ids` as Multi30k has it.
        language: the language of the captions.
        boxes: whether "phrases" reads `Annotations`; without, `boxes` are empty (translated marks without the release).
        strict: whether damage ends the build. Else a damaged mark is left out of its sentence, and an image whose files
            cannot be read is left out; file and line are logged. A missing file always ends it.
        **kwargs: what every builder of `datasets` takes, such as `cache_dir`.

    Raises:
        ValueError: for a mixture of the two split families, a missing file or list, an option that the config lacks.
    """

    BUILDER_CONFIG_CLASS = EntitiesConfig
    VERSION = datasets.Version("1.0.0")

    def __init__(
        self,
        root: Location,
        split: str | Sequence[str] = "train",
        config: Config = "phrases",
        *,
        karpathy: Location | None = None,
        sentences: Location | None = None,
        image_ids: Location | None = None,
        images: Location | None = None,
        lines: Mapping[str, tuple[Location, Location]] | None = None,
        language: str = "en",
        boxes: bool = True,
        strict: bool = False,
        **kwargs: Any,
    ) -> None:
        if config not in FEATURES:
            raise ValueError(f"unknown config {config!r}, expected captions, phrases or bitext")
        if config == "bitext" and (not lines or image_ids is None):
            raise ValueError('config "bitext" needs lines={"de": (foreign file, English file)} and image_ids=file')
        root, karpathy = expand_path(root), None if karpathy is None else expand_path(karpathy)
        splits = (split,) if isinstance(split, str) else tuple(split)
        self._ids = {name: split_ids(name, root, karpathy) for name in splits}
        check_one_family(self._ids)
        pairs = [(code, str(expand_path(one)), str(expand_path(other))) for code, (one, other) in (lines or {}).items()]
        release = Release(
            str(root),
            sentences=_expanded(sentences),
            image_ids=_expanded(image_ids),
            images=_expanded(images),
            lines=tuple((canonical_language(code), foreign, english) for code, foreign, english in pairs),
            language=canonical_language(language),
            boxes=boxes,
            strict=strict,
        )
        files = [*release.files(), *([karpathy] if karpathy else [])]
        stamps = tuple(stamp(path) for path in files)
        super().__init__(config_name=config, release=release, splits=splits, stamp=stamps, **kwargs)

    def _info(self) -> datasets.DatasetInfo:
        return datasets.DatasetInfo(
            description=__doc__ or "",
            features=FEATURES[self.config.name],
            homepage="https://github.com/BryanPlummer/flickr30k_entities",
        )

    def _split_generators(self, dl_manager: Any) -> list[datasets.SplitGenerator]:
        # lists are what several processes share out: a thousand images each
        return [
            datasets.SplitGenerator(
                name=name,
                gen_kwargs={"chunks": [ids[at : at + 1000] for at in range(0, len(ids), 1000)], "split": name},
            )
            for name, ids in self._ids.items()
        ]

    def _generate_examples(self, chunks: list[list[str]], split: str) -> Iterator[tuple[Key, dict[str, Any]]]:
        ids = [image for chunk in chunks for image in chunk]
        for number, row in enumerate(RECORDS[self.config.name](self.config.release, ids)):
            yield Key(0, number), row | {"split": split}


def load_flickr30k_entities(
    root: Location,
    split: str = "train",
    config: Config = "phrases",
    *,
    streaming: bool = False,
    num_proc: int | None = None,
    **options: Any,
) -> Dataset | IterableDataset:
    """Build one split of `Flickr30kEntities` and return it.

    Args:
        root: folder of the release.
        split: which split.
        config: "captions", "phrases" or "bitext".
        streaming: return an `IterableDataset`, which reads an image at a time, instead of a table in the cache.
        num_proc: processes that share the images; one reads about 500 images a second.
        **options: the other arguments of `Flickr30kEntities`.

    Returns:
        The table, with the columns of `FEATURES[config]`.

    Raises:
        ValueError: one line that names the file, id or line.
    """
    builder = Flickr30kEntities(root, split, config, **options)
    if streaming:
        return builder.as_streaming_dataset(split=split)
    with reader_errors():
        builder.download_and_prepare(num_proc=num_proc)
    return builder.as_dataset(split=split)


def _expanded(place: Location | None) -> str | None:
    return None if place is None else str(expand_path(place))
