"""What a fit leaves as labelled arrays: the recording, what was predicted of it, and the networks."""

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from recirc.analyses.arrays import weights_dataset
from recirc.types import Activity

KEPT_FOLD = 0  # whose networks' own rates and outputs are kept


def dataset_of(
    activity: Activity,
    folds: Sequence[np.ndarray],
    groups: Sequence[Sequence[int]],
    networks: np.ndarray,
    baselines: Mapping,
    arrays: Mapping,
    *,
    is_modeled: bool,
) -> xr.Dataset:
    """The recording and what was made of it.

    `target_rates` is the recording, `prediction` what every seed's networks made of each condition while it was
    left out, `baseline` the same without networks. `rates` and `outputs` are the networks' own, in all conditions,
    of the networks that judge the first unit fold.
    """
    here = ("condition", "time", "unit")
    places = _memberships(groups, activity.n_trials)
    single = lambda values: np.asarray(values, np.float32)  # noqa: E731
    variables: dict[str, tuple] = {
        "target_rates": (here, single(activity.rates), {"units": "spikes/s"}),
        "prediction": (("seed", *here), single(networks), {"units": "spikes/s"}),
        "baseline": (("method", *here), single(np.stack(list(baselines.values()))), {"units": "spikes/s"}),
        "fold": (("unit",), _memberships(folds, len(activity.units)), {"units": "1"}),
        "group": (("condition",), places, {"units": "1", "long_name": "place along left_out"}),
        "target_outputs": (("condition", "time", "output"), np.asarray(activity.outputs), {"units": "1"}),
    }
    for name, axis in (("rates", "network_unit"), ("outputs", "output")):
        kept = {place: found[name] for place, found in arrays.items() if place[0] == KEPT_FOLD}
        if kept:
            shape = (len(networks), len(groups), *next(iter(kept.values())).shape)
            values = np.full(shape, np.nan, np.float32)
            for (_, left_out, seed), value in kept.items():
                values[seed, left_out] = value
            variables[name] = (("seed", "left_out", "condition", "time", axis), values, {"units": "1"})
    labels = np.array(activity.conditions, object)
    coordinates = {
        "condition": ("condition", labels, {"long_name": "condition label"}),
        "left_out": ("left_out", np.array([", ".join(labels[list(group)]) for group in groups], object)),
        "time": ("time", activity.time, {"units": "s"}),
        "unit": ("unit", np.array(activity.units, object)),
        "seed": ("seed", np.arange(len(networks))),
        "method": ("method", np.array(list(baselines), object)),
    }
    used = {name for dims, *_ in variables.values() for name in dims}
    coordinates = {name: value for name, value in coordinates.items() if name in used}
    return xr.Dataset(variables, coordinates, {"outputs_are_modeled": int(is_modeled)})


def _memberships(groups: Sequence, n: int) -> np.ndarray:
    """The group of each of n places; 0 for those in none."""
    found = np.zeros(n, np.int32)
    for index, members in enumerate(groups):
        found[list(members)] = index
    return found


def networks_of(arrays: Mapping) -> xr.Dataset:
    """Weights of every trained network in single precision, and what each did not see."""
    places = np.array(list(arrays), np.int32).reshape(-1, 3)
    labels = {name: ("network", places[:, i]) for i, name in enumerate(("fold", "left_out", "seed"))}
    return weights_dataset(list(arrays.values()), labels)
