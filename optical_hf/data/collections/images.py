"""Retrieval with images: caption to caption of the same image, caption to image, image to caption, phrase to region.

Captions come as image id -> captions (see `captions`), images as a folder, a .zip or .tar
archive, or a table with `image_id` and `image`. Every query of an image has the image as its group, so a bootstrap
resamples images, not captions (five captions of one image are not independent).
"""

import logging
from collections.abc import Collection, Iterator, Mapping
from os import PathLike
from typing import Any, TypeAlias, Unpack

from datasets import Dataset, Features, Image, Value
from datasets.fingerprint import Hasher

from optical_hf.data.collections.captions import CaptionsByImage
from optical_hf.data.collections.collection import BuildOptions, RetrievalCollection, merged_documents, query_table
from optical_hf.data.entities.annotations import Box
from optical_hf.data.entities.entity_images import damage, none_missing, open_images
from optical_hf.data.entities.members import DamagedFileError, stamp
from optical_hf.files import expand_path
from optical_hf.languages import canonical_language
from optical_hf.reading.reader_errors import reader_errors
from optical_hf.tables import check_table

logger = logging.getLogger(__name__)
Images: TypeAlias = "str | PathLike[str] | Dataset"
_IMAGES = Features({"id": Value("string"), "image": Image()})
_REGIONS = Features({"id": Value("string"), "image": Image(), "image_id": Value("string"), "box": [Value("int32")]})


def captions_to_captions(
    name: str,
    queries: Mapping[str, CaptionsByImage],
    documents: CaptionsByImage,
    *,
    english: CaptionsByImage | None = None,
    **options: Unpack[BuildOptions],
) -> RetrievalCollection:
    """Find the English captions of an image from a caption of it that somebody else wrote in another language.

    Independent captions, not translations: the harder and the more honest task. Equal English captions are one
    document, which answers for all their images.

    Args:
        name: what reports call it.
        queries: language -> captions.
        documents: the English captions that are searched, one to five an image.
        english: an English caption in place of each query caption (same image, same place), for the `english` column;
            it should not be among the documents, or the teacher's ceiling is no ceiling.
        **options: `relevant_grade` and `on_bad_row`, as `RetrievalCollection.build` takes them.

    Raises:
        ValueError: when `english` has no caption for a query; and as `RetrievalCollection` does (a query of an image
            without documents, say).

    Example:
        >>> english = {"7": ["a dog", "a puppy"], "8": ["a cat"]}
        >>> captions_to_captions("demo", {"de": {"7": ["ein Hund"]}}, english).relevance
        [[0, 1]]
    """
    found, answers = _caption_documents(documents)
    table = _caption_queries(queries, english)
    qrels = {
        key: dict.fromkeys(answers.get(image, ()), 1) for key, image in zip(table["id"], table["group"], strict=True)
    }
    return RetrievalCollection.build(name, table, found, qrels, **options)


def captions_to_images(
    name: str,
    captions: Mapping[str, CaptionsByImage],
    images: Images,
    *,
    english: CaptionsByImage | None = None,
    **options: Unpack[BuildOptions],
) -> RetrievalCollection:
    """Find the image that a caption describes; the images of all captions are the documents.

    Args:
        name: what reports call it.
        captions: language -> captions.
        images: folder, archive or table.
        english: as in `captions_to_captions`.
        **options: `relevant_grade` and `on_bad_row`, as `RetrievalCollection.build` takes them.

    Raises:
        ValueError: when images are missing (how many, and the first); and as `RetrievalCollection` does.

    Example:
        >>> import PIL.Image
        >>> features = Features({"image_id": Value("string"), "image": Image()})
        >>> row = {"image_id": "7", "image": PIL.Image.new("RGB", (4, 4))}
        >>> table = Dataset.from_list([row], features=features)
        >>> captions_to_images("demo", {"de": {"7": ["ein Hund", "ein Tier"]}}, table).relevance
        [[0], [0]]
    """
    ids = list(dict.fromkeys(image for by_image in captions.values() for image in by_image))
    table = _caption_queries(captions, english)
    qrels = {key: {image: 1} for key, image in zip(table["id"], table["group"], strict=True)}
    return RetrievalCollection.build(name, table, image_documents(images, ids), qrels, **options)


def images_to_captions(
    name: str, images: Images, captions: CaptionsByImage, language: str, **options: Unpack[BuildOptions]
) -> RetrievalCollection:
    """Find the captions of an image among the captions of one language: one collection a language.

    Args:
        name: what reports call it.
        images: folder, archive or table; the images that have captions are the queries.
        captions: captions of the language; equal ones are one document.
        language: the language of the captions, and so of the queries' row in a report.
        **options: `relevant_grade` and `on_bad_row`, as `RetrievalCollection.build` takes them.

    Raises:
        ValueError: when images are missing (how many, and the first); and as `RetrievalCollection` does.

    Example:
        >>> import PIL.Image
        >>> features = Features({"image_id": Value("string"), "image": Image()})
        >>> row = {"image_id": "7", "image": PIL.Image.new("RGB", (4, 4))}
        >>> table = Dataset.from_list([row], features=features)
        >>> images_to_captions("demo", table, {"7": ["ein Hund", "ein Tier"]}, "de").relevance
        [[0, 1]]
    """
    found, answers = _caption_documents(captions)
    queries = image_documents(images, list(captions))
    queries = queries.add_column("language", [canonical_language(language)] * len(queries))
    queries = queries.add_column("group", queries["id"][:])
    qrels = {image: dict.fromkeys(keys, 1) for image, keys in answers.items()}
    return RetrievalCollection.build(name, queries, found, qrels, **options)


