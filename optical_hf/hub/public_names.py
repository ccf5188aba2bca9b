"""Names that may be published: a path of this machine says nothing to others, and too much about its owner."""

import logging
import os
import re
from collections.abc import Mapping
from pathlib import Path, PureWindowsPath
from typing import Any

logger = logging.getLogger(__name__)


def is_local(name: str) -> bool:
    """Whether a name is, or looks like, a path of a machine and no name of the hub.

    Example:
        >>> [is_local(name) for name in ("org/model", "late MiniLM", "/home/me/model", "~/model", "runs/so/3", "C:\\\\models")]
        [False, False, True, True, True, True]
    """
    looks = name.startswith(("/", "~", ".", "$")) or "\\" in name or name.count("/") > 1 or re.match("[A-Za-z]:", name)
    return bool(looks) or (("/" in name or os.sep in name or Path(name).is_dir()) and Path(name).exists())


def public_name(name: str | None, what: str) -> str | None:
    """The name, or None for a path, which is left out with a warning.

    Args:
        name: an id of the hub, or any other name.
        what: whose name it is, for the warning.
    """
    if name is None or not is_local(name):
        return name
    logger.warning("the %s %r is a path of this machine: the model card leaves it out", what, name)
    return None


def last_part(name: str) -> str:
    """The name, or of a path its last part: for what must be called something.

    Example:
        >>> last_part("/home/me/test.so"), last_part("Tatoeba (so)")
        ('test.so', 'Tatoeba (so)')
    """
    return PureWindowsPath(name).name or "unnamed" if is_local(name) else name


def public_values(value: Any) -> Any:
    """Plain values, such as those of JSON, in which every path is its last part; ids are left as they are.

    Example:
        >>> public_values({"documents": {"/home/me/test.so": 400}, "ids": ["a/b/1"]})
        {'documents': {'test.so': 400}, 'ids': ['a/b/1']}
    """
    if isinstance(value, str):
        return last_part(value)
    if isinstance(value, Mapping):
        return {last_part(key): part if key == "ids" else public_values(part) for key, part in value.items()}
    return [public_values(part) for part in value] if isinstance(value, list | tuple) else value
