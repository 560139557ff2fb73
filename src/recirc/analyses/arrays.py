"""Arrays of many networks side by side, labelled: what `activity.nc` and `networks.nc` hold."""

import functools
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from recirc.circuits import RateNetwork
from recirc.circuits.rate_network import WEIGHT_AXES

Arrays = Mapping[str, np.ndarray]
MOST_BYTES = 200e6  # of weights in memory


def weights_of(network: RateNetwork, dtype=None) -> dict[str, np.ndarray]:
    """Every weight that a network has, by name; in its own precision if `dtype` is None."""
    found = {name: getattr(network, name) for name in WEIGHT_AXES}
    return {name: np.asarray(value, dtype) for name, value in found.items() if value is not None}


def stacked(members: Sequence[Arrays], axes: Mapping[str, Sequence[str]], *, dtype=None) -> dict[str, tuple]:
    """Variables of a dataset with a first axis "network": nan where a network lacks one that others have.

    Args:
        members: arrays of each network, by name.
        axes: name -> its axes in one network.
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
            stack = np.stack([member[name] if name in member else np.full_like(first, np.nan) for member in members])
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

    More than `MOST_BYTES` of them are arrays of Dask, which read one network at a time.

    Args:
        members: what `weights_of` gave, among others, for each.
        coordinates: say what each is; see `labels`.

    Example:
        >>> found = weights_dataset([{"recurrent": np.ones((2, 2))}, {"recurrent": np.ones((1, 1))}], {})
        >>> found["recurrent"].values.tolist()
        [[[1.0, 1.0], [1.0, 1.0]], [[1.0, 0.0], [0.0, 0.0]]]
    """
    from dask.array import map_blocks  # slow to load

    shapes: dict[str, np.ndarray] = {}
    types: dict[str, np.dtype] = {}
    for member in members:
        for name in WEIGHT_AXES.keys() & member.keys():
            shapes[name] = np.maximum(shapes.get(name, 0), np.shape(weights := member[name]))
            types[name] = np.result_type(types.get(name, weights.dtype), weights.dtype)
    variables = {}
    for name in (name for name in WEIGHT_AXES if name in shapes):
        chunks = ((1,) * len(members), *((n,) for n in shapes[name].tolist()))
        about = {"dtype": types[name], "meta": np.empty(0, types[name]), "name": f"{name}-{uuid.uuid4().hex}"}
        stack = map_blocks(functools.partial(_block, members, name, shapes[name], types[name]), chunks=chunks, **about)
        variables[name] = (("network", *WEIGHT_AXES[name]), stack, {"units": "1"})
    found = xr.Dataset(variables, coords=coordinates)
    return found if found.nbytes > MOST_BYTES else found.load(scheduler="synchronous")


def _block(members: Sequence[Arrays], name: str, shape: np.ndarray, dtype, block_id: tuple[int, ...]) -> np.ndarray:
    """Weights of one network, with zeros where larger ones have more."""
    member = members[block_id[0]]
    weights = np.asarray(member[name] if name in member else np.zeros((0,) * len(shape)), dtype)
    return np.pad(weights, [(0, n) for n in shape - weights.shape])[None]
