"""The command `lassoscope` and its global options: the log and the version."""

import sys
from importlib.metadata import version
from typing import Annotated

import typer

from dashboard.logs import LogLevel, log_to_stderr

app = typer.Typer(
    name="lassoscope",
    help="Label image collections with a lasso: a map of MSN embeddings, few labels, honest curves.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
labels_app = typer.Typer(help="Import or export labels.", no_args_is_help=True)
app.add_typer(labels_app, name="labels")
inbox_app = typer.Typer(
    help="Folders whose images are added by themselves while the workspace is served.", no_args_is_help=True
)
app.add_typer(inbox_app, name="inbox")
token_app = typer.Typer(help="Tokens of programs that use a served workspace.", no_args_is_help=True)
app.add_typer(token_app, name="token")


def main() -> None:
    """Run the command `lassoscope`."""
    app()


def _print_version(asked: bool) -> None:
    if asked:
        sys.stdout.write(f"lassoscope {version('lassoscope')}\n")
        raise typer.Exit


@app.callback()
def options(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and stop.")
    ] = False,
    log_level: Annotated[
        LogLevel, typer.Option(envvar="LASSOSCOPE_LOG_LEVEL", help="Minimum level of messages logged to stderr.")
    ] = LogLevel.WARNING,
    log_json: Annotated[
        bool, typer.Option("--log-json", envvar="LASSOSCOPE_LOG_JSON", help="Log one JSON object per line.")
    ] = False,
) -> None:
    """Label image collections with a lasso."""
    log_to_stderr(log_level, as_json=log_json)
