"""Angle between shapes."""

from collections.abc import Callable
from typing import ClassVar

import numpy as np

from recirc.compare.cka import rotated
from recirc.compare.rotated_conditions import AbstractConditionSimilarity
from recirc.compare.samples import centered, paired_samples, principal_scores
from recirc.types import Activity, Direction, Score


class Procrustes(AbstractConditionSimilarity):
    r"""Angle that remains between two activities after the best rotation or reflection.

    $$\theta = \min_{Q^\top Q = I} \arccos \frac{\langle X, YQ\rangle}{\|X\|_F\|Y\|_F}
             = \arccos\frac{\|X^\top Y\|_*}{\|X\|_F\|Y\|_F}$$

    X and Y are centered samples (trial and time) by units, the smaller padded with silent units (which does not change
    the nuclear norm, so nothing is padded in fact). 0 means equal up to translation, rotation and scale; pi/2 means
    unrelated. It is a metric: symmetric, with the triangle inequality. Near 0, rounding alone gives about 1e-8.

    Returns (when called): metric `procrustes_angle` in rad; lower is better.

    Source: Williams et al. 2021 (arXiv 2110.14739), without partial whitening.

    Example:
        >>> import jax, recirc
        >>> a = recirc.Activity(jax.random.normal(jax.random.key(0), (4, 50, 6)), dt=0.01, conditions="abcd")
        >>> bool(recirc.compare.Procrustes()(a, a).value < 1e-3)
        True
    """

    metric: ClassVar[str] = "procrustes_angle"
    label: ClassVar[str] = "Procrustes angle (rad)"
    direction: ClassVar[Direction] = "lower"
    blind_to: ClassVar[frozenset[str]] = frozenset({"permutations", "rotations", "offsets", "scale"})

    def __call__(self, a: Activity, b: Activity) -> Score:
        x, y = paired_samples(a, b)
        return self.score(_angle(x, y, float(np.linalg.norm(x) * np.linalg.norm(y))), unit="rad")

    def compressed(self, a: Activity) -> Activity:
        return rotated(a)

    def against(self, a: Activity, b: Activity) -> Callable[[np.ndarray], float]:
        y = principal_scores(centered(b.rates))[0]
        size = float(np.linalg.norm(centered(a.rates)) * np.linalg.norm(y))
        return lambda rates: _angle(centered(rates), y, size)


def _angle(x: np.ndarray, y: np.ndarray, size: float) -> float:
    return float(np.arccos(min(np.linalg.svd(x.T @ y, compute_uv=False).sum() / size, 1.0)))
