"""Angle between shapes under a rotation that was fitted to other conditions."""

from collections.abc import Callable, Iterable
from typing import ClassVar

import equinox as eqx
import numpy as np

from recirc.compare.cka import rotated
from recirc.compare.rotated_conditions import AbstractConditionSimilarity
from recirc.compare.samples import Fold, condition_folds, paired_samples
from recirc.types import Activity, Direction, Score


class ProcrustesCrossfit(AbstractConditionSimilarity):
    r"""Angle between two activities where each condition is rotated as the others ask for.

    $$\theta = \arccos \frac{\sum_c \langle X_c, Y_c Q_{-c}\rangle}
        {\sqrt{\sum_c \|X_c\|_F^2\,\sum_c \|Y_c\|_F^2}}, \qquad
      Q_{-c} = \arg\max_{Q^\top Q = I} \langle X_{-c}, Y_{-c} Q\rangle$$

    X_c are the samples (trial and time) by units of one condition, X_{-c} those of all others; means of the others are
    removed from both. `Procrustes` scores the samples that it fitted, which brings any two activities nearer, the more
    so the more dimensions they have; here unrelated activities lie near pi/2, on either side. 0 means that the same
    rotation serves every condition. What a condition holds in dimensions that the others do not have is not matched.

    Args:
        left_out: labels of conditions that are scored, all others being fitted; each in turn if none is given.

    Returns (when called): metric `procrustes_angle_crossfit` in rad, 0 to pi; lower is better.

    Raises:
        ValueError: when called, if there are fewer than two conditions.

    Source: Williams et al. 2021 (arXiv 2110.14739) without partial whitening; leaving conditions out is ours.

    Example:
        >>> import jax, recirc
        >>> a = recirc.Activity(jax.random.normal(jax.random.key(0), (4, 50, 6)), dt=0.01, conditions="abcd")
        >>> bool(recirc.compare.ProcrustesCrossfit()(a, a).value < 1e-3)
        True
    """

    metric: ClassVar[str] = "procrustes_angle_crossfit"
    label: ClassVar[str] = "Procrustes angle, cross-fitted"
    direction: ClassVar[Direction] = "lower"
    blind_to: ClassVar[frozenset[str]] = frozenset({"permutations", "rotations", "offsets", "scale"})

    left_out: tuple[str, ...] = eqx.field(static=True, default=())

    def __call__(self, a: Activity, b: Activity) -> Score:
        folds = (
            condition_folds(samples.reshape(a.n_trials, -1, samples.shape[1]), a, self.left_out)
            for samples in paired_samples(a, b)
        )
        return self.score(_angle(*folds), unit="rad")

    def compressed(self, a: Activity) -> Activity:
        return rotated(a)

    def against(self, a: Activity, b: Activity) -> Callable[[np.ndarray], float]:
        theirs = list(condition_folds(rotated(b).rates, a, self.left_out))
        return lambda rates: _angle(condition_folds(rates, a, self.left_out), theirs)


def _angle(ours: Iterable[Fold], theirs: Iterable[Fold]) -> float:
    matched = squares_x = squares_y = 0.0
    for (x_train, x), (y_train, y) in zip(ours, theirs):
        left, sizes, right = np.linalg.svd(x_train.T @ y_train, full_matrices=False)
        kept = sizes > 1e-10 * sizes[0]
        matched += np.sum((x @ left[:, kept]) * (y @ right[kept].T))
        squares_x, squares_y = squares_x + np.sum(x**2), squares_y + np.sum(y**2)
    return float(np.arccos(np.clip(matched / np.sqrt(squares_x * squares_y), -1.0, 1.0)))
