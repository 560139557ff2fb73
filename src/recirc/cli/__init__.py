"""The command line: verbs only. What each does is a few lines of public Python."""

import contextlib
import os
import sys
from typing import Annotated

import typer

from recirc.cli import experiments, files, sweeps  # noqa: F401 their verbs join the application, in this order
from recirc.cli.options import app
from recirc.runs.signals import INTERRUPTED, RESUMABLE


@app.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False):
    if version:
        import recirc

        typer.echo(f"recirc {recirc.__version__}")
        raise typer.Exit


def main() -> None:
    """The `recirc` command.

    Raises:
        SystemExit: with 0 done; 1 a claim that was required is not supported; 2 wrong use or unreadable input; 75
            stopped by a signal, to be resumed; 130 interrupted.
    """
    try:
        app()
    except SystemExit as end:
        if end.code in (INTERRUPTED, RESUMABLE):  # all is kept, and Python would wait for what is still being compiled
            with contextlib.suppress(OSError):  # a pipe that nobody reads any more
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(end.code)
        raise
