"""The verbs of `optical-hf`."""

from typing import Annotated

import typer

from optical_hf.cli.advise import advise
from optical_hf.cli.align import align
from optical_hf.cli.app_page import app_page
from optical_hf.cli.check import check
from optical_hf.cli.convert import convert
from optical_hf.cli.data import data_app
from optical_hf.cli.demo import demo
from optical_hf.cli.ending import print_version
from optical_hf.cli.evaluate import evaluate
from optical_hf.cli.model_card import card
from optical_hf.cli.search import search
from optical_hf.cli.study import study
from optical_hf.cli.train import train

app = typer.Typer(
    name="optical-hf",
    help="Make an English retriever read the languages you have bitext for, and measure the gap that is left.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
RAW_ARGUMENTS = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
app.command()(demo)
app.command()(advise)
app.command(context_settings={"allow_extra_args": True})(align)
app.command(context_settings=RAW_ARGUMENTS, add_help_option=False)(train)
app.command()(check)
app.command()(evaluate)
app.command()(search)
app.command("app")(app_page)
app.command()(study)
app.command()(card)
app.command()(convert)
app.add_typer(data_app, name="data")


def _version(asked: bool) -> None:
    if asked:
        print_version()
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Options of the command itself, before its verb."""
