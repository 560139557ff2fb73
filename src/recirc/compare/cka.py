"""Linear centered kernel alignment."""

from collections.abc import Callable
from typing import ClassVar

import numpy as np

from recirc.compare.rotated_conditions import AbstractConditionSimilarity
from recirc.compare.samples import centered, paired_samples, principal_scores
from recirc.types import Activity, Direction, Score


class LinearCKA(AbstractConditionSimilarity):
    r"""Linear centered kernel alignment.

    $$\mathrm{CKA} = \frac{\|Y^\top X\|_F^2}{\|X^\top X\|_F\,\|Y^\top Y\|_F}$$

    X and Y are centered samples (trial and time) by units. It is 1 if one is the other up to rotation and one
    common scale; it changes under other linear maps. It is dominated by the largest principal components, so
    a high value does not mean that small ones agree.

    Returns (when called): metric `linear_cka`.

    Source: Kornblith et al. 2019 (arXiv 1905.00414), the biased estimate.

    Example:
        >>> import jax, recirc
        >>> a = recirc.Activity(jax.random.normal(jax.random.key(0), (4, 50, 6)), dt=0.01, conditions="abcd")
        >>> round(recirc.compare.LinearCKA()(a, a).value, 6)
        1.0
    """

    metric: ClassVar[str] = "linear_cka"
    label: ClassVar[str] = "linear CKA"
    direction: ClassVar[Direction] = "higher"
    blind_to: ClassVar[frozenset[str]] = frozenset({"permutations", "rotations", "offsets", "scale"})

    def __call__(self, a: Activity, b: Activity) -> Score:
        x, y = paired_samples(a, b)
        return self.score(np.sum((y.T @ x) ** 2) / np.linalg.norm(x.T @ x) / np.linalg.norm(y.T @ y))

    def compressed(self, a: Activity) -> Activity:
        return rotated(a)

    def against(self, a: Activity, b: Activity) -> Callable[[np.ndarray], float]:
        x, y = centered(a.rates), principal_scores(centered(b.rates))[0]
        size = np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y)
        return lambda rates: float(np.sum((y.T @ centered(rates)) ** 2) / size)


def rotated(a: Activity) -> Activity:
    """`a` in the coordinates of its principal components: where rotations change nothing, equal to nine digits."""
    scores, _ = principal_scores(centered(a.rates), floor=1e-10)
    return a.replace(rates=scores.reshape(*a.rates.shape[:2], -1), units=None)
