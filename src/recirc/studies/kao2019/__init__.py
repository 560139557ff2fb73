"""Kao 2019: networks that do a delayed reach alike, have alike units, and still work in different ways."""

import functools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
import xarray as xr

from recirc.analyses import AnalysisResult, Result, frame, results, summary_rows
from recirc.analyses.arrays import Arrays, labels, stacked, weights_dataset
from recirc.analyses.pieces import Map
from recirc.analyses.reference import reference_rows
from recirc.analyses.summaries import network_history, network_rows
from recirc.analyses.verdict_config import Reference
from recirc.runs import dump_config
from recirc.runs.experiment import Experiment
from recirc.studies.kao2019 import claims, design, report
from recirc.studies.kao2019 import reference as references
from recirc.studies.kao2019.design import METHODS as METHODS
from recirc.studies.kao2019.design import SOURCE as SOURCE
from recirc.studies.kao2019.network import train_network
from recirc.studies.presets import preset_of

PLACE = tuple(design.NETWORK[1:-1])  # what tells networks of one arm and seed apart
BLANKS = {"arm": "", "seed": 0, "target_off_share": 0.0, "rate_penalty": 0.0}
NAME = "kao2019"


def experiment(*, preset: str, seed: int, reference: Path | None = None, reference_onset: float = 0.0) -> Experiment:
    """The study, ready to run into a folder.

    Args:
        preset: "quick" or "full".
        seed: of everything random.
        reference: recording to compare with; a stability-optimized circuit stands in if there is none.
        reference_onset: movement onset on the recording's clock, seconds.

    Raises:
        ValueError: if the preset is unknown, or the recording does not cover the window.
        DataFileError: if the recording cannot be read.
    """
    size, description = preset_of(design.PRESETS, preset), references.describe(reference, reference_onset, seed)
    target = None if reference is None else references.load(description)  # one that cannot serve is refused now
    specifications = design.specifications(size, seed, description)
    return Experiment(
        NAME, specifications, functools.partial(analyse, specifications, size, seed, target), preset=preset, seed=seed,
        words=functools.partial(report.words, name=preset, size=size),
        config=functools.partial(_config_text, preset, size, seed, description, references.angles_of(target)),
        inputs=[] if reference is None else [reference],
    )  # fmt: skip


def analyse(
    specifications: Sequence[dict], size: design.Preset, seed: int, target: Reference | None, map: Map
) -> AnalysisResult:
    """Train and measure every network, and judge the claims.

    Args:
        specifications: of the networks.
        size, seed: how many there are, and the seed of everything random.
        target: what they are compared with; the circuit that the specifications describe if None.
        map: applies a function to every specification.
    """
    target = target or references.load(specifications[0]["reference"])
    key = jax.random.key(seed)
    published = references.published_rows()
    theirs = reference_rows(target, design.comparison(0.0, size.n_draws), key=key)  # refused now, if it has no portrait
    done = list(results(functools.partial(train_network, target), specifications, map=map))
    rows = [row for each in done for row in network_rows(*each, PLACE)]
    table = frame([*theirs, *rows])
    kept = [(s, r.arrays) for s, r in done if isinstance(r, Result) and r.arrays]
    shown = [(s, found) for s, found in kept if "rates" in found]
    names, shown_names = (labels([s for s, _ in each], BLANKS) for each in (kept, shown))
    arrays = _activity([found for _, found in shown], shown_names, target)
    judged = claims.claims(table, claims.judge_all(table, target.mechanism), key=key)
    return AnalysisResult(
        NAME, (*theirs, *published, *rows, *summary_rows(rows, key=key)), tuple(judged), arrays,
        weights_dataset([found for _, found in kept], names), network_history(done, ("arm", "seed", *PLACE)),
        figures=report.figures_of(arrays), about=report.about(target),
    )  # fmt: skip


def _activity(members: Sequence[Arrays], names: dict[str, tuple], target: Reference) -> xr.Dataset:
    """Rates of reference and networks as compared, outputs, jumps of the target, and flows of the first seed."""
    theirs, task = target.activity, design.measured_task(references.angles_of(target))
    axes = {
        "rates": ("condition", "time", "network_unit"),
        "outputs": ("condition", "trial_time", "output"),
        "flow": ("epoch", "flow_axis", "grid_y", "grid_x"),
        "flow_points": ("epoch", "point", "point_axis"),
        "flow_steps": ("epoch", "edge"),
    }
    paths = ("flow_path", *(f"switch_{time}" for time in design.SWITCHES))
    axes |= dict.fromkeys(paths, ("condition", "trial_time", "plane_axis"))
    rates = ("condition", "time", "unit"), np.asarray(theirs.rates, np.float32), {"units": "spikes/s"}
    coordinates = {
        "condition": list(theirs.conditions), "unit": list(theirs.units), "epoch": list(design.EPOCHS), **names,
        "time": ("time", theirs.time, {"units": "s", "long_name": "time from movement onset"}),
    }  # fmt: skip
    found = xr.Dataset({"target_rates": rates, **stacked(members, axes, dtype=np.float32)}, coordinates)
    if members:
        time = (np.arange(found.sizes["trial_time"]) + 1) * task.dt - task.hold[0] - task.delay[0]
        found["trial_time"] = ("trial_time", time, {"units": "s", "long_name": "time from go"})
    return found


def _config_text(preset: str, size: design.Preset, seed: int, description: dict, angles: Sequence[float]) -> str:
    """The resolved configuration as TOML."""
    lines = [
        f'study = "{NAME}"\npreset = "{preset}"\nseed = {seed}\nn_trials = {design.N_TRIALS}',
        f"target_off_shares = {list(design.TARGET_OFF_SHARES)}",
        f"weight_penalty = {design.WEIGHT_PENALTY}\ndelay_measured = {design.DELAY}",
        *(f"window_{name} = {list(window)}" for name, window in design.WINDOWS.items()),
    ]
    trainer = vars(design.trainer(0.0, **size.training)).items()
    plain = {name: value for name, value in trainer if name != "penalties" and value is not None}
    sizes = {name: value for name, value in vars(size).items() if name != "training"}
    tables = {"preset_sizes": _toml(sizes), "reference": _toml(description)}
    tables |= {"task": dump_config(design.task(tuple(angles), 0.0)), "trainer": _toml(plain)}
    return "\n".join([*lines, *(f"\n[{name}]\n{text.strip()}" for name, text in tables.items())]) + "\n"


def _toml(fields: Mapping[str, Any]) -> str:
    return "\n".join(f"{name} = {json.dumps(value)}" for name, value in fields.items())
