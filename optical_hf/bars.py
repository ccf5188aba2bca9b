"""Progress bars: shown in a terminal or a notebook, kept out of logs."""

import os
import sys

NO_BARS = dict.fromkeys(("TQDM_DISABLE", "HF_HUB_DISABLE_PROGRESS_BARS", "HF_DATASETS_DISABLE_PROGRESS_BARS"), "1")
"""The environment of a process without bars."""


def bars_shown(wanted: bool = True) -> bool:
    """Whether to show a progress bar: it is wanted, and the standard error is a terminal or the page of a notebook.

    Args:
        wanted: what the caller wants, as its `progress` argument.

    Example:
        >>> bars_shown(False)
        False
    """
    return wanted and (sys.stderr.isatty() or "ipykernel" in sys.modules)


def quiet_bars() -> None:
    """Switch the bars of tqdm, transformers, datasets and huggingface_hub off where nobody would see them.

    Call it before these libraries are imported: they read it from the environment.
    """
    if not bars_shown():
        os.environ.update(NO_BARS | os.environ)
