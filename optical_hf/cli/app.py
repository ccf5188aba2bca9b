"""The verbs of `optical-hf`, and what becomes of an error: one line that says what to do, exit status 2, no traceback."""

import logging
import os
import sys
import traceback

import typer
from rich.console import Console

from optical_hf.cli.align import align
from optical_hf.cli.card import card
from optical_hf.cli.data import data_app
from optical_hf.cli.demo import demo
from optical_hf.cli.evaluate import evaluate
from optical_hf.cli.study import study
from optical_hf.cli.train import train
from optical_hf.evaluation.processes import leave_processes

app = typer.Typer(
    name="optical-hf",
    help="Make an English retriever read the languages you have bitext for, and measure the gap that is left.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
RAW_ARGUMENTS = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
app.command()(demo)
app.command(context_settings={"allow_extra_args": True})(align)
app.command(context_settings=RAW_ARGUMENTS, add_help_option=False)(train)
app.command()(evaluate)
app.command()(study)
app.command()(card)
app.add_typer(data_app, name="data")


def main() -> None:
    """Run the command line.

    Bad input (ValueError), a missing extra (ImportError) and trouble with files (OSError) end with one line on the standard
    error and status 2. Set OPTICAL_HF_TRACEBACK=1 to see the traceback as well.
    """
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    logging.getLogger("optical_hf").setLevel(logging.INFO)
    try:
        app()
    except (ValueError, ImportError, OSError) as error:
        if os.environ.get("OPTICAL_HF_TRACEBACK"):
            traceback.print_exc()
        message = " ".join(str(error).split()) or type(error).__name__
        Console(stderr=True, soft_wrap=True).print(f"optical-hf: error: {message}", markup=False, highlight=False)
        sys.exit(2)
    finally:
        leave_processes()
