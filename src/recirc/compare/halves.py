"""Whether a population is further from a reference than halves of the reference are from each other."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, PRNGKeyArray

from recirc.compare.base import numpy_generator

Places = Int[np.ndarray, " unit"]
Distances = Callable[[tuple[str, Places], tuple[str, Places]], Mapping[str, float]]


class BesideHalves(NamedTuple):
    """A distance to the reference, beside those between its halves.

    Args:
        distance: median over draws of units from both.
        mean, p95: of the distances between halves.
        p: share of halves that are as far apart as `distance`, the population's own counted as one.
    """

    distance: float
    mean: float
    p95: float
    p: float


def beside_halves(
    distances: Distances, n_network: int, n_reference: int, *, n_splits: int = 199, n_draws: int = 49, key: PRNGKeyArray
) -> dict[str, BesideHalves]:
    r"""One rule for everything that two populations can differ in.

    $$p = \frac{1 + \#\{i : d(R_i, R'_i) \ge \mathrm{median}_j\, d(N_j, R_j)\}}{1 + n}$$

    R_i and R'_i are disjoint samples of the reference's units, N_j is one of the network's and R_j of the reference's,
    all of equal size: half of the reference, or all of the network if that is smaller. So what few units make of a
    distance is the same on both sides, and that of the network's own units counts too. The median over draws varies
    less than a single distance between halves, so that a population like the reference is called unlike in under 5 %.

    Args:
        distances: of two samples, each "network" or "reference" with places of units, by name; nan where there is none.
        n_network, n_reference: units there are.
        n_splits: disjoint samples.
        n_draws: samples of the network.
        key: random key.

    Raises:
        ValueError: if there are fewer than two units of the reference, or none of the network.

    Example:
        >>> import jax, numpy as np
        >>> values = {"network": np.zeros(20), "reference": np.arange(20.0)}
        >>> mean = lambda side: float(values[side[0]][side[1]].mean())
        >>> found = beside_halves(lambda a, b: {"mean": abs(mean(a) - mean(b))}, 20, 20, key=jax.random.key(0))
        >>> round(found["mean"].p, 2)
        0.01
    """
    if n_reference < 2 or n_network < 1:
        raise ValueError(
            f"halves need two units of the reference and one of the network, got {n_reference}, {n_network}."
        )
    random, n = numpy_generator(key), min(n_reference // 2, n_network)

    def sample(name: str, of: int) -> tuple[str, Places]:
        return name, random.permutation(of)[:n]

    halves, found = [], []
    for _ in range(n_splits):
        order = random.permutation(n_reference)
        halves.append(distances(("reference", order[:n]), ("reference", order[n : 2 * n])))
    for _ in range(n_draws):
        found.append(distances(sample("network", n_network), sample("reference", n_reference)))
    return {
        name: _beside(np.array([d[name] for d in found]), np.array([d[name] for d in halves])) for name in halves[0]
    }


def _beside(own: Float[np.ndarray, " draw"], halves: Float[np.ndarray, " split"]) -> BesideHalves:
    halves, distance = halves[np.isfinite(halves)], float(np.median(own))
    if not len(halves) or not np.isfinite(distance):
        return BesideHalves(distance, np.nan, np.nan, np.nan)
    p = (1 + int((halves >= distance - 1e-12).sum())) / (1 + len(halves))
    return BesideHalves(distance, float(halves.mean()), float(np.percentile(halves, 95)), p)
