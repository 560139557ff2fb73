"""The verb for many runs."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Literal, NoReturn

import typer

from recirc.cli.options import Jobs, Out, Redact, app
from recirc.cli.running import DONE, default_folder, n_cores, run, run_plain


@app.command(epilog="Example: recirc sweep docs/sweeps/noise_and_size.toml --jobs 4 --out sweep")
def sweep(
    files: Annotated[list[Path], typer.Argument(metavar="FILE.toml", help="What is run, and what is varied.")],
    jobs: Jobs = None,
    shard: Annotated[
        str | None,
        typer.Option(metavar="I/N", help="Do every N-th run only, from the I-th; the last shard writes the table."),
    ] = None,
    merge: Annotated[
        bool, typer.Option("--merge", help="Compute nothing: collect what shards left in the folders named after FILE.")
    ] = False,
    cluster: Annotated[
        str | None, typer.Option(metavar="ADDRESS|FILE.toml", help="Workers of a Dask scheduler, instead of --jobs.")
    ] = None,
    device: Annotated[
        Literal["auto", "cpu", "gpu"], typer.Option(help="What computes; auto: JAX_PLATFORMS, or the CPU.")
    ] = "auto",
    batch: Annotated[
        str, typer.Option(metavar="auto|N", help="Networks that are one program; auto: 1 on a CPU, 256 elsewhere.")
    ] = "auto",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say how many runs, how long and how large, and stop.")
    ] = False,
    redact: Redact = False,
    out: Out = None,
):
    """Do many runs from one file, into one table; failures are kept as results."""
    if device != "auto":
        os.environ["JAX_PLATFORMS"] = "cuda" if device == "gpu" else device
    if batch != "auto" and not (batch.isdecimal() and int(batch) > 0):
        raise typer.BadParameter(f"{batch!r} is neither auto nor a whole number from 1.", param_hint="--batch")
    given = {"--shard": shard is not None, "--cluster": cluster is not None, "--jobs": jobs is not None}
    if merge:
        _refuse("--merge", given | {"--dry-run": dry_run}, "a merge computes nothing, and takes what every shard left")
    if cluster is not None:
        _refuse("--cluster", {"--jobs": given["--jobs"]}, "the workers of a cluster are those that were started for it")
    n_at_once = None if batch == "auto" else int(batch)
    jobs = jobs or (n_cores() if os.environ.get("JAX_PLATFORMS", "cpu") == "cpu" else 1)  # one for an accelerator
    first, *folders = files
    path = first / "config.toml" if merge and first.is_dir() else first
    folders = [first, *folders] if path != first else folders
    folder = out or default_folder("sweep", first.stem)

    def load():
        from recirc.runs.config import ConfigError
        from recirc.studies import sweep

        if bool(folders) != merge:
            raise ConfigError("--merge takes the folders of shards after the file, and nothing else takes folders.")
        return sweep.load_sweep(path)

    def make():
        from recirc.studies import sweep

        return sweep.experiment(load())

    if dry_run:
        _foretell(load, folder, jobs, shard or "1/1")
    run(
        make,
        folder,
        jobs,
        redact=redact,
        shard="1/1" if shard is None else shard,
        merge=folders,
        cluster=cluster,
        batch=n_at_once,
    )


def _foretell(load: Callable, folder: Path, jobs: int, shard: str) -> NoReturn:
    """Say what a sweep will come to, and stop."""
    from recirc.runs.environment import environment

    def work() -> int:
        from recirc.runs.locks import Share
        from recirc.studies.sweep import foretell

        typer.echo(foretell(load(), folder, jobs, Share.parse(shard)))
        return DONE

    os.environ.update(environment())  # the times of one core
    run_plain(work)


def _refuse(option: str, others: Mapping[str, bool], why: str) -> None:
    """Refuse an option beside others, where they are given."""
    for other in [name for name, is_given in others.items() if is_given]:
        raise typer.BadParameter(f"it does not go with {other}: {why}. Leave one of them out.", param_hint=option)
