"""Arrays of many networks side by side, labelled: what `activity.nc` and `networks.nc` hold."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from recirc.circuits import RateNetwork
from recirc.circuits.rate_network import WEIGHT_AXES

Arrays = Mapping[str, np.ndarray]


def weights_of(network: RateNetwork, dtype=None) -> dict[str, np.ndarray]:
    """Every weight that a network has, by name; in its own precision if `dtype` is None."""
    found = {name: getattr(network, name) for name in WEIGHT_AXES}
    return {name: np.asarray(value, dtype) for name, value in found.items() if value is not None}


def stacked(
    members: Sequence[Arrays], axes: Mapping[str, Sequence[str]], *, blank: float = np.nan, dtype=None
) -> dict[str, tuple]:
    """Variables of a dataset with a first axis "network"; names that no network has are left out.

    Args:
        members: arrays of each network, by name.
        axes: name -> its axes in one network.
        blank: stands in for an array that a network lacks.
        dtype: of what is kept; that of the arrays if None.

    Example:
        >>> found = stacked([{"rates": np.ones(3)}, {}], {"rates": ["time"], "outputs": ["time"]})
        >>> {name: (axes, values.tolist()) for name, (axes, values, _) in found.items()}
        {'rates': (('network', 'time'), [[1.0, 1.0, 1.0], [nan, nan, nan]])}
    """
    variables = {}
    for name, dimensions in axes.items():
        first = next((member[name] for member in members if name in member), None)
        if first is not None:
            stack = np.stack([member[name] if name in member else np.full_like(first, blank) for member in members])
            variables[name] = (("network", *dimensions), np.asarray(stack, dtype), {"units": "1"})
    return variables


def labels(specifications: Sequence[Mapping[str, Any]], blanks: Mapping[str, Any]) -> dict[str, tuple]:
    """Coordinates that say what each network is.

    Args:
        specifications: one of each network.
        blanks: entry of the specifications -> what stands for None, which decides the type of the others too.

    Example:
        >>> labels([{"arm": "hints", "fraction": 0.05}, {"arm": "force", "fraction": None}], {"fraction": -1.0})
        {'fraction': ('network', array([ 0.05, -1.  ]))}
    """
    columns = {name: [blank if s[name] is None else s[name] for s in specifications] for name, blank in blanks.items()}
    return {name: ("network", np.array(values, type(blanks[name]))) for name, values in columns.items()}


def weights_dataset(members: Sequence[Arrays], coordinates: Mapping[str, tuple]) -> xr.Dataset:
    """Weights of every network; those that only some have, or larger ones have, are zero in the others.

    Args:
        members: what `weights_of` gave, among others, for each.
        coordinates: say what each is; see `labels`.
    """
    weights = [{name: each for name, each in member.items() if name in WEIGHT_AXES} for member in members]
    names = {name for member in weights for name in member}
    most = {name: np.max([member[name].shape for member in weights if name in member], axis=0) for name in names}
    padded = [
        {name: np.pad(each, [(0, n) for n in most[name] - each.shape]) for name, each in member.items()}
        for member in weights
    ]
    return xr.Dataset(stacked(padded, WEIGHT_AXES, blank=0.0), coords=coordinates)
