"""Run the command line: its exit status, and one line on the standard error where it did not do what it was asked to.

The verbs are imported inside, as that takes seconds: Ctrl-C ends them in one line as well.
"""

import logging
import os
import re
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from optical_hf.bars import quiet_bars
from optical_hf.cli.ending import DONE, FAILED, INTERRUPTED, USAGE, UsageError, print_version

EXPECTED = (ValueError, ImportError, OSError)
"""What the package raises with a message for users; of any other error the type is printed as well."""


def main() -> None:
    """Run the command line and leave with its status: 0 done, 1 failed, 2 not understood, 130 interrupted by Ctrl-C.

    An error is one line on the standard error. Set OPTICAL_HF_TRACEBACK=1 to see the traceback as well.
    """
    status = FAILED
    try:
        status = _run()
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # ending takes a moment: a second Ctrl-C must not break it
        status = INTERRUPTED
        _tell("interrupted")
    except UsageError as error:
        status = USAGE
        if os.environ.get("LOCAL_RANK", "0") == "0":  # all processes of a launcher have the same options
            _tell_usage(error)
    except Exception as error:
        _tell_failure(error)
    finally:
        # Missing where nothing was loaded, as by --version: then there are no processes to leave.
        processes = sys.modules.get("optical_hf.processes")
        if processes is not None:
            processes.leave_processes()
    sys.exit(status)


def _run() -> int:
    if sys.argv[1:] == ["--version"]:  # without the seconds that loading takes
        print_version()
        return DONE
    quiet_bars()
    with _left_at_once():
        from optical_hf.cli.app import app  # noqa: PLC0415

    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    logging.getLogger("optical_hf").setLevel(logging.INFO)
    try:
        status = app(prog_name="optical-hf", standalone_mode=False) or DONE
    except typer.Abort:
        status = INTERRUPTED
    if status == INTERRUPTED:  # typer has caught it
        raise KeyboardInterrupt
    return status


@contextmanager
def _left_at_once() -> Iterator[None]:
    """Let Ctrl-C end the process here and now: an extension module that loads would make another error of it.

    Nothing is open yet that would have to be closed.
    """

    def leave(*_: object) -> None:
        _tell("interrupted")
        sys.stderr.flush()
        os._exit(INTERRUPTED)

    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler:  # ignored, as of a command in the background, or a caller's own
        yield
        return
    signal.signal(signal.SIGINT, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _tell_usage(error: Exception) -> None:
    """Say what was not understood, and what would be; a group of verbs without one has already printed its help."""
    context = getattr(error, "ctx", None)
    verb = context.command_path if context is not None else " ".join(["optical-hf", *sys.argv[1:2]])
    if message := error.format_message():
        _tell(f"error: {message.rstrip('.?')}; `{verb} --help` lists the options")


def _tell_failure(error: Exception) -> None:
    if os.environ.get("OPTICAL_HF_TRACEBACK"):
        traceback.print_exc()
    if isinstance(error, EXPECTED):
        message = re.sub(r"^\[Errno \d+\] ", "", str(error))
        return _tell(f"error: {message or type(error).__name__}")
    return _tell(f"error: {type(error).__name__}: {error}; OPTICAL_HF_TRACEBACK=1 shows where")


def _tell(message: str) -> None:
    print(f"optical-hf: {' '.join(message.split())}", file=sys.stderr)
