"""The command line: verbs only. What each does is a few lines of public Python."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal, NoReturn

import typer

DONE, CLAIM_FAILED, WRONG_USE = 0, 1, 2

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
DropBad = Annotated[
    bool, typer.Option("--drop-bad", help="Leave spikes and trials out that cannot be right, and count them.")
]
Seed = Annotated[int, typer.Option(min=0, help="Seed of everything random.")]
Data = Annotated[Path, typer.Argument(help="Session (NWB, MATLAB) or average rates (netCDF, MATLAB, NumPy).")]


@app.command(epilog="Example: recirc reproduce salatiello2020 --preset quick --jobs 4")
def reproduce(
    study: Annotated[str, typer.Argument(help="Its name: salatiello2020, kao2019 or qian2024.")],
    preset: Annotated[Literal["quick", "full"], typer.Option(help="Minutes, or an hour.")] = "quick",
    reference: Annotated[
        Path | None,
        typer.Option(help="kao2019: recording to compare with, a session or averages named by angle in degrees."),
    ] = None,
    reference_onset: Annotated[float, typer.Option(help="Movement onset on the clock of averages, seconds.")] = 0.0,
    seed: Seed = 0,
    jobs: Jobs = None,
    require_claims: RequireClaims = False,
    out: Out = None,
):
    """Run a published study again and write its numbers, figures and report."""

    def make():
        from recirc import studies

        settings = {} if reference is None else {"reference": reference, "reference_onset": reference_onset}
        return studies.experiment(study, preset=preset, seed=seed, **settings)

    _run(make, out or _default_folder(study, preset, *([f"seed{seed}"] if seed else [])), jobs, require_claims)


@app.command(epilog="Example: recirc fit session.nwb --set trainer.n_passes=20 --jobs 4")
def fit(
    data: Annotated[list[Path], typer.Argument(help="Recording; or several sessions of one experiment, as one.")],
    config: Annotated[Path | None, typer.Option(help="TOML file; the defaults are used without one.")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="Change one field: dotted.key=value.")] = None,
    drop_bad: DropBad = False,
    recorded_fraction: Annotated[
        float | None, typer.Option(min=0, max=1, help="Share of the units to use as hints; the others judge the fit.")
    ] = None,
    subsets: Annotated[
        int | None, typer.Option(min=2, help="Also fit so many random subsets of the units, of each of three sizes.")
    ] = None,
    seed: Seed = 0,
    jobs: Jobs = None,
    require_claims: RequireClaims = False,
    out: Out = None,
):
    """Train networks on a recording: its task and its dynamics together, cross-validated."""

    def make():
        from recirc.analyses import FitConfig
        from recirc.runs import load_config
        from recirc.studies import fit

        short = {"recorded_fraction": recorded_fraction, "subsets": subsets}
        share = [f"{name}={value}" for name, value in short.items() if value is not None]
        return fit.experiment(data, load_config(FitConfig, config, [*_overrides(set_, drop_bad), *share]), seed=seed)

    _run(make, out or _default_folder("fit", *(path.stem for path in data)), jobs, require_claims)


@app.command(epilog="Example: recirc compare recording.nc recirc-fit-session --out likeness")
def compare(
    a: Annotated[Path, typer.Argument(help="Recording, netCDF file, run folder, or a network (.npz, safetensors).")],
    b: Annotated[Path, typer.Argument(help="The same, to compare with.")],
    trials: Annotated[
        Path | None, typer.Option(help="What drives a network: inputs, dt and conditions (.npz, MATLAB).")
    ] = None,
    exchangeable: Annotated[
        bool, typer.Option("--exchangeable", help="Conditions have no order: any is as like one as another.")
    ] = False,
    require_claims: RequireClaims = False,
    out: Out = None,
):
    """Score two activities, or a network driven by trials, on every similarity, with nulls."""

    def make():
        from recirc.studies import compare

        return compare.experiment(a, b, compare.CompareConfig(exchangeable=exchangeable), trials=trials)

    _run(make, out or _default_folder("compare", a.stem, b.stem), 1, require_claims)


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

        settings = load_config(FitConfig, config, _overrides(set_, drop_bad))
        if figure is not None:
            check.check_picture(figure)
        found = check.check_file(data, settings)
        typer.echo(found.json() if json_ else found.text())
        if figure is not None and found.summary:
            check.draw(found, figure)
            if not json_:
                typer.echo(f"Wrote {figure}.")
        return found.code

    _run_plain(work)


@app.command(epilog="Example: recirc demo-data session.nwb --seed 1")
def demo_data(file: Annotated[Path, typer.Argument(help="NWB file to write; it must not exist.")], seed: Seed = 0):
    """Write a simulated reach session as NWB: spikes, trials, hand and muscles."""

    def work() -> int:
        from recirc.studies.demo_session import write_demo

        write_demo(file, seed=seed)
        typer.echo(f"Wrote {file}. See what it holds with `recirc check {file}`.")
        return DONE

    _run_plain(work)


@app.command(epilog="Example: recirc report recirc-salatiello2020-quick")
def report(directory: Annotated[Path, typer.Argument(metavar="DIR", help="Run folder.")]):
    """Rebuild the tables, figures and report of a run, without training."""

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

    _exit(work, directory)


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
    app()


def _overrides(given: list[str] | None, drop_bad: bool) -> tuple[str, ...]:
    """What `--set` and its short forms change."""
    return (*(given or ()), *(("preprocessing.drop_bad=true",) if drop_bad else ()))


def _default_folder(*words: str) -> Path:
    """`recirc-...` in the current folder, however long the words are."""
    from recirc.storage import file_name

    return Path("-".join(["recirc", *(word if len(word.encode()) < 80 else file_name(word) for word in words)]))


def _run_plain(work: Callable[[], int]) -> NoReturn:
    """Do the work of a verb that leaves no run folder and exit with its code."""
    from recirc.runs.environment import plain_messages
    from recirc.runs.provenance import describe_device
    from recirc.types import enable_x64

    enable_x64()
    try:
        with plain_messages():
            describe_device()
            code = work()
    except (ValueError, OSError) as error:
        if os.environ.get("RECIRC_DEBUG"):
            raise
        code = _say(str(error), WRONG_USE)
    raise typer.Exit(code)


def _run(make: Callable, folder: Path, jobs: int | None, require_claims: bool) -> NoReturn:
    """Run the experiment that `make` makes into a folder, say its verdict and exit."""

    def work():
        from recirc.runs.experiment import run

        return run(make(), folder, jobs=jobs or _n_cores(), argv=["recirc", *sys.argv[1:]])

    _exit(work, folder, require_claims)


def _n_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _exit(work: Callable, folder: Path, require_claims: bool = False) -> NoReturn:
    """Do the work of a verb that leaves a run folder and exit with its code."""
    from recirc.runs.environment import environment
    from recirc.runs.signals import INTERRUPTED, RESUMABLE, Stopped, stop_on_signals

    os.environ.update(environment())
    again = f"The same command goes on from what is in {folder}."
    try:
        with stop_on_signals():
            code = _explain(work, folder, require_claims)
    except KeyboardInterrupt:
        code = _say(f"interrupted. {again}", INTERRUPTED)
    except Stopped as stopped:
        code = _say(f"stopped by {stopped}. {again}", RESUMABLE)
    raise typer.Exit(code)


def _explain(work: Callable, folder: Path, require_claims: bool) -> int:
    """Exit code of the work, its verdict printed; faults that the user can mend become one sentence."""
    from recirc.runs import FinishedError
    from recirc.runs.environment import keep_compiled_programs, plain_messages
    from recirc.runs.provenance import describe_device
    from recirc.runs.report import read_result
    from recirc.storage import StorageError, printable
    from recirc.types import enable_x64

    enable_x64()
    keep_compiled_programs()
    try:
        with plain_messages():
            describe_device()
            result = work()
    except FinishedError as error:
        if not error.same:
            return _say(str(error), WRONG_USE)
        typer.echo(f"{folder} is finished; for a new run give another --out.")
        result = read_result(folder)
    except (ValueError, StorageError) as error:
        if os.environ.get("RECIRC_DEBUG"):
            raise
        return _say(str(error), WRONG_USE)
    for line in result.claim_lines():
        typer.echo(printable(line))
    page = folder / "report.html"
    typer.echo(f"See {page if page.exists() else folder}.")
    return CLAIM_FAILED if require_claims and any(claim.supported is not True for claim in result.claims) else DONE


def _say(sentence: str, code: int) -> int:
    from recirc.storage import printable

    typer.echo("\n".join(map(printable, f"recirc: {sentence}".split("\n"))), err=True)
    return code
