"""The splits of Flickr30k, and the rule that the two families of splits are never mixed.

The official split (`train`, `val`, `test`: 29,783, 1,000 and 1,000 images) comes
with Flickr30k Entities as lists of ids. The Karpathy split (`karpathy_train`, `karpathy_val`, `karpathy_test`: 29,000,
1,014 and 1,000) is that of Karpathy and Fei-Fei 2015 (CVPR, arXiv:1412.2306), which Multi30k follows. They overlap: 944
Karpathy test images are in the official train list, so a model trained on one and tested on the other has seen the
test.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations, product
from pathlib import Path
from typing import Literal, get_args

from datasets import Dataset

from optical_hf.data.bitext.bitext_records import BadRecord, json_object
from optical_hf.data.entities.entity_images import image_id
from optical_hf.reading.line_files import read_lines

SplitName = Literal["train", "val", "test", "karpathy_train", "karpathy_val", "karpathy_test"]
SPLITS: tuple[str, ...] = get_args(SplitName)
_KARPATHY = "karpathy_"
KARPATHY_LIMIT = 2**28  # bytes of its one line


def family(split: str) -> str:
    """The family that a split belongs to, `official` or `karpathy`."""
    return "karpathy" if split.startswith(_KARPATHY) else "official"


def split_ids(split: str, root: Path, karpathy: Path | None) -> list[str]:
    """The image ids of a split, in the order of its list.

    Args:
        split: one of `SPLITS`.
        root: folder of the official lists, `train.txt`, `val.txt`, `test.txt`, plain or .gz.
        karpathy: Karpathy's `dataset_flickr30k.json`, or a folder of lists like Multi30k's `image_splits` (`train.txt`,
            `val.txt`, `test.txt` or `test_2016_flickr.txt`, with or without `.jpg`).

    Raises:
        ValueError: for an unknown split or a list that is not there.
    """
    if split not in SPLITS:
        raise ValueError(f"unknown split {split!r}, expected one of {', '.join(SPLITS)}")
    name = split.removeprefix(_KARPATHY)
    if family(split) == "official":
        return _listed(root, [name], split)
    if karpathy is None:
        raise ValueError(
            f"{split} needs the list of its images: pass karpathy=, the path of dataset_flickr30k.json or of the "
            "folder image_splits of Multi30k. The official list of the same name has other images"
        )
    if karpathy.is_file():
        text = "\n".join(line for _, line in read_lines(str(karpathy), KARPATHY_LIMIT))
        try:
            images = json_object(text)["images"]
            return [Path(image["filename"]).stem for image in images if image["split"] == name]
        except (BadRecord, KeyError, TypeError) as error:
            raise ValueError(f"{karpathy}: expected the images of dataset_flickr30k.json, got {error!r}") from None
    return _listed(karpathy, [name, "test_2016_flickr"] if name == "test" else [name], split)


def check_one_family(ids: Mapping[str, Sequence[str]]) -> None:
    """Raise ValueError where the splits are of both families, or share images; it says how many.

    Args:
        ids: split -> its image ids.
    """
    for first, second in combinations(ids, 2):
        _check_pair(first, set(ids[first]), second, set(ids[second]))


def check_splits(*tables: Dataset) -> None:
    """Raise ValueError where tables (training and evaluation data, say) mix the two families or share images.

    Args:
        *tables: tables that `Flickr30kEntities` built, or any with the columns `image_id` and `split`.

    Raises:
        ValueError: with the splits and the number of images that they share.

    Example:
        >>> train = Dataset.from_dict({"image_id": ["1", "2"], "split": ["train", "train"]})
        >>> check_splits(train, Dataset.from_dict({"image_id": ["3"], "split": ["test"]}))
    """
    images: list[dict[str, set[str]]] = []
    for table in tables:
        by_split: dict[str, set[str]] = {}
        for row in table.select_columns(["image_id", "split"]):
            by_split.setdefault(row["split"], set()).add(row["image_id"])
        images.append(by_split)
    for left, right in combinations(images, 2):
        for (first, first_ids), (second, second_ids) in product(left.items(), right.items()):
            if first != second:
                _check_pair(first, first_ids, second, second_ids)


def _check_pair(first: str, first_ids: set[str], second: str, second_ids: set[str]) -> None:
    shared = len(first_ids & second_ids)
    images = f"{shared} image" + ("" if shared == 1 else "s")
    if family(first) != family(second):
        raise ValueError(
            f"{first} is of the {family(first)} split and {second} of the {family(second)} one; they share {images}. What "
            "is trained on one and tested on the other has seen part of the test. To fix this, take both from one family"
        )
    if shared:
        raise ValueError(f"{first} and {second} share {images}: one of the two lists is not what its name says")


def _listed(folder: Path, names: Sequence[str], split: str) -> list[str]:
    candidates = [folder / f"{name}.txt{packed}" for name in names for packed in ("", ".gz")]
    path = next((path for path in candidates if path.is_file()), None)
    if path is None:
        raise ValueError(f"the list of the images of {split} is missing: expected {candidates[0]} (or .gz)")
    return [image_id(line) for _, line in read_lines(str(path)) if line.strip()]
