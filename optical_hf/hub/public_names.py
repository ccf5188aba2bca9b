"""Names that may be published: a path of this machine says nothing to others, and too much about its owner."""

import logging
import os
import re
from pathlib import Path, PureWindowsPath

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