def phrases_to_regions(
    name: str, phrases: Dataset, images: Images, **options: Unpack[BuildOptions]
) -> RetrievalCollection:
    """Find the regions of all images that a phrase names.

    The documents are the annotated boxes, each once, cut out of their image. Equal phrases of a language (case set
    aside) are one query, which all their regions answer: nobody could tell "a man" from "a man". Phrases without a box
    (scenes, chain 0, captions that do not describe their image) are no queries. The group of a query is its first image.

    Args:
        name: what reports call it.
        phrases: the "phrases" config of `Flickr30kEntities`, of one or (concatenated) several languages.
        images: folder, archive or table.
        **options: `relevant_grade` and `on_bad_row`, as `RetrievalCollection.build` takes them.

    Raises:
        ValueError: when no phrase has a box, or images are missing; and as `RetrievalCollection` does.
    """
    check_table(phrases, what="phrases")
    rows: dict[str, dict[str, str | None]] = {}
    qrels: dict[str, dict[str, int]] = {}
    boxes: dict[str, dict[Box, None]] = {}
    columns = ["id", "image_id", "phrase", "boxes", "language", "unrelated"]
    for row in phrases.select_columns(columns):
        if not row["boxes"] or row["unrelated"]:
            continue
        key = f"{row['language']}/{row['phrase'].casefold()}"
        first = rows.setdefault(
            key, {"id": row["id"], "text": row["phrase"], "language": row["language"], "group": row["image_id"]}
        )
        for box in row["boxes"]:
            boxes.setdefault(row["image_id"], {})[Box(*box)] = None
            qrels.setdefault(str(first["id"]), {})[_region_id(row["image_id"], box)] = 1
    if not rows:
        raise ValueError(f"{name}: no phrase has a box; was the table built with boxes=False?")
    regions = _stored(_regions, images, list(boxes), _REGIONS, boxes=tuple(tuple(each) for each in boxes.values()))
    return RetrievalCollection.build(name, query_table(rows.values()), regions, qrels, **options)


def image_documents(images: Images, ids: Collection[str]) -> Dataset:
    """The images of some ids, as documents with `id` and `image`.

    Raises:
        ValueError: when images are missing; how many, and the first.
    """
    if isinstance(images, Dataset):
        place = {image: row for row, image in enumerate(images["image_id"])}
        none_missing({image for image in ids if image not in place}, ids, "the table")
        chosen = images.select([place[image] for image in ids]).select_columns(["image_id", "image"])
        return chosen.rename_column("image_id", "id")
    return _stored(_whole, images, list(ids), _IMAGES)


def _caption_documents(captions: CaptionsByImage) -> tuple[Dataset, dict[str, list[str]]]:
    """Captions as documents, equal ones once; and the documents of each image."""
    first_with: dict[str, str] = {}
    answers = {
        image: [first_with.setdefault(text.strip(), f"{image}/{place}") for place, text in enumerate(texts)]
        for image, texts in captions.items()
    }
    return merged_documents(first_with), answers


def _caption_queries(captions: Mapping[str, CaptionsByImage], english: CaptionsByImage | None) -> Dataset:
    rows: list[dict[str, str | None]] = []
    for code, by_image in captions.items():
        language = canonical_language(code)
        for image, texts in by_image.items():
            beside = english.get(image, ()) if english is not None else [None] * len(texts)
            if len(beside) != len(texts):
                raise ValueError(
                    f"image {image} has {len(texts)} captions in {code} and {len(beside)} in `english`: "
                    "each query needs one"
                )
            for place, (text, other) in enumerate(zip(texts, beside, strict=True)):
                key = f"{language}/{image}/{place}"
                rows.append({"id": key, "text": text, "language": language, "group": image, "english": other})
    return query_table(rows)


def _stored(read: Any, images: Images, ids: list[str], features: Features, **options: Any) -> Dataset:
    """Image documents in the cache of `datasets`, keyed by the images' files, the ids and the options."""
    check_table(images, what="images")
    if isinstance(images, Dataset):
        mark: Any = images._fingerprint
    else:
        images = expand_path(images)
        mark = (str(images.absolute()), stamp(images)) if images.exists() else None
    with reader_errors():
        return Dataset.from_generator(
            read,
            features=features,
            gen_kwargs={"images": images, "ids": tuple(ids), **options},
            fingerprint=Hasher.hash((read.__qualname__, mark, ids, sorted(options.items()))),
        )


def _whole(images: Images, ids: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    return ({"id": image, "image": stored} for image, stored in _contents(images, ids))


def _regions(images: Images, ids: tuple[str, ...], boxes: tuple[tuple[Box, ...], ...]) -> Iterator[dict[str, Any]]:
    """The regions of every image; a damaged image stands in for its regions, to be found and named with the others."""
    boxes_of = dict(zip(ids, boxes, strict=True))
    for image, stored in _contents(images, ids):
        picture = None if damage(stored) else Image().decode_example(stored)
        for box in boxes_of[image]:
            cut = stored if picture is None else picture.crop(box)
            yield {"id": _region_id(image, box), "image": cut, "image_id": image, "box": list(box)}


def _contents(images: Images, ids: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    """The images of some ids as they are stored; all of them, or an error at the end."""
    if isinstance(images, Dataset):
        table = image_documents(images, ids)
        yield from zip(table["id"], table.cast_column("image", Image(decode=False))["image"], strict=True)
        return
    missing = set(ids)
    for image, read in open_images(images).walk(ids):
        missing.discard(image)
        try:
            content = read()
        except DamagedFileError as error:
            logger.warning("%s", error)
            content = b""
        yield image, {"bytes": content, "path": image}
    none_missing(missing, ids, images)


def _region_id(image: str, box: Collection[int]) -> str:
    return f"{image}/{','.join(map(str, box))}"
