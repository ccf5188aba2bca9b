"""A process that ends when the one that started it is gone, however that came about.

The parent holds one end of a pipe, its children have the other as their standard input: when the parent ends, killed with -9 as
well, the system closes the pipe. This works through processes in between (`accelerate launch`), which hand on their input.
"""

import os
import signal
import threading
from contextlib import suppress


def end_with_parent() -> None:
    """From here on, end this process and its group at once when nobody holds the other end of its standard input."""

    def watch() -> None:
        with suppress(OSError):  # no standard input: nobody to watch
            while os.read(0, 1):
                pass
            if hasattr(os, "killpg"):
                os.killpg(0, signal.SIGKILL)
            os._exit(1)

    threading.Thread(target=watch, daemon=True, name="end with parent").start()
