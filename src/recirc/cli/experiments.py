"""Verbs that compute: studies, fits, comparisons."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from recirc.cli.options import DropBad, Jobs, Out, Redact, RequireClaims, Seed, app, overrides
from recirc.cli.running import default_folder, run
from recirc.studies import STUDIES


@app.command(epilog="Example: recirc reproduce salatiello2020 --preset quick --jobs 4")
def reproduce(
    study: Annotated[str, typer.Argument(help=f"Its name: {', '.join(STUDIES)}.")],
    preset: Annotated[Literal["quick", "full"], typer.Option(help="Minutes, or an hour.")] = "quick",
    reference: Annotated[
        Path | None,
        typer.Option(help="kao2019: recording to compare with, a session or averages named by angle in degrees."),
    ] = None,
    reference_onset: Annotated[float, typer.Option(help="Movement onset on the clock of averages, seconds.")] = 0.0,
    seed: Seed = 0,
    jobs: Jobs = None,
    require_claims: RequireClaims = False,
    redact: Redact = False,
    out: Out = None,
):
    """Run a published study again and write its numbers, figures and report."""

    def make():
        from recirc import studies

        settings = {} if reference is None else {"reference": reference, "reference_onset": reference_onset}
        return studies.experiment(study, preset=preset, seed=seed, **settings)

    run(
        make,
        out or default_folder(study, preset, *([f"seed{seed}"] if seed else [])),
        jobs,
        require_claims,
        redact=redact,
    )


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
    redact: Redact = False,
    out: Out = None,
):
    """Train networks on a recording: its task and its dynamics together, cross-validated."""

    def make():
        from recirc.analyses import FitConfig
        from recirc.runs import load_config
        from recirc.studies import fit

        short = {"recorded_fraction": recorded_fraction, "subsets": subsets}
        share = [f"{name}={value}" for name, value in short.items() if value is not None]
        return fit.experiment(data, load_config(FitConfig, config, [*overrides(set_, drop_bad), *share]), seed=seed)

    run(make, out or default_folder("fit", *(path.stem for path in data)), jobs, require_claims, redact=redact)


@app.command(epilog="Example: recirc compare recording.nc recirc-fit-session --out likeness")
def compare(
    a: Annotated[
        Path, typer.Argument(help="Recording, netCDF file, run folder, or a network (.npz, safetensors, .mat).")
    ],
    b: Annotated[Path, typer.Argument(help="The same, to compare with.")],
    trials: Annotated[
        Path | None, typer.Option(help="What drives a network: inputs, dt and conditions (.npz, safetensors, .mat).")
    ] = None,
    exchangeable: Annotated[
        bool, typer.Option("--exchangeable", help="Conditions have no order: any is as like one as another.")
    ] = False,
    require_claims: RequireClaims = False,
    redact: Redact = False,
    out: Out = None,
):
    """Score two activities, or a network driven by trials, on every similarity, with nulls."""

    def make():
        from recirc.studies import compare

        return compare.experiment(a, b, compare.CompareConfig(exchangeable=exchangeable), trials=trials)

    run(make, out or default_folder("compare", a.stem, b.stem), 1, require_claims, redact=redact)
