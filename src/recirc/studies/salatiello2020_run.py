"""Run the study: train, measure, judge, write the run folder."""

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
from recirc.studies import salatiello2020 as study
from recirc.studies.networks import KEPT_EVERY, N_DRAWS, N_DRAWS_MINOR, NOISES, train_network
from recirc.studies.salatiello2020_report import draw, report_text
from recirc.studies.salatiello2020_verdict import claims
from recirc.studies.summaries import PLACE, network_rows, summary_rows, with_baselines
from recirc.tasks import CenterOutReach
from recirc.train import FullForce

NAME = "salatiello2020"


def run(*, preset: str, seed: int, jobs: int, out: Path, argv: Sequence[str] = ()) -> bool:
    """Run the study into a folder, or go on with it.

    Returns:
        Whether no claim was contradicted.

    Raises:
        ValueError: if the preset is unknown, or the folder cannot be used.
        StorageError: if results cannot be written.
    """
    if preset not in study.PRESETS:
        raise ValueError(f"preset {preset!r} is unknown; choose one of {', '.join(study.PRESETS)}.")
    size = study.PRESETS[preset]
    specifications = study.specifications(size, seed)
    with RunFolder.open(
        out, specification={"study": NAME, "preset": preset, "specifications": specifications}
    ) as folder:
        folder.write("config.toml", _config_text(preset, size, seed, specifications[0]))
        study.reference(seed, specifications[0]["circuit_units"])  # made once, so that workers find it in the cache
        results = list(run_all(train_network, specifications, jobs=jobs, folder=folder, progress=Progress("networks")))
        rows = with_baselines([row for each in results for row in network_rows(*each)])
        key = jax.random.key(seed)
        judged = claims(rows, size, key=key)
        folder.write_metrics(NAME, preset, [*rows, *summary_rows(rows, key=key)], judged)
        folder.write_dataset("activity.nc", activity_dataset(results, seed))
        folder.write_dataset("networks.nc", networks_dataset(results))
        folder.write_history(_history(results))
        write_text(folder, report_text(rows, judged, size, preset))
        folder.write_manifest(argv, [seed])
        draw(folder.root)
        build(folder)
        folder.finish()
    return all(claim.supported is not False for claim in judged)


def _config_text(preset: str, size: study.Preset, seed: int, specification: dict) -> str:
    """The resolved configuration as TOML."""
    lines = [
        f'study = "{NAME}"\npreset = "{preset}"\nseed = {seed}',
        f"n_units = {specification['n_units']}\ncircuit_units = {specification['circuit_units']}",
        f"preparation_before_trial = {study.LEAD}\ntail = {study.TAIL}\npenalty = {FullForce().penalty}",
        f"private_noise = {list(NOISES)}\nn_null_draws = {[N_DRAWS, N_DRAWS_MINOR]}",
        f"\n[preset_sizes]\n{dump_config(size)}",
        f"[task]\n{dump_config(CenterOutReach())}",
    ]
    for regime, arms in study.REGIMES.items():
        for arm, settings in arms.items():
            lines.append(f"\n[regimes.{regime}.{arm}]\n{dump_config(settings)}")
    return "\n".join(lines)


def _measured(results) -> list[tuple[dict, Result]]:
    return [(s, r) for s, r in results if not isinstance(r, Failure) and "rates" in r.arrays]


def _history(results):
    for specification, result in results:
        if isinstance(result, Failure):
            continue
        place = {name: specification[name] for name in ("arm", "seed", *PLACE)}
        for entry in result.metadata["history"]:
            yield place | entry


def _labels(kept: list[tuple[dict, Result]]) -> dict:
    """Coordinates that say what each network is; -1 and "" stand for "does not apply"."""
    column = lambda name, blank: [s[name] if s[name] is not None else blank for s, _ in kept]  # noqa: E731
    return {
        "arm": ("network", column("arm", "")),
        "regime": ("network", column("regime", "")),
        "fraction": ("network", np.array(column("fraction", -1.0), float)),
        "hint_gain": ("network", np.array(column("hint_gain", -1.0), float)),
        "kind": ("network", column("kind", "")),
        "left_out": ("network", np.array(column("left_out", 0))),
        "normalization": ("network", column("normalization", "")),
        "seed": ("network", np.array(column("seed", -1))),
    }


def activity_dataset(results, seed: int) -> xr.Dataset:
    """Rates and outputs of the circuit and of every network, every 10 ms, on trained and held-out directions."""
    kept = _measured(results)
    (trials, target), (new_trials, new_target) = study.reference(seed, results[0][0]["circuit_units"])
    thin = lambda a: np.asarray(a)[:, KEPT_EVERY - 1 :: KEPT_EVERY].astype(np.float32)  # noqa: E731
    both = lambda name: np.concatenate([thin(getattr(side, name)) for side in (target, new_target)])  # noqa: E731
    conditions = [*trials.conditions, *new_trials.conditions]
    sets = ["train"] * trials.n_trials + ["heldout_direction"] * new_trials.n_trials
    data = {
        "target_rates": (("condition", "time", "unit"), both("rates"), {"units": "spikes/s"}),
        "target_outputs": (("condition", "time", "output"), both("outputs"), {"units": "1"}),
    }
    axes = {
        "rates": ("condition", "time", "network_unit"),
        "outputs": ("condition", "time", "output"),
        "recorded": ("unit",),
    }
    if kept:  # else no network was trained to the end, and there is only the circuit
        data |= {name: _stacked(kept, name, dimensions) for name, dimensions in axes.items()}
    time = np.asarray(trials.time)[KEPT_EVERY - 1 :: KEPT_EVERY] - trials.epochs["movement"][0, 0]
    coordinates = {
        "condition": ("condition", conditions),
        "set": ("condition", sets),
        "time": ("time", time, {"units": "s", "long_name": "time from go"}),
        "unit": ("unit", list(target.units)),
        "output": ("output", ["muscle 1", "muscle 2"]),
        **_labels(kept),
    }
    return xr.Dataset(data, coords=coordinates)


def networks_dataset(results) -> xr.Dataset:
    """Weights of every network, in double precision; absent feedback is zero."""
    kept = _measured(results)
    data = {name: _stacked(kept, name, axes) for name, axes in WEIGHT_AXES.items() if kept}
    return xr.Dataset(data, coords=_labels(kept))


def _stacked(kept: list[tuple[dict, Result]], name: str, dimensions: tuple[str, ...]) -> tuple:
    blank = lambda r: np.zeros(r.arrays["readout"].T.shape)  # noqa: E731
    stack = np.stack([r.arrays[name] if name in r.arrays else blank(r) for _, r in kept])
    return ("network", *dimensions), stack, {"units": "1"}
