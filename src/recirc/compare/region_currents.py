"""Currents between regions of a network."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from recirc.circuits import RateNetwork
from recirc.compare.unit_groups import unit_groups
from recirc.types import Activity


def region_currents(
    network: RateNetwork, activity: Activity, regions: Mapping[str, Sequence[str]]
) -> dict[tuple[str, str], Float[np.ndarray, "trial time unit"]]:
    r"""What every region sends to every other and to itself.

    $$c_{A \leftarrow B}(t) = J_{AB}\, r_B(t)$$

    Args:
        network: whose J it is; its units are those of the activity, in order.
        activity: rates r, recorded or of the network itself.
        regions: name of a region -> names of its units; every unit is in one.

    Returns:
        (to, from) -> currents into the units of `to`, in its order. Over all `from` they add up to J r.

    Raises:
        ValueError: if numbers of units differ, a region names an unknown unit, regions overlap, or a unit is in none.

    Source: Perich et al. 2020 (doi 10.1101/2020.12.18.423348).

    Example:
        >>> import jax, recirc
        >>> network = recirc.circuits.RateNetwork.random(n_units=4, key=jax.random.key(0))
        >>> activity = recirc.Activity(jax.random.normal(jax.random.key(1), (1, 9, 4)), dt=0.01, conditions=["a"])
        >>> sorted(region_currents(network, activity, {"M1": ["0", "1"], "PMd": ["2", "3"]}))
        [('M1', 'M1'), ('M1', 'PMd'), ('PMd', 'M1'), ('PMd', 'PMd')]
    """
    if len(activity.units) != network.n_units:
        found = f"the network has {network.n_units} units and the activity {len(activity.units)}"
        raise ValueError(f"{found}; give the activity of the network's units.")
    index = unit_groups(activity, regions, what="region")
    if left := set(range(network.n_units)).difference(*index.values()):
        raise ValueError(f"{len(left)} units are in no region, the first {activity.units[min(left)]!r}; give them one.")
    weights, rates = np.asarray(network.recurrent), np.asarray(activity.rates)
    return {
        (to, source): rates[..., index[source]] @ weights[np.ix_(index[to], index[source])].T
        for to in regions
        for source in regions
    }
