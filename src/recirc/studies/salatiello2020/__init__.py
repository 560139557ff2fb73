"""Salatiello & Giese 2020: hints from a few recorded units make a network reproduce a circuit's dynamics."""

import dataclasses
import functools
from collections.abc import Sequence

import jax
import numpy as np
import xarray as xr

from recirc.analyses import AnalysisResult, Result, Row, frame, results, summary_rows
from recirc.analyses.arrays import Arrays, labels, stacked, weights_dataset
from recirc.analyses.pieces import Map
from recirc.analyses.sources import stated_sources
from recirc.analyses.summaries import network_history, network_rows
from recirc.runs import dump_config
from recirc.runs.experiment import Experiment
from recirc.studies.presets import preset_of
from recirc.studies.salatiello2020.arms import (
    METHODS,
    PLACE,
    PRESETS,
    REGIMES,
    SOURCE,
    Preset,
    Regime,
    sampled_readings,
    specifications,
)
from recirc.studies.salatiello2020.circuit import LEAD, TAIL, ground_truth, reference, tailed, with_muscles
from recirc.studies.salatiello2020.claims import claims, verdict
from recirc.studies.salatiello2020.network import KEPT_EVERY, N_DRAWS, PRIVATE_NOISES, thinned, train_network
from recirc.studies.salatiello2020.report import DRAWINGS, report_text
from recirc.tasks import CenterOutReach

__all__ = ["DRAWINGS", "METHODS", "PRESETS", "REGIMES", "SOURCE", "TAIL", "Preset", "Regime"]
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
    asked = specifications(size := preset_of(PRESETS, preset), seed)
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
    seed = asked[0]["circuit"]["study_seed"]
    found = list(results(train_network, asked, map))
    circuits, found = ([each for each in found if (each[0]["arm"] == "circuit") == alone] for alone in (True, False))
    halves = [line for _, result in circuits if isinstance(result, Result) for line in result.metadata["half_p"]]
    rows = [with_half_p(row, halves) for piece, result in found for row in network_rows(piece, result, tuple(PLACE))]
    table, key = frame(rows), jax.random.key(seed)
    judged = claims(table, size, key=key)
    kept = [(piece, result.arrays) for piece, result in found if isinstance(result, Result) and result.arrays]
    weights = weights_dataset([arrays for _, arrays in kept], _members(kept))
    examples = [each for each in kept if "rates" in each[1]]
    activity = _activity_dataset([arrays for _, arrays in examples], reference(**asked[0]["circuit"]))
    return AnalysisResult(
        NAME, (*rows, *summary_rows(rows, key=key)), tuple(judged), activity.assign_coords(_members(examples)), weights,
        network_history(found, ("arm", "seed", *PLACE)), {"verdict": verdict(table, judged, size)},
        tuple(name for name in DRAWINGS if size.extras.get(name, True)),
        about={"sources": stated_sources(*METHODS)}
        | ({"readings": sampled_readings(size.n_readings, seed)} if size.n_readings else {}),
    )  # fmt: skip


def _members(kept: Sequence[tuple[dict, Arrays]]) -> dict[str, tuple]:
    return labels([piece for piece, _ in kept], {"arm": "", "fraction": PLACE["fraction"], "seed": -1})


def with_half_p(row: Row, halves: Sequence[dict]) -> Row:
    """A row whose null says what p halves of the circuit have."""
    place = (row.metric, row.condition.get("set"))
    own = [{"half_p": line["half_p"]} for line in halves if (line["metric"], line["set"]) == place]
    return row if row.null is None or not own else dataclasses.replace(row, null={**row.null, **own[0]})


def _activity_dataset(arrays: Sequence[Arrays], circuit) -> xr.Dataset:
    """Rates and outputs of a circuit and its networks, every 10 ms, on trained and held-out directions."""
    (trials, target), (new_trials, new_target) = circuit
    both = lambda name: np.concatenate([thinned(getattr(a, name), a.dt) for a in (target, new_target)])  # noqa: E731
    axes = {"rates": ("condition", "time", "network_unit"), "outputs": ("condition", "time", "output")}
    data = {
        "target_rates": (("condition", "time", "unit"), both("rates").astype(np.float32), {"units": "spikes/s"}),
        "target_outputs": (("condition", "time", "output"), both("outputs").astype(np.float32), {"units": "1"}),
        **stacked(arrays, axes | {"recorded": ("unit",)}),
    }
    every = round(KEPT_EVERY / trials.dt)
    time = trials.time[every - 1 :: every] - trials.epochs["movement"][0, 0]
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
        f"n_units = {asked['n_units']}\ncircuit_units = {asked['circuit']['n_units']}",
        f"preparation_before_trial = {LEAD}\ntail = {TAIL}",
        f"private_noise = {list(PRIVATE_NOISES)}\nn_null_draws = {N_DRAWS}",
        f"\n[preset_sizes]\n{dump_config(PRESETS[preset])}",
        f"[task]\n{dump_config(CenterOutReach())}",
    ]
    return "\n".join([*lines, *(f"\n[regimes.{arm}]\n{dump_config(each)}" for arm, each in REGIMES.items())])
