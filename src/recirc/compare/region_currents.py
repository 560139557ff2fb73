"""Currents between regions of a network."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from recirc.circuits import RateNetwork
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
    places, owner = {name: i for i, name in enumerate(activity.units)}, {}
    for region, units in regions.items():
        for unit in units:
            if unit not in places:
                raise ValueError(f"region {region!r} names unit {unit!r}, which the activity does not have; mend it.")
            if unit in owner:
                raise ValueError(f"unit {unit!r} is in {owner[unit]!r} and in {region!r}; regions must not overlap.")
            owner[unit] = region
    if left := [unit for unit in activity.units if unit not in owner]:
        raise ValueError(f"{len(left)} units are in no region, the first {left[0]!r}; give them one.")
    index = {region: np.array([places[unit] for unit in units], int) for region, units in regions.items()}
    weights, rates = np.asarray(network.recurrent), np.asarray(activity.rates)
    return {
        (to, source): rates[..., index[source]] @ weights[np.ix_(index[to], index[source])].T
        for to in regions
        for source in regions
    }
