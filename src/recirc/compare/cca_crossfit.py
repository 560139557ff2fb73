"""Canonical correlation of leading components in conditions that these were not fitted to."""

import warnings
from collections.abc import Callable

import equinox as eqx
import numpy as np

from recirc.compare.cca import AbstractCCA
from recirc.compare.cka import rotated
from recirc.compare.samples import Fold, check_enough_samples, comparable, condition_folds, principal_axes
from recirc.types import Activity, Score


class CCACrossfit(AbstractCCA):
    r"""Mean correlation, in left-out conditions, of the m canonical variates that correlate best in the others.

    $$\frac1m \sum_{i=1}^{m} \frac{\sum_c \langle u_{ci}, v_{ci}\rangle}
        {\sqrt{\sum_c \|u_{ci}\|^2\,\sum_c \|v_{ci}\|^2}}, \qquad u_{ci} = X_c\, w_i(X_{-c}, Y_{-c})$$

    For each condition c, the first d principal components of either side and their canonical weights w come from all
    other conditions, whose means are removed. `CCA` scores the samples that it fitted, where the best m of d are high
    by chance; these are not: unrelated activities lie near 0, on either side.

    Args:
        n_components: d, at least 1. A side of lower rank is compared at its rank, with a warning.
        n_averaged: m, 1 to d.
        left_out: labels of conditions that are scored, all others being fitted; each in turn if none is given.

    Returns (when called): metric `cca_mean<m>_crossfit`; part `correlation` (m, or the rank).

    Raises:
        ValueError: if m is not between 1 and d; when called, if there are fewer than two conditions, or a side is
            constant in all conditions but one.

    Source: Gallego et al. 2020 (doi 10.1038/s41593-019-0555-4), d = 10 and m = 4; leaving conditions out is ours.

    Example:
        >>> import jax, recirc
        >>> a = recirc.Activity(jax.random.normal(jax.random.key(0), (4, 50, 12)), dt=0.01, conditions="abcd")
        >>> round(recirc.compare.CCACrossfit()(a, a).value, 6)
        1.0
    """

    left_out: tuple[str, ...] = eqx.field(static=True, default=())

    @property
    def metric(self) -> str:
        return f"cca_mean{self.n_averaged}_crossfit"

    @property
    def label(self) -> str:
        return f"mean of {self.n_averaged} CCs, cross-fitted"

    def __call__(self, a: Activity, b: Activity) -> Score:
        a, b = comparable(a, b)
        ours, theirs = self._folds(a, a.rates), self._folds(a, b.rates)
        check_enough_samples(min(len(scores) for scores, _ in ours), self.n_components)
        if min(scores.shape[1] for scores, _ in (*ours, *theirs)) < self.n_components:
            text = f"an activity has under {self.n_components} dimensions; correlations are over those it has."
            warnings.warn(text, stacklevel=2)
        correlation = self._correlations(ours, theirs)
        return self.score(correlation.mean(), parts={"correlation": correlation})

    def compressed(self, a: Activity) -> Activity:
        return rotated(a)

    def against(self, a: Activity, b: Activity) -> Callable[[np.ndarray], float]:
        theirs = self._folds(a, rotated(b).rates)
        return lambda rates: float(self._correlations(self._folds(a, rates), theirs).mean())

    def _folds(self, a: Activity, rates) -> list[Fold]:
        """Scores on the components of all conditions but one: theirs, of unit length, and its own."""
        folds = []
        for train, own in condition_folds(rates, a, self.left_out):
            if not np.any(train):
                raise ValueError("an activity is constant in all conditions but one; there is nothing to fit.")
            axes, squares = principal_axes(train, self.n_components)
            axes = axes / np.sqrt(squares[: axes.shape[1]])
            folds.append((train @ axes, own @ axes))
        return folds

    def _correlations(self, ours: list[Fold], theirs: list[Fold]) -> np.ndarray:
        moments = []
        for (x_train, x), (y_train, y) in zip(ours, theirs):
            left, _, right = np.linalg.svd(x_train.T @ y_train, full_matrices=False)
            u, v = x @ left[:, : self.n_averaged], y @ right[: self.n_averaged].T
            moments.append(np.stack([u * v, u**2, v**2]).sum(axis=1))
        rank = min(each.shape[1] for each in moments)
        products, squares_u, squares_v = np.sum([each[:, :rank] for each in moments], axis=0)
        return products / np.maximum(np.sqrt(squares_u * squares_v), 1e-300)
