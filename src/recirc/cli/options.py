"""The application that verbs join, and the options that several of them take."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    name="recirc",
    help="Train recurrent networks that reproduce sparsely recorded dynamics, and judge how alike they are.",
    epilog="RECIRC_DEBUG=1 in the environment shows where an error arose.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Out = Annotated[Path | None, typer.Option(help="Run folder; a new one, or one to go on with.")]
Jobs = Annotated[
    int | None, typer.Option(min=1, help="Worker processes, by default one per core; the results do not depend on it.")
]
RequireClaims = Annotated[
    bool, typer.Option("--require-claims", help="Exit with 1 if a claim is not supported, undecided included.")
]
Redact = Annotated[
    bool, typer.Option("--redact", help="Leave user, machine and paths out of what the folder says of its origin.")
]
DropBad = Annotated[
    bool, typer.Option("--drop-bad", help="Leave spikes and trials out that cannot be right, and count them.")
]
Seed = Annotated[int, typer.Option(min=0, help="Seed of everything random.")]
Data = Annotated[Path, typer.Argument(help="Session (NWB, MATLAB) or average rates (netCDF, MATLAB, NumPy).")]


def overrides(given: list[str] | None, drop_bad: bool) -> tuple[str, ...]:
    """What `--set` and its short forms change."""
    return (*(given or ()), *(("preprocessing.drop_bad=true",) if drop_bad else ()))
