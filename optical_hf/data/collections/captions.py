"""Captions by image id, from the layouts in which caption sets are published.

Layouts: line files with a list of image names (Multi30k tasks 1 and 2, Elliott et al.
2016, arXiv:1605.00459, github.com/multi30k/dataset; DutchDescriptions, van Miltenburg et al. 2017,
github.com/cltl/DutchDescriptions; XTD10, Aggarwal and Kale 2020, arXiv:2012.05107); JSON lines with `id` and
`sentences` (IGLUE, Bugliarello et al. 2022, arXiv:2201.11732, github.com/e-bug/iglue); the "captions" config of
`Flickr30kEntities`.
"""

from collections.abc import Mapping, Sequence

from datasets import Dataset

from optical_hf.data.collections.collection_files import Lines, name_of, read_json_lines, read_lines
from optical_hf.data.entities.entity_images import image_id
from optical_hf.tables import check_table

CaptionsByImage = Mapping[str, Sequence[str]]
"""Image id (without .jpg) -> its captions."""


def caption_lines(image_ids: Lines, *files: Lines) -> dict[str, list[str]]:
    """Captions from files that are line-aligned with a list of image names.

    Args:
        image_ids: one image name a line, with or without its suffix.
        *files: one caption a line, of that line's image.

    Raises:
        ValueError: when a file has another number of lines than the list.

    Example:
        >>> caption_lines(["1.jpg", "2.jpg"], ["a dog", "a cat"], ["a puppy", "a kitten"])
        {'1': ['a dog', 'a puppy'], '2': ['a cat', 'a kitten']}
    """
    images = [image_id(line) for line in read_lines(image_ids)]
    captions: dict[str, list[str]] = {image: [] for image in images}
    for file in files:
        lines = list(read_lines(file))
        if len(lines) != len(images):
            raise ValueError(
                f"{name_of(file)} has {len(lines)} lines and the list of images {len(images)}: "
                "they do not belong together"
            )
        for image, line in zip(images, lines, strict=True):
            captions[image].append(line)
    return captions


def caption_json_lines(file: Lines) -> dict[str, list[str]]:
    """Captions from JSON lines with `id` and `sentences`.

    Raises:
        ValueError: for a line of another form.

    Example:
        >>> caption_json_lines(['{"sentences": ["A dog."], "id": "7", "img_path": "7.jpg"}'])
        {'7': ['A dog.']}
    """
    return {str(row["id"]): row["sentences"] for row in read_json_lines(file, "id", "sentences")}


def caption_table(table: Dataset, *, unrelated: bool = False) -> dict[str, list[str]]:
    """Captions from the "captions" config of `Flickr30kEntities`.

    Args:
        table: columns `image_id`, `captions` and `unrelated`.
        unrelated: keep captions that are listed as not describing their image.
    """
    check_table(table, ["image_id", "captions", "unrelated"], "captions")
    return {
        row["image_id"]: [
            text for text, off in zip(row["captions"], row["unrelated"], strict=True) if unrelated or not off
        ]
        for row in table.select_columns(["image_id", "captions", "unrelated"])
    }
