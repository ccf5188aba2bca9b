"""The rows of the three configs of Flickr30k Entities: an image with its captions, a phrase with its boxes, a caption
pair.

Files are found and opened here, and parsed in `sentences` and `annotations`.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets import Features, Image, Value

from optical_hf.data.entities.annotations import ImageAnnotation, parse_annotation
from optical_hf.data.entities.entity_images import image_id, none_missing, open_images, sound_image
from optical_hf.data.entities.members import TEXT_LIMIT, DamagedFileError, Members, open_members
from optical_hf.data.entities.sentences import Caption, SentenceFiles, SentenceLines, read_unrelated
from optical_hf.reading.line_files import name_parts, read_lines

logger = logging.getLogger(__name__)
Row = dict[str, Any]


class PlainFeatures(Features):
    """Columns of rows that hold what Arrow takes: to look at every value again is 3/5 of the time of a build."""

    def encode_example(self, example: Row) -> Row:
        """The row as it is."""
        return example


def _columns(names: str, **special: Any) -> PlainFeatures:
    """Columns of text, but for the special ones."""
    return PlainFeatures({name: special.get(name, Value("string")) for name in names.split()})


_NUMBER, _FLAG = Value("int32"), Value("bool")
FEATURES = {
    "captions": _columns(
        "image_id image captions unrelated language split",
        image=Image(),
        captions=[Value("string")],
        unrelated=[_FLAG],
    ),
    "phrases": _columns(
        "id image_id phrase types chain_id boxes is_scene no_box caption caption_number start end order unrelated "
        "width height language split",
        types=[Value("string")],
        boxes=[[_NUMBER]],
        **dict.fromkeys(("is_scene", "no_box", "unrelated"), _FLAG),
        **dict.fromkeys(("caption_number", "start", "end", "order", "width", "height"), _NUMBER),
    ),
    "bitext": _columns("source target language origin id image_id split"),
}
"""The columns of each config. Of a phrase, `caption[start:end] == phrase`, and boxes are as `Image.crop` takes them."""


@dataclass(frozen=True)
class Release:
    """Where the files are and how they are read; the attributes are the arguments of `Flickr30kEntities`."""

    root: str
    sentences: str | None = None
    image_ids: str | None = None
    images: str | None = None
    lines: tuple[tuple[str, str, str], ...] = ()
    language: str = "en"
    boxes: bool = True
    strict: bool = False

    def files(self) -> list[Path]:
        """Every file and folder that rows may come from.

        Raises:
            ValueError: for one that was named and is not there.
        """
        root = Path(self.root)
        own = [root / name for name in ("Sentences", "Annotations", "annotations.zip", "UNRELATED_CAPTIONS")]
        lists = [root / f"{split}.txt{packed}" for split in ("train", "val", "test") for packed in ("", ".gz")]
        named = [Path(path) for path in (self.sentences, self.image_ids, self.images) if path is not None]
        named += [Path(path) for _, *pair in self.lines for path in pair]
        for path in named:
            if not path.exists():
                raise ValueError(f"{path}: no such file or folder")
        return [path for path in (*own, *lists) if path.exists()] + named

    def captions(self) -> SentenceFiles | SentenceLines:
        """The marked captions."""
        listed = Path(self.root) / "UNRELATED_CAPTIONS"
        if self.sentences is None:
            unrelated = read_unrelated(listed) if listed.is_file() else frozenset()
            return SentenceFiles(self.members("Sentences", ".txt"), unrelated, self.strict)
        path = Path(self.sentences)
        if path.is_dir() or name_parts(path.name)[-1] in ("zip", "tar", "tgz"):
            return SentenceFiles(open_members(path, (".txt",), TEXT_LIMIT), frozenset(), self.strict)
        return SentenceLines(path, self.image_names(), self.strict)

    def image_names(self) -> list[str]:
        """The image ids that line-aligned files belong to."""
        if self.image_ids is None:
            raise ValueError("files with a line an image need image_ids=, the list of their images, line by line")
        return [image_id(line) for _, line in read_lines(self.image_ids)]

    def members(self, folder: str, suffix: str) -> Members:
        """The files of a folder of the release, unpacked or, as it is downloaded, inside annotations.zip."""
        root, packed = Path(self.root), Path(self.root) / "annotations.zip"
        archived = packed.is_file() and not (root / folder).is_dir()
        return open_members(packed if archived else root, (suffix,), TEXT_LIMIT, folder)

    def leave_out(self, image: str, error: DamagedFileError) -> None:
        """Log that an image is left out; or raise the error, where the build is strict."""
        if self.strict:
            raise error
        logger.warning("image %s is left out: %s", image, error)


def caption_rows(release: Release, ids: Sequence[str]) -> Iterator[Row]:
    """An image and its captions a row; a damaged image is left out where the build is not strict.

    Raises:
        ValueError: when an image or its sentences are missing; how many, and the first id.
    """
    sentences = release.captions()
    images = open_images(release.images) if release.images is not None else None
    missing = set(ids) if images is not None else set()
    for image, content in images.walk(ids) if images is not None else ((image, None) for image in ids):
        missing.discard(image)
        try:
            captions = sentences.captions(image)
            stored = {"bytes": sound_image(content(), f"the image {image}"), "path": image} if content else None
        except DamagedFileError as error:
            release.leave_out(image, error)
            continue
        yield {
            "image_id": image,
            "image": stored,
            "captions": [caption.sentence.text for caption in captions],
            "unrelated": [caption.unrelated for caption in captions],
            "language": release.language,
        }
    none_missing(missing, ids, release.images)


def phrase_rows(release: Release, ids: Sequence[str]) -> Iterator[Row]:
    """A phrase a row, with the boxes of its chain.

    Raises:
        ValueError: when sentences or annotation of an image are missing; the id is named.
    """
    sentences = release.captions()
    annotations = release.members("Annotations", ".xml") if release.boxes else None
    clipped = outside = 0
    for image in ids:
        try:
            captions = sentences.captions(image)
            annotation = _annotation(annotations, image) if annotations is not None else None
        except DamagedFileError as error:
            release.leave_out(image, error)
            continue
        if annotation is not None:
            clipped, outside = clipped + annotation.clipped, outside + annotation.outside
        for caption in captions:
            yield from _marked(image, caption, annotation, release.language)
    if clipped or outside:
        logger.warning(
            "%d boxes reached over the edge of their image and were cut; %d lay outside it", clipped, outside
        )


def bitext_rows(release: Release, ids: Sequence[str]) -> Iterator[Row]:
    """A caption and its translation a row, of the images in `ids`; the columns of `load_bitext`, and the image.

    Raises:
        ValueError: when files differ in their number of lines.
    """
    wanted, images = set(ids), release.image_names()
    for language, foreign, english in release.lines:
        targets, sources = ([line for _, line in read_lines(path)] for path in (foreign, english))
        if not len(targets) == len(sources) == len(images):
            raise ValueError(
                f"{foreign} has {len(targets)} lines, {english} {len(sources)} and the list of images {len(images)}: "
                "line i of all three must belong together"
            )
        kept = 0
        for number, (image, target, source) in enumerate(zip(images, targets, sources, strict=True), start=1):
            if image in wanted:
                kept += 1
                row = {"source": source, "target": target, "language": language, "origin": foreign}
                yield row | {"id": f"{foreign}:{number}", "image_id": image}
        logger.info("%s: %d of %d lines are of images of this split", foreign, kept, len(images))


RECORDS: dict[str, Callable[[Release, Sequence[str]], Iterator[Row]]] = {
    "captions": caption_rows,
    "phrases": phrase_rows,
    "bitext": bitext_rows,
}
"""The rows of each config."""


def _annotation(files: Members, image: str) -> ImageAnnotation:
    content = files.get(image)
    if content is None:
        raise ValueError(f"no annotation for the image {image}: expected {files.where(image)}")
    return parse_annotation(content, files.where(image))


def _marked(image: str, caption: Caption, annotation: ImageAnnotation | None, language: str) -> Iterator[Row]:
    for place, mark in enumerate(caption.sentence.phrases):
        chain = mark.chain_id
        yield {
            "id": f"{image}/{language}/{caption.number}/{place}",
            "image_id": image,
            "phrase": mark.text,
            "types": list(mark.types),
            "chain_id": chain,
            "boxes": [list(box) for box in annotation.boxes.get(chain, ())] if annotation is not None else [],
            "is_scene": annotation is not None and chain in annotation.scenes,
            "no_box": annotation is not None and chain in annotation.without_box,
            "caption": caption.sentence.text,
            "caption_number": caption.number,
            "start": mark.start,
            "end": mark.end,
            "order": mark.order,
            "unrelated": caption.unrelated,
            "width": annotation.width if annotation is not None else None,
            "height": annotation.height if annotation is not None else None,
            "language": language,
        }
