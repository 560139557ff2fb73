"""Qian et al. 2024: networks fitted to a part of a circuit show slow modes that the circuit does not have."""

import functools
import json
from collections.abc import Sequence

import jax
import numpy as np
import xarray as xr

from recirc.analyses import AnalysisResult, Result, frame, results, summary_rows
from recirc.analyses.arrays import Arrays, labels, stacked, weights_dataset
from recirc.analyses.pieces import Failure, Map
from recirc.analyses.sources import stated_sources
from recirc.analyses.summaries import network_history, network_rows
from recirc.runs.experiment import Experiment
from recirc.studies.presets import preset_of
from recirc.studies.qian2024 import design
from recirc.studies.qian2024.claims import claims
from recirc.studies.qian2024.design import METHODS, PLACE, PRESETS, SOURCE, Preset
from recirc.studies.qian2024.network import train_students
from recirc.studies.qian2024.report import DRAWINGS, figures_of, report_text, verdict

__all__ = ["DRAWINGS", "METHODS", "PRESETS", "SOURCE", "Preset", "analyse", "experiment", "train_students"]
NAME = "qian2024"


def experiment(*, preset: str, seed: int) -> Experiment:
    """The study, ready to be run into a folder.

    Args:
        preset: "quick" (minutes) or "full".
        seed: of everything random.

    Raises:
        ValueError: if the preset is unknown.
    """
    asked = design.specifications(size := preset_of(PRESETS, preset), seed)
    return Experiment(
        NAME, asked, functools.partial(analyse, size, asked), preset=preset, seed=seed,
        words=functools.partial(report_text, size=size, preset=preset),
        config=functools.partial(_config_text, preset, size, seed),
    )  # fmt: skip


def analyse(size: Preset, asked: Sequence[dict], map: Map = map) -> AnalysisResult:
    """Fit and measure every student of every circuit that is asked for, and judge the claims.

    Args:
        size: of the study.
        asked: a specification per circuit, all of one seed.
        map: does the pieces of work.
    """
    key = jax.random.key(asked[0]["study_seed"])
    found = [each for piece, result in results(train_students, asked, map) for each in by_student(piece, result)]
    rows = [row for student, result in found for row in network_rows(student, result, tuple(PLACE))]
    table = frame(rows)
    members = [(student, result.arrays) for student, result in found if isinstance(result, Result) and result.arrays]
    weights, activity = datasets(members)
    judged = claims(table, key=key)
    return AnalysisResult(
        NAME, (*rows, *summary_rows(rows, key=key)), tuple(judged), activity, weights,
        network_history(found, ("arm", "seed", *PLACE)), {"verdict": verdict(table, judged, size)},
        figures_of(table, weights),
        about={"sources": stated_sources(*METHODS)},
    )  # fmt: skip


def by_student(piece: dict, result: Result | Failure) -> list[tuple[dict, Result | Failure]]:
    """Every student of a circuit with its own result; if the circuit failed as a whole, with that."""
    found = []
    for index, student in enumerate(piece["students"]):
        own = student | {"circuit": piece["circuit"], "seed": piece["seed"]}
        if isinstance(result, Failure):
            found.append((own, result))
            continue
        prefix = f"{index}_"
        arrays = {name.removeprefix(prefix): each for name, each in result.arrays.items() if name.startswith(prefix)}
        found.append((own, Result(arrays, result.metadata["students"][index])))
    return found


def datasets(members: Sequence[tuple[dict, Arrays]]) -> tuple[xr.Dataset, xr.Dataset]:
    """Weights, padded with zeros to those of the largest student, and a few units, of the students that were kept."""
    names = labels([student for student, _ in members], {"arm": "", "seed": -1, **PLACE})
    found = [arrays for _, arrays in members]
    axes = {"rates": ("time", "unit"), "target_rates": ("time", "unit")}
    activity = xr.Dataset(stacked(found, axes), names)
    if "rates" in activity:
        activity["time"] = ("time", (np.arange(activity.sizes["time"]) + 2) * design.DT, {"units": "s"})
    return weights_dataset(found, names), activity


def _config_text(preset: str, size: Preset, seed: int) -> str:
    """The resolved configuration as TOML."""
    constants = ("N_MANY", "N_UNITS", "TAU", "NOISE", "START", "DT", "FINE", "SECONDS", "LONG", "TRIAL", "N_TRIALS")
    constants += (
        "PUBLISHED",
        "N_OUTPUTS",
        "N_HIDDEN",
        "GAIN",
        "FRACTION",
        "QUIET",
        "LOUD",
        "N_FORCE",
        "N_FORCE_LARGE",
        "PULSE",
        "FORCE",
        "DRIVE",
    )
    lines = [f'study = "{NAME}"\npreset = "{preset}"\nseed = {seed}']
    lines += [f"{name.lower()} = {_toml(getattr(design, name))}" for name in constants]
    lines += ["\n[preset_sizes]", *(f"{name} = {_toml(value)}" for name, value in vars(size).items())]
    return "\n".join(lines) + "\n"


def _toml(value) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{name} = {_toml(each)}" for name, each in value.items()) + " }"
    return json.dumps(value)
