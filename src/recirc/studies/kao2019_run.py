"""Run the delayed reach study: train, measure, judge, write the run folder."""

import json
from collections.abc import Sequence
from pathlib import Path

import jax
import numpy as np
import xarray as xr

from recirc.analyses import Failure
from recirc.circuits.rate_network import WEIGHT_AXES
from recirc.runs import Result, RunFolder, dump_config
from recirc.runs.progress import Progress
from recirc.runs.report import build, write_text
from recirc.runs.sweep import run_all
from recirc.studies import kao2019 as study
from recirc.studies.kao2019_likeness import reference_rows
from recirc.studies.kao2019_network import train_network
from recirc.studies.kao2019_pictures import EPOCHS
from recirc.studies.kao2019_reference import Reference, describe, load
from recirc.studies.kao2019_report import draw
from recirc.studies.kao2019_verdict import claims, judge_all
from recirc.studies.kao2019_words import report_text
from recirc.studies.summaries import network_rows, summary_rows, with_baselines

NAME = "kao2019"
PLACE = ("target_line", "rate_penalty")


def run(
    *,
    preset: str,
    seed: int,
    jobs: int,
    out: Path,
    argv: Sequence[str] = (),
    reference: Path | None = None,
    reference_onset: float = 0.0,
) -> bool:
    """Run the study into a folder, or go on with it.

    Args:
        preset: "quick" or "full".
        seed: of everything random.
        jobs: worker processes.
        out: the run folder.
        argv: for the manifest.
        reference: recording to compare with; a stability-optimized circuit stands in if there is none.
        reference_onset: movement onset on the recording's clock, seconds.

    Returns:
        Whether no claim was contradicted.

    Raises:
        ValueError: if the preset is unknown, the folder cannot be used, or the recording does not cover the window.
        DataFileError: if the recording cannot be read.
        StorageError: if results cannot be written.
    """
    if preset not in study.PRESETS:
        raise ValueError(f"preset {preset!r} is unknown; choose one of {', '.join(study.PRESETS)}.")
    size, description = study.PRESETS[preset], describe(reference, reference_onset, seed)
    if reference is not None:
        load(description)  # a recording that cannot serve is refused before a folder is made
    specifications = study.specifications(size, seed, description)
    inputs = [] if reference is None else [reference]
    record = {"study": NAME, "preset": preset, "specifications": specifications}
    with RunFolder.open(out, specification=record, inputs=inputs) as folder:
        target = load(description)  # made once, so that workers find it in the cache
        folder.write("config.toml", _config_text(preset, size, seed, description, target))
        key = jax.random.key(seed)
        theirs = reference_rows(target, n_draws=size.n_draws, key=key)  # refused now, if it cannot be portrayed
        results = list(run_all(train_network, specifications, jobs=jobs, folder=folder, progress=Progress("networks")))
        rows = [row for each in results for row in network_rows(*each, PLACE)]
        rows = with_baselines(rows, lambda arm: f"untrained_{arm}", PLACE)
        levels = judge_all(rows, theirs, target.mechanism)
        judged = claims(rows, levels, size, key=key)
        folder.write_metrics(NAME, preset, [*theirs, *rows, *summary_rows(rows, key=key)], judged)
        folder.write_dataset("activity.nc", activity_dataset(results, target))
        folder.write_dataset("networks.nc", networks_dataset(results))
        folder.write_history(_history(results))
        write_text(folder, report_text(rows, theirs, judged, size, preset, target))
        folder.write_manifest(argv, [seed])
        draw(folder.root)
        build(folder)
        folder.finish()
    return all(claim.supported is not False for claim in judged)


