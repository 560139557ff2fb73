"""Run the study: train, measure, judge, write the run folder."""

from collections.abc import Sequence
from pathlib import Path

import jax
import numpy as np
import xarray as xr

from recirc.runs import Result, RunFolder, dump_config
from recirc.runs.progress import Progress
from recirc.runs.report import build, write_text
from recirc.runs.sweep import Failure, run_all
from recirc.studies import salatiello2020 as study
from recirc.studies.networks import KEPT_EVERY, train_network
from recirc.studies.salatiello2020_report import draw, report_text
from recirc.studies.salatiello2020_verdict import claims
from recirc.studies.summaries import PLACE, network_rows, summary_rows, with_baselines

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
        folder.write("config.toml", dump_config(size) + "\n" + _regimes_text(seed))
        study.reference(
            seed, specifications[0]["circuit_units"]
        )  # made once, so that workers find it in the cache
        results = list(
            run_all(train_network, specifications, jobs=jobs, folder=folder, progress=Progress("networks"))
        )
        rows = with_baselines([row for each in results for row in network_rows(*each)])
        key = jax.random.key(seed)
        judged = claims(rows, size, key=key)
        folder.write_metrics(NAME, preset, [*rows, *summary_rows(rows, key=key)], judged)
        folder.write_dataset("activity.nc", activity_dataset(results, seed))
        folder.write_dataset("networks.nc", networks_dataset(results))
        folder.write_history(_history(results))
        write_text(folder, report_text(rows, judged, size, preset, results))
        folder.write_manifest(argv, [seed, *range(size.n_seeds)])
        build(folder, draw)
        folder.finish()
    return all(claim.supported is not False for claim in judged)


def _regimes_text(seed: int) -> str:
    lines = [f"seed = {seed}"]
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
        "rates": (
            ("network", "condition", "time", "network_unit"),
            np.stack([r.arrays["rates"] for _, r in kept]) if kept else np.zeros((0, len(sets), 1, 1)),
            {"units": "1"},
        ),
        "outputs": (
            ("network", "condition", "time", "output"),
            np.stack([r.arrays["outputs"] for _, r in kept]) if kept else np.zeros((0, len(sets), 1, 1)),
            {"units": "1"},
        ),
        "recorded": (("network", "unit"), np.stack([r.arrays["recorded"] for _, r in kept]), {"units": "1"}),
    }
    time = np.asarray(trials.time)[KEPT_EVERY - 1 :: KEPT_EVERY] - 0.05
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
    shapes = {
        "recurrent": ("unit", "from_unit"),
        "input_weights": ("unit", "input"),
        "readout": ("output", "unit"),
        "bias": ("unit",),
        "start": ("unit",),
        "feedback": ("unit", "output"),
    }
    blank = lambda r: np.zeros(r.arrays["readout"].T.shape)  # noqa: E731
    data = {
        name: (
            ("network", *dimensions),
            np.stack([r.arrays.get(name, blank(r)) for _, r in kept]),
            {"units": "1"},
        )
        for name, dimensions in shapes.items()
    }
    return xr.Dataset(data, coords=_labels(kept))
