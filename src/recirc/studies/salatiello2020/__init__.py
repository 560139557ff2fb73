"""Salatiello & Giese 2020: hints from a few recorded units make a network reproduce a circuit's dynamics."""

import functools
from collections.abc import Sequence

import jax
import numpy as np
import xarray as xr

from recirc.analyses import AnalysisResult, Result, frame, results, summary_rows
from recirc.analyses.arrays import Arrays, labels, stacked, weights_dataset
from recirc.analyses.pieces import Map
from recirc.analyses.summaries import network_history, network_rows
from recirc.runs import dump_config
from recirc.runs.experiment import Experiment
from recirc.studies.salatiello2020.arms import PLACE, PRESETS, REGIMES, Preset, Regime, specifications
from recirc.studies.salatiello2020.circuit import LEAD, TAIL, ground_truth, reference, tailed, with_muscles
from recirc.studies.salatiello2020.claims import claims, verdict
from recirc.studies.salatiello2020.network import KEPT_EVERY, N_DRAWS, PRIVATE_NOISES, thinned, train_network
from recirc.studies.salatiello2020.report import DRAWINGS, report_text
from recirc.tasks import CenterOutReach
from recirc.train import FullForce

__all__ = ["DRAWINGS", "PRESETS", "REGIMES", "TAIL", "Preset", "Regime"]
__all__ += ["experiment", "ground_truth", "reference", "specifications", "tailed", "train_network", "with_muscles"]
NAME = "salatiello2020"


def experiment(*, preset: str, seed: int) -> Experiment:
    """The study, ready to be run into a folder.

    Args:
        preset: "quick" (minutes) or "full".
        seed: of everything random.

    Raises:
        ValueError: if the preset is unknown.
    """
    if preset not in PRESETS:
        raise ValueError(f"preset {preset!r} is unknown; choose one of {', '.join(PRESETS)}.")
    size, asked = PRESETS[preset], specifications(PRESETS[preset], seed)
    return Experiment(
        NAME, asked, functools.partial(analyse, size, asked), preset=preset, seed=seed,
        words=functools.partial(report_text, size=size, preset=preset),
        config=functools.partial(_config_text, preset, seed, asked[0]),
    )  # fmt: skip


def analyse(size: Preset, asked: Sequence[dict], map: Map = map) -> AnalysisResult:
    """Train and measure every network that is asked for, and judge the claims.

    Args:
        size: of the study.
        asked: a specification per network, all of one seed.
        map: does the pieces of work.
    """
    seed = asked[0]["study_seed"]
    circuit = reference(seed, asked[0]["circuit_units"])  # made once, so that workers find it in the cache
    found = list(results(train_network, asked, map))
    rows = [row for piece, result in found for row in network_rows(piece, result, tuple(PLACE))]
    table, key = frame(rows), jax.random.key(seed)
    judged = claims(table, size, key=key)
    kept = [(piece, result.arrays) for piece, result in found if isinstance(result, Result) and result.arrays]
    defaults = {"arm": "", **PLACE, "seed": -1}
    arrays, members = [arrays for _, arrays in kept], labels([piece for piece, _ in kept], defaults)
    activity = _activity_dataset(arrays, circuit).assign_coords(members)
    return AnalysisResult(
        NAME, (*rows, *summary_rows(rows, key=key)), tuple(judged), activity, weights_dataset(arrays, members),
        network_history(found, ("arm", "seed", *PLACE)), {"verdict": verdict(table, judged, size)},
        tuple(name for name in DRAWINGS if size.extras.get(name, True)),
    )  # fmt: skip


def _activity_dataset(arrays: Sequence[Arrays], circuit) -> xr.Dataset:
    """Rates and outputs of the circuit and of every network, every 10 ms, on trained and held-out directions."""
    (trials, target), (new_trials, new_target) = circuit
    both = lambda name: np.concatenate([thinned(getattr(a, name)) for a in (target, new_target)])  # noqa: E731
    axes = {"rates": ("condition", "time", "network_unit"), "outputs": ("condition", "time", "output")}
    data = {
        "target_rates": (("condition", "time", "unit"), both("rates").astype(np.float32), {"units": "spikes/s"}),
        "target_outputs": (("condition", "time", "output"), both("outputs").astype(np.float32), {"units": "1"}),
        **stacked(arrays, axes | {"recorded": ("unit",)}),
    }
    time = trials.time[KEPT_EVERY - 1 :: KEPT_EVERY] - trials.epochs["movement"][0, 0]
    coordinates = {
        "condition": [*trials.conditions, *new_trials.conditions],
        "set": ("condition", ["train"] * trials.n_trials + ["heldout_direction"] * new_trials.n_trials),
        "time": ("time", time, {"units": "s", "long_name": "time from go"}),
        "unit": list(target.units),
        "output": ["muscle 1", "muscle 2"],
    }
    return xr.Dataset(data, coords=coordinates)


def _config_text(preset: str, seed: int, asked: dict) -> str:
    """The resolved configuration as TOML."""
    lines = [
        f'study = "{NAME}"\npreset = "{preset}"\nseed = {seed}',
        f"n_units = {asked['n_units']}\ncircuit_units = {asked['circuit_units']}",
        f"preparation_before_trial = {LEAD}\ntail = {TAIL}\npenalty = {FullForce().penalty}",
        f"private_noise = {list(PRIVATE_NOISES)}\nn_null_draws = {N_DRAWS}",
        f"\n[preset_sizes]\n{dump_config(PRESETS[preset])}",
        f"[task]\n{dump_config(CenterOutReach())}",
    ]
    settings = {f"{regime}.{arm}": each for regime, arms in REGIMES.items() for arm, each in arms.items()}
    return "\n".join([*lines, *(f"\n[regimes.{name}]\n{dump_config(each)}" for name, each in settings.items())])
