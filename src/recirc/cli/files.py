"""Verbs on files and folders: check, demo data, reports."""

import time
import tomllib
from pathlib import Path
from typing import Annotated

import typer

from recirc.cli.options import Data, DropBad, Seed, app, overrides
from recirc.cli.running import DONE, run_into, run_plain

SECONDS_BETWEEN = 30  # of two reports of a sweep that is under way


@app.command(epilog="Example: recirc check session.nwb --figure first-look.png")
def check(
    data: Data,
    config: Annotated[Path | None, typer.Option(help="TOML file of the fit that it is for.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="Change one field of it: preprocessing.align=go_cue_time.")
    ] = None,
    drop_bad: DropBad = False,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    figure: Annotated[Path | None, typer.Option(help="Draw spikes and average rates, PNG or SVG.")] = None,
):
    """Validate a recording: what is wrong, why it matters, how to mend it. Exit 1 if a fit is blocked."""

    def work() -> int:
        from recirc.analyses import FitConfig
        from recirc.runs import load_config
        from recirc.studies import check

        settings = load_config(FitConfig, config, overrides(set_, drop_bad))
        if figure is not None:
            check.check_picture(figure)
        found = check.check_file(data, settings)
        typer.echo(found.json() if json_ else found.text())
        if figure is not None and found.summary:
            check.draw(found, figure)
            if not json_:
                typer.echo(f"Wrote {figure}.")
        return found.code

    run_plain(work)


@app.command(epilog="Example: recirc demo-data session.nwb --seed 1")
def demo_data(file: Annotated[Path, typer.Argument(help="NWB file to write; it must not exist.")], seed: Seed = 0):
    """Write a simulated reach session as NWB: spikes, trials, hand and muscles."""

    def work() -> int:
        from recirc.studies.demo_session import write_demo

        write_demo(file, seed=seed)
        typer.echo(f"Wrote {file}. See what it holds with `recirc check {file}`.")
        return DONE

    run_plain(work)


@app.command(epilog="Example: recirc report recirc-salatiello2020-quick")
def report(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Run folder.")],
    live: Annotated[
        bool, typer.Option("--live", help="Of a sweep that is under way: report what is there, until it ends.")
    ] = False,
):
    """Rebuild the tables, figures and report of a run, without training."""

    def follow() -> int:
        from recirc.runs import is_done
        from recirc.runs.live import live_report
        from recirc.runs.locks import is_at_work

        while not is_done(directory):
            try:
                page, n_finished = live_report(directory, _sweep_under_way(directory))
            except (ValueError, OSError):
                if is_done(directory):  # it has just ended, and took its pieces away
                    break
                raise
            typer.echo(f"{n_finished} pieces of work are finished; see {page}.")
            if not is_at_work(directory) and not is_done(directory):
                typer.echo(f"Nobody is at work in {directory}: the command that began it goes on from what is there.")
                return DONE
            time.sleep(SECONDS_BETWEEN)
        typer.echo(f"See {directory / 'report.html'}.")
        return DONE

    def work():
        from recirc import studies
        from recirc.runs import RunFolder
        from recirc.runs.report import build, read_result

        with RunFolder.reopen(directory) as folder:
            result = read_result(directory)
            if result.study in studies.STUDIES:
                studies.find(result.study)  # its drawings
            build(folder)
            folder.finish()
        return result

    if live:
        run_plain(follow)
    run_into(work, directory)


def _sweep_under_way(directory: Path):
    """The experiment of an unfinished folder, which must be a sweep."""
    from recirc.runs import FolderError
    from recirc.runs.header import begun_with
    from recirc.studies import sweep

    config = directory / "config.toml"
    if begun_with(directory) is None or not config.is_file():
        raise FolderError(f"{directory} holds no sweep that is under way; give the --out of one.")
    if "base" not in tomllib.loads(config.read_text()):
        what = f"{directory} holds a run that is no sweep, and only sweeps are reported while they run"
        raise FolderError(f"{what}; when it is finished, its report is there.")
    return sweep.experiment(sweep.load_sweep(config))