def _config_text(preset: str, size: study.Preset, seed: int, description: dict, target: Reference) -> str:
    """The resolved configuration as TOML."""
    task = study.task(target.angles, "on")
    lines = [f'study = "{NAME}"\npreset = "{preset}"\nseed = {seed}\nn_trials = {study.N_TRIALS}']
    lines.append(f"target_lines = {list(study.TARGET_LINES)}\nnonlinearities = {list(study.NONLINEARITIES)}")
    lines.append(f"weight_penalty = {study.WEIGHT_PENALTY}\ndelay_measured = {study.DELAY}")
    for name in ("preparation", "movement", "rotation", "compared"):
        lines.append(f"window_{name} = {list(getattr(study, name.upper()))}")
    lines.append(f"\n[preset_sizes]\n{dump_config(size)}")
    lines.append("[reference]\n" + "\n".join(f"{k} = {_toml(v)}" for k, v in description.items()))
    lines.append(f"\n[task]\n{dump_config(task)}")
    plain = {n: v for n, v in vars(study.trainer(0.0, **study.TRAINING)).items() if n != "penalties" and v is not None}
    lines.append("[trainer]\n" + "\n".join(f"{k} = {_toml(v)}" for k, v in plain.items()))
    return "\n".join(lines) + "\n"


def _toml(value) -> str:
    return json.dumps(list(value) if isinstance(value, tuple) else value)


def _measured(results) -> list[tuple[dict, Result]]:
    return [(s, r) for s, r in results if not isinstance(r, Failure) and "rates" in r.arrays]


def _history(results):
    for specification, result in results:
        if not isinstance(result, Failure):
            place = {name: specification[name] for name in ("arm", "seed", *PLACE)}
            for entry in result.metadata["history"]:
                yield place | entry


def _labels(kept: list[tuple[dict, Result]]) -> dict:
    """Coordinates that say what each network is."""
    return {name: ("network", np.array([s[name] for s, _ in kept])) for name in ("arm", "seed", *PLACE)}


def activity_dataset(results, reference: Reference) -> xr.Dataset:
    """Rates of reference and networks as compared, outputs, jumps of the target, and flows of the first seed."""
    kept, theirs = _measured(results), reference.activity
    unit = "spikes/s"
    data = {"target_rates": (("condition", "time", "unit"), np.asarray(theirs.rates, np.float32), {"units": unit})}
    axes = {
        "rates": ("condition", "time", "network_unit"),
        "outputs": ("condition", "trial_time", "output"),
        "flow": ("epoch", "flow_axis", "grid_y", "grid_x"),
        "flow_points": ("epoch", "point", "point_axis"),
        "flow_path": ("condition", "trial_time", "plane_axis"),
        "flow_steps": ("epoch", "edge"),
    }
    for time in study.SWITCHES:
        axes[f"switch {time}"] = ("condition", "trial_time", "plane_axis")
    for name, dimensions in axes.items():
        stack = _stack(kept, name)
        if stack is not None:
            data[name.replace(" ", "_")] = (("network", *dimensions), stack, {"units": "1"})
    task = study.measured_task(reference.angles, "on")
    go = task.hold[0] + task.delay[0]
    n_steps = kept[0][1].arrays["outputs"].shape[1] if kept else 0
    trial_time = (np.arange(n_steps) + 1) * task.dt - go
    coordinates = {
        "condition": ("condition", list(theirs.conditions)),
        "time": ("time", theirs.time, {"units": "s", "long_name": "time from movement onset"}),
        "unit": ("unit", list(theirs.units)),
        "epoch": ("epoch", list(EPOCHS)),
        **_labels(kept),
    }
    if kept:
        coordinates["trial_time"] = ("trial_time", trial_time, {"units": "s", "long_name": "time from go"})
    return xr.Dataset(data, coords=coordinates)


def _stack(kept: list[tuple[dict, Result]], name: str) -> np.ndarray | None:
    """One array of all networks, nan for those that have none."""
    shapes = [r.arrays[name].shape for _, r in kept if name in r.arrays]
    if not shapes:
        return None
    blank = np.full(shapes[0], np.nan, np.float32)
    return np.stack([np.asarray(r.arrays.get(name, blank), np.float32) for _, r in kept])


def networks_dataset(results) -> xr.Dataset:
    """Weights of every network, in double precision."""
    kept = _measured(results)
    data = {
        name: (("network", *axes), np.stack([r.arrays[name] for _, r in kept]), {"units": "1"})
        for name, axes in WEIGHT_AXES.items()
        if kept and name in kept[0][1].arrays
    }
    return xr.Dataset(data, coords=_labels(kept))
