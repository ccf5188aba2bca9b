"""Images by id: which files are images, and which of them can be read.

PIL decides both: every format that it reads is one of ours, and an
image is damaged when PIL cannot decode it to its end. To read its head is not enough, a JPEG cut in half has a sound one.
"""

import os
from collections.abc import Collection, Iterable
from functools import cache
from pathlib import PurePath

import PIL.Image
from datasets import Image
from PIL.ImageFile import StubImageFile

from optical_hf.data.entities.members import DamagedFileError, Members, open_members

LIMIT = 64 << 20


@cache
def image_suffixes() -> tuple[str, ...]:
    """The endings of the formats that PIL reads, the usual ones first."""
    PIL.Image.init()
    unread = {name for name, (opener, _) in PIL.Image.OPEN.items() if _is_stub(opener)}
    known = PIL.Image.registered_extensions()
    read = (suffix for suffix, name in known.items() if name in PIL.Image.OPEN.keys() - unread)
    return tuple(dict.fromkeys([".jpg", ".jpeg", ".png", ".webp", *sorted(read)]))


def image_id(name: str) -> str:
    """The id in an image's name: the name without its ending.

    Example:
        >>> image_id("1007129816.jpg"), image_id("7.webp"), image_id("a.b")
        ('1007129816', '7', 'a.b')
    """
    path = PurePath(name.strip())
    return path.stem if path.suffix.lower() in image_suffixes() else name.strip()


def open_images(location: str | os.PathLike[str]) -> Members:
    """The images of a folder, a .zip or a .tar archive, by the id in their name."""
    return open_members(location, image_suffixes(), LIMIT)


def none_missing(missing: Collection[str], ids: Iterable[str], where: object) -> None:
    """Raise ValueError where images are missing: how many, the first in the order of `ids`, and what was looked for."""
    if missing:
        wanted = list(ids)
        first = next(image for image in wanted if image in missing)
        usual, others = image_suffixes()[:4], len(image_suffixes()) - 4
        raise ValueError(
            f"{len(missing)} of {len(wanted)} images are not in {where}, the first is {first}: looked for the name "
            f"{first} with {', '.join(usual)} or one of the {others} other endings that PIL reads"
        )


def damage(image: dict | None, feature: Image | None = None) -> str | None:
    """What is wrong with a stored image; None where it decodes to its end.

    Args:
        image: its `bytes`, or its `path` where there are none, as `datasets` stores them.
        feature: how its column is decoded.

    Example:
        >>> damage({"bytes": b"", "path": "7.jpg"}), damage({"bytes": b"<html>", "path": "7.jpg"})
        ('the file is empty', 'no image that PIL knows')
    """
    if image is None:
        return "there is none"
    if image["bytes"] == b"":
        return "the file is empty"
    try:
        (feature or Image()).decode_example(image)
    except PIL.UnidentifiedImageError:
        return "no image that PIL knows"
    except Exception as error:  # PIL lets through what its decoders raise: OSError, SyntaxError, struct.error, ...
        return str(error) or type(error).__name__
    return None


def sound_image(content: bytes, where: str) -> bytes:
    """Return the content of an image file.

    Raises:
        DamagedFileError: where it cannot be decoded.
    """
    if reason := damage({"bytes": content, "path": None}):
        raise DamagedFileError(f"{where} cannot be read as an image ({reason})")
    return content


def _is_stub(opener: object) -> bool:
    """A format that PIL recognises and does not decode."""
    return isinstance(opener, type) and issubclass(opener, StubImageFile)
