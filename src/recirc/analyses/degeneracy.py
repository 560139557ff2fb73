"""How differently networks of one arm solve their task: spread over seeds of behavior, dynamics and weights."""

import itertools
import math
from collections.abc import Sequence

import jax
import numpy as np
import xarray as xr
from jaxtyping import Float, PRNGKeyArray
from scipy.optimize import linear_sum_assignment, quadratic_assignment

from recirc.analyses.result import AnalysisResult
from recirc.analyses.sources import stated_sources
from recirc.analyses.table import Row
from recirc.arguments import check_key
from recirc.circuits import RateNetwork, simulate
from recirc.compare import DSA
from recirc.compare.samples import centered
from recirc.compare.statistics import jackknife_variance
from recirc.types import Activity, Level, Trials

LEVELS: dict[str, Level] = {"behavior": "performance", "dynamics": "population", "weights": "mechanism"}
Distances = Float[np.ndarray, "network network"]


def degeneracy(
    networks: Sequence[RateNetwork],
    trials: Trials,
    *,
    untrained: Sequence[RateNetwork] = (),
    arm: str = "network",
    key: PRNGKeyArray,
) -> AnalysisResult:
    r"""Mean distance between two networks of one arm, at each of three levels.

    $$d_{\mathrm{behavior}} = \frac{\sum (z_i - z_j)^2}{\sum f^2}, \quad d_{\mathrm{dynamics}} = \mathrm{DSA}(i, j),
      \quad d_{\mathrm{weights}} = \min_P \frac{\|J_i - P J_j P^\top\|_F}{\sqrt{\|J_i\|_F^2 + \|J_j\|_F^2}}$$

    z are outputs and f targets of the trials, J recurrent weights, P permutations of the units. Networks that do the
    task equally well (behavior near 0) may do so by other dynamics, and the same dynamics need not come of the same
    weights: 0 there if one is the other with units renumbered, about 1 if they have nothing in common. The best P is
    searched for from that which pairs units of like rates, so that the distance is an upper bound.

    Args:
        networks: two or more, trained alike from different seeds.
        trials: on which outputs and rates are taken; conditions outside of training tell more.
        untrained: as many networks as they were before training, as a baseline.
        arm: what the networks are called.
        key: of private noise.

    Returns:
        A row `degeneracy_<level>` per level, its mean over pairs with a jackknife interval over networks; arrays
        `behavior`, `dynamics` and `weights`, network by network.

    Raises:
        ValueError: if there are fewer than two networks, or their numbers of units differ.

    Source: Huang et al. 2024 (arXiv 2410.03972). Departures: behavior is the distance of outputs, not the spread of
    errors, which misses networks that fail differently; weights are scaled by their size.

    Example:
        >>> import jax, recirc
        >>> recirc.enable_x64()
        >>> trials = recirc.tasks.CenterOutReach(dt=0.01).trials(4, key=jax.random.key(0))
        >>> networks = [recirc.circuits.RateNetwork.random(n_units=20, key=jax.random.key(i)) for i in range(3)]
        >>> result = recirc.analyses.degeneracy(networks, trials, key=jax.random.key(1))
        >>> list(result.table["metric"])
        ['degeneracy_behavior', 'degeneracy_dynamics', 'degeneracy_weights']
    """
    check_key(key)
    found = _distances(networks, trials, key)
    before = _distances(untrained, trials, key) if len(untrained) else {}
    rows = []
    for name, level in LEVELS.items():
        value, interval = _mean_of_pairs(found[name])
        rows.append(
            Row(f"degeneracy_{name}", level, arm, value, interval, len(networks), {"set": "seeds"},
                "rad" if name == "dynamics" else "1", "lower",
                baselines={"untrained": _mean_of_pairs(before[name])[0]} if before else {})
        )  # fmt: skip
    arrays = xr.Dataset({name: (("network", "other"), values) for name, values in found.items()})
    said = ", ".join(f"{name} {row.value:.2g}" for name, row in zip(LEVELS, rows))
    sentence = f"Two of {len(networks)} networks differ, on average, by: {said}."
    return AnalysisResult(
        "degeneracy", tuple(rows), arrays=arrays, sentences={"degeneracy": sentence},
        about={"sources": stated_sources(degeneracy, DSA)},
    )  # fmt: skip


def _distances(networks: Sequence[RateNetwork], trials: Trials, key) -> dict[str, Distances]:
    sizes = [len(network.bias) for network in networks]
    if len(networks) < 2 or len(set(sizes)) > 1:
        raise ValueError(f"pairs need two or more networks of equal numbers of units; these have {sizes} units.")
    runs = [simulate(network, trials, key=jax.random.fold_in(key, i)) for i, network in enumerate(networks)]
    power = float(np.sum(np.asarray(trials.targets, np.float64) ** 2))
    found = {name: np.zeros((len(networks),) * 2) for name in LEVELS}
    for i, j in itertools.combinations(range(len(networks)), 2):
        outputs = [np.asarray(runs[k].outputs, np.float64) for k in (i, j)]
        weights = [np.asarray(networks[k].recurrent, np.float64) for k in (i, j)]
        values = (
            np.sum((outputs[0] - outputs[1]) ** 2) / power,
            DSA()(runs[i], runs[j]).value,
            _weight_distance(weights[0], weights[1], runs[i], runs[j]),
        )
        for name, value in zip(LEVELS, values):
            found[name][i, j] = found[name][j, i] = value
    return found


def _weight_distance(one: np.ndarray, other: np.ndarray, a: Activity, b: Activity) -> float:
    """Between weight matrices, units of the other renumbered as fits best."""
    x, y = centered(a.rates), centered(b.rates)
    start = np.eye(len(one))[linear_sum_assignment(x.T @ y, maximize=True)[1]]
    order = quadratic_assignment(one, other, options={"maximize": True, "P0": start}).col_ind
    size = np.sum(one**2) + np.sum(other**2)
    return float(np.sqrt(np.sum((one - other[np.ix_(order, order)]) ** 2) / size))


def _mean_of_pairs(distances: Distances) -> tuple[float, tuple[float, float]]:
    """Mean over pairs, and 1.96 jackknife standard errors either way; none with two networks."""
    n = len(distances)
    value = float(distances.sum() / (n * (n - 1)))
    if n < 3:
        return value, (math.nan, math.nan)
    without = (distances.sum() - 2 * distances.sum(axis=0)) / ((n - 1) * (n - 2))
    error = math.sqrt(jackknife_variance(without))
    return value, (value - 1.96 * error, value + 1.96 * error)
