"""Singular vector canonical correlation analysis."""

import warnings
from collections.abc import Callable
from typing import ClassVar

import equinox as eqx
import numpy as np

from recirc.compare.cka import rotated
from recirc.compare.rotated_conditions import AbstractConditionSimilarity
from recirc.compare.samples import centered, check_enough_samples, comparable, condition_groups, principal_scores
from recirc.types import Activity, Direction, Score


class SVCCA(AbstractConditionSimilarity):
    r"""Mean canonical correlation of the leading k principal components of two activities.

    $$\text{SVCCA} = \frac1k \sum_{i=1}^{k} \rho_i, \qquad \rho = \mathrm{svd}(U_X^\top U_Y)$$

    with U_X, U_Y the first k left singular vectors of the centered samples (trial and time) by units. It is 1
    if the two k-dimensional signals are linear maps of each other, whatever their variances.

    Two smooth, low-dimensional signals reach high values by chance, most of all within one condition: always read it
    against a null. Do not use it to ask how large shared dimensions are; Procrustes and CKA weigh them.

    Args:
        n_components: k, at least 1. A side of lower rank is compared at its rank, with a warning.
        per_condition: do it within every condition (trials of equal label together) and average; otherwise
            over all samples at once.

    Returns (when called): metric `svcca<k>_concatenated` or `svcca<k>_per_condition`; parts `correlation` (k,
    or condition by k) and `variance_kept` (of the first and the second activity, or condition by these two).

    Raises:
        ValueError: if `n_components` < 1, or, when called, a side is constant within a condition that is looked at.

    Source: Raghu et al. 2017 (arXiv 1706.05806); a fixed k instead of a share of the variance.

    Example:
        >>> import jax, recirc
        >>> rates = jax.random.normal(jax.random.key(0), (4, 50, 6))
        >>> a = recirc.Activity(rates, dt=0.01, conditions="abcd")
        >>> round(recirc.compare.SVCCA()(a, a).value, 6)
        1.0
    """

    n_components: int = eqx.field(static=True, default=5)
    per_condition: bool = eqx.field(static=True, default=False)
    direction: ClassVar[Direction] = "higher"
    blind_to: ClassVar[frozenset[str]] = frozenset({"permutations", "rotations", "offsets", "scale"})

    def __check_init__(self):
        if self.n_components < 1:
            raise ValueError(f"n_components must be at least 1, got {self.n_components}.")

    @property
    def metric(self) -> str:
        return f"svcca{self.n_components}_{'per_condition' if self.per_condition else 'concatenated'}"

    @property
    def label(self) -> str:
        number = str(self.n_components).translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))
        return f"SVCCA{number}, {'per condition' if self.per_condition else 'concatenated'}"

    @classmethod
    def variants(cls) -> tuple["SVCCA", ...]:
        return cls(), cls(per_condition=True)

    def __call__(self, a: Activity, b: Activity) -> Score:
        a, b = comparable(a, b)
        groups = self._groups(a)
        check_enough_samples(min(map(len, groups)) * a.rates.shape[1], self.n_components)
        found = [self._compare(np.asarray(a.rates)[group], np.asarray(b.rates)[group]) for group in groups]
        if any(len(correlation) < self.n_components for correlation, _ in found):
            warnings.warn(
                f"an activity has under {self.n_components} dimensions; correlations are over those it has.",
                stacklevel=2,
            )
        value = np.mean([correlation.mean() for correlation, _ in found])
        correlation = np.full((len(found), self.n_components), np.nan)
        for row, (values, _) in zip(correlation, found):
            row[: len(values)] = values
        parts = {"correlation": correlation, "variance_kept": np.array([kept for _, kept in found])}
        if not self.per_condition:
            parts = {name: part[0] for name, part in parts.items()}
        return self.score(value, parts=parts)

    def compressed(self, a: Activity) -> Activity:
        if self.per_condition:
            return rotated(a)
        rates = np.asarray(a.rates)
        leading, _ = principal_scores(centered(rates), self.n_components)
        return a.replace(rates=leading.reshape(*rates.shape[:2], -1), units=None)

    def against(self, a: Activity, b: Activity) -> Callable[[np.ndarray], float]:
        if not self.per_condition:
            norms, theirs = np.linalg.norm(centered(a.rates), axis=0), self.basis(b.rates)[0]
            return lambda rates: float(cosines(theirs.T @ centered(rates) / norms).mean())
        groups, stacks = self._groups(a), []
        for n_trials in sorted(set(map(len, groups))):
            trials = np.array([group for group in groups if len(group) == n_trials])
            stacks.append((trials, *self._bases(np.asarray(b.rates)[trials])[:2]))

        def value(rates: np.ndarray) -> float:
            means = []
            for trials, theirs, their_rank in stacks:
                ours, rank, _ = self._bases(rates[trials])
                means.extend(cosines(ours.mT @ theirs).sum(axis=1) / np.minimum(rank, their_rank))
            return float(np.mean(means))

        return value

    def _bases(self, rates: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """`basis` of several sets of trials (set, trial, time, unit), with columns of zeros where ranks are lower.

        Beside it the ranks, and the shares of the variance.
        """
        samples = np.asarray(rates, np.float64).reshape(len(rates), -1, rates.shape[-1])
        samples = samples - samples.mean(axis=1, keepdims=True)
        is_wide = samples.shape[1] < samples.shape[2]
        variances, vectors = np.linalg.eigh(samples @ samples.mT if is_wide else samples.mT @ samples)
        total = variances.sum(axis=1)
        variances, vectors = (side[..., ::-1][..., : self.n_components] for side in (variances, vectors))
        is_kept = variances > 1e-14 * variances[:, :1]
        sizes = np.sqrt(np.where(is_kept, variances, np.inf))[:, None]
        bases = vectors * is_kept[:, None] if is_wide else samples @ vectors / sizes
        kept = np.divide((variances * is_kept).sum(axis=1), total, out=np.zeros(len(total)), where=total > 0)
        return bases, is_kept.sum(axis=1), kept

    def _groups(self, a: Activity) -> list[np.ndarray]:
        return list(condition_groups(a.conditions).values()) if self.per_condition else [np.arange(a.n_trials)]

    def _compare(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, tuple[float, float]]:
        (x, kept_x), (y, kept_y) = self.basis(x), self.basis(y)
        return cosines(x.T @ y), (kept_x, kept_y)

    def basis(self, rates) -> tuple[np.ndarray, float]:
        """Orthonormal leading components of samples, and their share of the variance."""
        (basis,), (rank,), (kept,) = self._bases(np.asarray(rates)[None])
        if not rank:
            raise ValueError("an activity is constant within a condition; leave that condition out.")
        return basis[:, :rank], float(kept)


def cosines(products: np.ndarray) -> np.ndarray:
    """Of the principal angles between orthonormal bases, of which these are the inner products; the largest first."""
    return np.clip(np.linalg.svd(products, compute_uv=False), 0.0, 1.0)
