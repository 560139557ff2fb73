"""Linear centered kernel alignment of whole populations, estimated from the units that were sampled of each."""

from collections.abc import Callable
from typing import ClassVar

import numpy as np

from recirc.compare.rotated_conditions import AbstractConditionSimilarity
from recirc.compare.samples import centered, paired_samples, principal_scores
from recirc.types import Activity, Direction, Score


class DebiasedCKA(AbstractConditionSimilarity):
    r"""Linear centered kernel alignment that does not rise with the number of units recorded.

    $$\frac{\overline{(x_i \cdot y_j)^2}}
        {\sqrt{\overline{(x_i \cdot x_k)^2}_{i \ne k}\;\overline{(y_j \cdot y_l)^2}_{j \ne l}}}$$

    x_i are the centered samples (trial and time) of unit i of the first activity, y_j of the second; means are over all
    pairs of units. `LinearCKA` has the pairs of a unit with itself below the line, too: these are 1/n of all, and far
    larger than others, so that it is the lower the fewer units there are. Without them each mean is what it would be
    in the populations that the units are a random sample of, and so is noise that is private to units.

    It is an estimate: it scatters about 1 for samples of one population, and lies above 1 for units compared with
    themselves. Means have no bias, their ratio has some: where two populations have .30, samples of 15 and of 60 units
    give .34 and .31 on average, and `LinearCKA` .20 and .27.

    Returns (when called): metric `debiased_cka`.

    Raises:
        ValueError: when called, if a side has one unit, or no two that are correlated.

    Source: Chun et al. 2025 (arXiv 2502.15104), the correction for units alone. Theirs for stimuli leaves out pairs of
    a stimulus with itself, which does nothing where samples are neighboring times; here conditions and times are fixed.

    Example:
        >>> import jax, recirc
        >>> rates = jax.random.normal(jax.random.key(0), (8, 50, 3)) @ jax.random.normal(jax.random.key(1), (3, 20))
        >>> a = recirc.Activity(rates, dt=0.01, conditions="abcdefgh")
        >>> halves = [a.select_units(list(units)) for units in (a.units[:10], a.units[10:])]
        >>> bool(recirc.compare.LinearCKA()(*halves).value < recirc.compare.DebiasedCKA()(*halves).value)
        True
    """

    metric: ClassVar[str] = "debiased_cka"
    label: ClassVar[str] = "linear CKA, debiased for units"
    direction: ClassVar[Direction] = "higher"
    blind_to: ClassVar[frozenset[str]] = frozenset({"permutations", "offsets", "scale"})
    estimates_populations: ClassVar[bool] = True

    def __call__(self, a: Activity, b: Activity) -> Score:
        x, y = paired_samples(a, b)
        return self.score(np.sum((y.T @ x) ** 2) / (x.shape[1] * y.shape[1] * _size(x) * _size(y)))

    def against(self, a: Activity, b: Activity) -> Callable[[np.ndarray], float]:
        x, y = centered(a.rates), centered(b.rates)
        size = x.shape[1] * y.shape[1] * _size(x) * _size(y)
        y = principal_scores(y)[0]
        return lambda rates: float(np.sum((y.T @ centered(rates)) ** 2) / size)


def _size(x: np.ndarray) -> float:
    """Root mean square of the inner products of two different units."""
    products = x.T @ x
    own, n_units = np.diag(products), len(products)
    squares = np.sum(products**2) - np.sum(own**2)
    if n_units < 2 or not squares > 1e-12 * np.sum(own**2):
        raise ValueError(f"{n_units} units, of which no two are correlated, tell nothing of others; give more units.")
    return float(np.sqrt(squares / (n_units * (n_units - 1))))
