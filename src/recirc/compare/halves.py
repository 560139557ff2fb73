"""Whether a population is further from a reference than halves of the reference are from each other."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, PRNGKeyArray

from recirc.circuits.base import numpy_generator

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


def between_halves(
    distances: Distances, n_reference: int, n: int, *, n_splits: int = 199, key: PRNGKeyArray
) -> dict[str, Float[np.ndarray, " split"]]:
    """Distances between disjoint samples of the reference's units, which any network of enough units can share.

    Args:
        distances: of two samples, each "network" or "reference" with places of units, by name; nan where there is none.
        n_reference, n: units there are, and in each sample.
        n_splits: pairs of samples.
        key: random key.

    Raises:
        ValueError: if there are no two disjoint samples of so many units.
    """
    if n < 1 or 2 * n > n_reference:
        raise ValueError(f"two disjoint samples of {n} units need {max(2 * n, 2)} units, and there are {n_reference}.")
    random, found = numpy_generator(key), []
    for _ in range(n_splits):
        order = random.permutation(n_reference)
        found.append(distances(("reference", order[:n]), ("reference", order[n : 2 * n])))
    return {name: np.array([each[name] for each in found]) for name in found[0]}


def beside_halves(
    distances: Distances, halves: Mapping[str, np.ndarray], n_network: int, n_reference: int, n: int, *,
    n_draws: int = 49, key: PRNGKeyArray,
) -> dict[str, BesideHalves]:  # fmt: skip
    r"""One rule for everything that two populations can differ in.

    $$p = \frac{1 + \#\{i : d(R_i, R'_i) \ge \mathrm{median}_j\, d(N_j, R_j)\}}{1 + n}$$

    R_i and R'_i are disjoint samples of the reference's units, N_j is one of the network's and R_j of the reference's,
    all of equal size: half of the reference, or all of the network if that is smaller. So what few units make of a
    distance is the same on both sides, and that of the network's own units counts too. The median over draws varies
    less than a single distance between halves, so that a population like the reference is called unlike in under 5 %.

    Args:
        distances: as in `between_halves`.
        halves: what that found.
        n_network, n_reference, n: units there are, and in each sample.
        n_draws: samples of the network.
        key: random key.

    Example:
        >>> import jax, numpy as np
        >>> values = {"network": np.zeros(20), "reference": np.arange(20.0)}
        >>> mean = lambda side: float(values[side[0]][side[1]].mean())
        >>> far = lambda a, b: {"mean": abs(mean(a) - mean(b))}
        >>> halves = between_halves(far, 20, 10, key=jax.random.key(0))
        >>> round(beside_halves(far, halves, 20, 20, 10, key=jax.random.key(1))["mean"].p, 2)
        0.01
    """
    random = numpy_generator(key)
    found = [
        distances(
            *((name, random.permutation(of)[:n]) for name, of in (("network", n_network), ("reference", n_reference)))
        )
        for _ in range(n_draws)
    ]
    return {name: _beside(np.array([each[name] for each in found]), halves[name]) for name in halves}


def _beside(own: Float[np.ndarray, " draw"], halves: Float[np.ndarray, " split"]) -> BesideHalves:
    halves, distance = halves[np.isfinite(halves)], float(np.median(own))
    if not len(halves) or not np.isfinite(distance):
        return BesideHalves(distance, np.nan, np.nan, np.nan)
    p = (1 + int((halves >= distance - 1e-12).sum())) / (1 + len(halves))
    return BesideHalves(distance, float(halves.mean()), float(np.percentile(halves, 95)), p)
