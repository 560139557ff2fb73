"""Distance between populations whose units are matched one by one."""

from collections.abc import Callable
from typing import ClassVar

import numpy as np
import scipy.sparse
from jaxtyping import Float
from scipy.optimize import linear_sum_assignment, linprog

from recirc.compare.rotated_conditions import AbstractConditionSimilarity
from recirc.compare.samples import centered, paired_samples
from recirc.types import Activity, Direction, Level, Score


class SoftMatching(AbstractConditionSimilarity):
    r"""Soft matching distance: how far the tuning of units is from that of their partners in the other population.

    $$d = \min_{P \in T} \Big(\sum_{ij} P_{ij} \|x_i - y_j\|^2\Big)^{1/2}, \qquad
      T = \Big\{P \ge 0: \textstyle\sum_j P_{ij} = \frac1n, \; \sum_i P_{ij} = \frac1m\Big\}$$

    x_i and y_j are the centered courses (over trials and times) of n and m units, each population scaled so that the
    mean of the squared lengths is 1. Equal numbers of units are paired one to one; of unequal numbers a unit is shared
    out among several. 0 means the same units, in any order; sqrt(2) that partners are uncorrelated. It sees what
    rotations of the units change, as none of the measures of populations does. It is a metric: symmetric, with the
    triangle inequality (a Wasserstein distance). With few conditions and many units partners are found by chance.

    Returns (when called): metric `soft_matching_distance`; lower is better.

    Source: Khosla and Williams 2023 (arXiv 2311.09466); scaling both sides is ours.

    Example:
        >>> import jax, recirc
        >>> a = recirc.Activity(jax.random.normal(jax.random.key(0), (4, 50, 6)), dt=0.01, conditions="abcd")
        >>> turned = a.replace(rates=a.rates @ jax.random.orthogonal(jax.random.key(1), 6))
        >>> measure = recirc.compare.SoftMatching()
        >>> bool(measure(a, a).value < 1e-3), bool(measure(a, turned).value > 0.3)
        (True, True)
    """

    metric: ClassVar[str] = "soft_matching_distance"
    label: ClassVar[str] = "soft matching distance of units"
    level: ClassVar[Level] = "unit"
    direction: ClassVar[Direction] = "lower"
    blind_to: ClassVar[frozenset[str]] = frozenset({"permutations", "offsets", "scale"})

    def __call__(self, a: Activity, b: Activity) -> Score:
        return self.score(_distance(*paired_samples(a, b)))

    def against(self, a: Activity, b: Activity) -> Callable[[np.ndarray], float]:
        y = centered(b.rates)
        return lambda rates: _distance(centered(rates), y)


def _distance(x: Float[np.ndarray, "sample unit"], y: Float[np.ndarray, "sample other"]) -> float:
    x, y = (side * np.sqrt(side.shape[1]) / np.linalg.norm(side) for side in (x, y))
    return float(np.sqrt(max(2 - 2 * _best_match(x.T @ y), 0.0)))


def _best_match(products: Float[np.ndarray, "unit other"]) -> float:
    """The greatest sum of products that any sharing out of units reaches."""
    n, m = products.shape
    if n == m:
        return float(products[linear_sum_assignment(products, maximize=True)].mean())
    rows = scipy.sparse.kron(scipy.sparse.eye(n), np.ones((1, m)))
    columns = scipy.sparse.kron(np.ones((1, n)), scipy.sparse.eye(m))
    shares = np.repeat([1 / n, 1 / m], [n, m])
    found = linprog(
        -products.ravel(), A_eq=scipy.sparse.vstack([rows, columns]).tocsc(), b_eq=shares, method="highs-ds"
    )
    return float(-found.fun)
