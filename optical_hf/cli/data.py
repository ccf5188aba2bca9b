"""`optical-hf data`: look at bitext and at the scenes before training on them."""

import typer

data_app = typer.Typer(help="Check bitext; draw scenes.", no_args_is_help=True)


@data_app.callback()
def data() -> None:
    """Check bitext; draw scenes."""
