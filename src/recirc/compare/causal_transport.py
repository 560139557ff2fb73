"""Distance between the laws of single trials: averages, noise, and how noise goes on in time."""

import itertools
import warnings
from typing import ClassVar, NamedTuple

import equinox as eqx
import numpy as np
from jaxtyping import Float

from recirc.compare.base import AbstractMeasure
from recirc.compare.samples import check_same_samples, condition_groups, principal_axes
from recirc.types import Activity, Direction, Score

_RIDGE, _N_ITERATIONS, _N_STARTS = 1e-3, 1000, 8


class CausalTransport(AbstractMeasure):
    r"""Causal optimal transport distance between single trials, each condition a Gaussian process.

    $$d^2 = \min_{Q^\top Q = I} \sum_c \Big( \sum_t |m_{ct} - Q m'_{ct}|^2 + \mathrm{tr}\, S_c + \mathrm{tr}\, S'_c
      - 2 \sum_t \big\|\textstyle\sum_{s \ge t} L_{cst}^\top Q L'_{cst}\big\|_* \Big), \qquad S_c = L_c L_c^\top$$

    m are averages and S covariances, over times and components, of a condition's trials; L is the lower Cholesky factor
    in blocks of components. It is the least mean squared distance between trials of the two sides when they are coupled
    so that neither side knows the other's future (bicausal). So processes with equal averages and variances at every
    time differ if their noise goes on differently, which no comparison of averages sees. Both sides are scaled to
    $\sum_c (\sum_t |m|^2 + \mathrm{tr}\, S) = 1$, so that d is a pure number: 0 means the same up to rotation, offset
    and scale, sqrt(2) nothing in common. Without noise, d is $\sqrt{2 - 2\cos\theta}$ of the Procrustes angle.

    Estimates from few trials lie apart even if the process is one: read a score beside that of halves of the trials,
    with as many trials on both sides. Q is found from several starts by turns of two polar factors, each of which
    lowers d; it may be a local minimum. `null_distribution` with `RotatedConditions` (repeats move together) asks
    whether conditions matter.

    Args:
        n_components: d, leading components of each side's single trials; fewer where a side has fewer.
        every: which time steps are kept, one in so many.
        pooling: weight of the covariance pooled over conditions in that of each, 0 to 1.

    Returns (when called with two activities, two or more trials of every condition, not necessarily equally many):
    metric `causal_transport`; lower is better. Parts: `means` and `covariances`, which sum to d^2, and `variance_kept`
    by the components of either side.

    Raises:
        ValueError: if a setting is out of range, conditions or times differ, a condition has one trial, a rate is not
            finite, or a side is constant. Fewer residuals than dimensions (components times steps) are a warning.

    Source: Nejatbakhsh et al. 2024 (arXiv 2412.14421); the closed form, Gunasingam and Wong 2024 (arXiv 2404.06625).
    Departures: components first, thinned times; covariances pooled in part, plus 0.1 % of their mean variance on the
    diagonal; one Q for all conditions; both sides scaled.

    Example:
        >>> import jax, recirc
        >>> trials = jax.random.normal(jax.random.key(0), (60, 20, 3))
        >>> a = recirc.Activity(trials, dt=0.01, conditions="ab" * 30)
        >>> turned = a.replace(rates=2 * trials @ jax.random.orthogonal(jax.random.key(1), 3))
        >>> slow = a.replace(rates=trials.cumsum(1))
        >>> measure = recirc.compare.CausalTransport(every=5)
        >>> bool(measure(a, turned).value < 1e-2), bool(measure(a, slow).value > 0.3)
        (True, True)
    """

    n_components: int = eqx.field(static=True, default=5)
    every: int = eqx.field(static=True, default=10)
    pooling: float = eqx.field(static=True, default=0.5)
    metric: ClassVar[str] = "causal_transport"
    label: ClassVar[str] = "causal transport of trials"
    direction: ClassVar[Direction] = "lower"

    def __check_init__(self):
        if self.n_components < 1 or self.every < 1 or not 0 <= self.pooling <= 1:
            raise ValueError(
                f"n_components and every must be at least 1 and pooling from 0 to 1, got {self.n_components}, "
                f"{self.every} and {self.pooling}."
            )

    def __call__(self, a: Activity, b: Activity) -> Score:
        check_same_samples(_averages(a), _averages(b))
        n_components = min(self.n_components, len(a.units), len(b.units))
        (x, kept_x), (y, kept_y) = (self._process(side, n_components) for side in (a, b))
        means, covariances = _squared_distance(x, y)
        parts = {"means": means, "covariances": covariances, "variance_kept": [kept_x, kept_y]}
        value = np.sqrt(max(means + covariances, 0.0))
        return self.score(value, parts={name: np.array(part) for name, part in parts.items()})

    def _process(self, a: Activity, n_components: int) -> "tuple[_Process, float]":
        """Means and factors of a side, scaled, and the share of variance that its components hold."""
        rates = np.asarray(a.rates, np.float64)[:, :: self.every]
        trials = [rates[group] for _, group in sorted(condition_groups(a.conditions).items())]
        mean = np.mean([own.mean(axis=(0, 1)) for own in trials], axis=0)
        samples = np.concatenate([(own - mean).reshape(-1, rates.shape[2]) / np.sqrt(len(own)) for own in trials])
        if np.abs(samples).max() <= 1e-9 * np.abs(rates).max():
            raise ValueError("every unit of an activity is constant; nothing can be compared.")
        axes, squares = principal_axes(samples, n_components)
        axes = np.pad(axes, ((0, 0), (0, n_components - axes.shape[1])))  # of a side of lower rank
        scores = [(own - mean) @ axes for own in trials]
        n_dimensions, n_residuals = scores[0][0].size, sum(len(own) - 1 for own in scores)
        if n_residuals < n_dimensions:
            warnings.warn(
                f"{n_residuals} residuals of trials for covariances of {n_dimensions} dimensions: distances are large "
                "by chance; use fewer components, or a larger `every`.",
                stacklevel=4,
            )
        means = np.stack([own.mean(axis=0) for own in scores])
        residuals = [(own - mean).reshape(len(own), -1) for own, mean in zip(scores, means)]
        pooled = sum(own.T @ own for own in residuals) / n_residuals
        own = np.stack([own.T @ own / (len(own) - 1) for own in residuals])
        covariances = (1 - self.pooling) * own + self.pooling * pooled
        variance = max(float(np.trace(pooled)) / n_dimensions, 1e-12 * float(np.mean(means**2)))
        factors = np.linalg.cholesky(covariances + _RIDGE * variance * np.eye(n_dimensions))
        size = np.sqrt(np.sum(means**2) + np.sum(factors**2))
        blocks = factors.reshape(len(trials), -1, n_components, means.shape[1], n_components).swapaxes(2, 3)
        return _Process(means / size, blocks / size), float(squares[:n_components].sum() / squares.sum())


class _Process(NamedTuple):
    means: Float[np.ndarray, "condition time component"]
    factors: Float[np.ndarray, "condition time earlier component component"]


def _averages(a: Activity) -> Activity:
    groups = sorted(condition_groups(a.conditions).items())
    if few := [name for name, group in groups if len(group) < 2]:
        raise ValueError(f"causal transport needs two single trials of every condition; there is one of {few[:5]}.")
    rates = np.stack([np.asarray(a.rates)[group].mean(axis=0) for _, group in groups])
    return a.replace(rates=rates, conditions=[name for name, _ in groups], outputs=None)


def _squared_distance(x: _Process, y: _Process) -> tuple[float, float]:
    """Parts of means and of covariances, at the best orthogonal map of components."""
    n = x.means.shape[2]
    of_means = np.tensordot(x.means, y.means, ((0, 1), (0, 1)))
    of_factors = np.einsum("cstia,cstjb->ctabij", x.factors, y.factors, optimize=True).reshape(-1, n * n)
    random = np.random.default_rng(0)
    starts = itertools.chain([of_means], random.standard_normal((_N_STARTS, n, n)))
    turned, noise = max((_ascended(of_means, of_factors, _polar(start)) for start in starts), key=sum)
    sizes = [sum(float(np.sum(part**2)) for part in pair) for pair in zip(x, y)]
    return sizes[0] - 2 * turned, sizes[1] - 2 * noise


def _ascended(of_means: np.ndarray, of_factors: np.ndarray, q: np.ndarray) -> tuple[float, float]:
    """Agreement of means, and of covariances, after turns of Q and of the couplings of every time's noise."""
    n, before = len(q), -np.inf
    for _ in range(_N_ITERATIONS):
        left, sizes, right = np.linalg.svd((of_factors @ q.ravel()).reshape(-1, n, n))
        agreement = float(np.sum(of_means * q)), float(np.sum(sizes))
        if sum(agreement) - before < 1e-12:
            break
        before = sum(agreement)
        q = _polar(of_means + ((left @ right).ravel() @ of_factors).reshape(n, n))
    return agreement


def _polar(matrix: np.ndarray) -> np.ndarray:
    left, _, right = np.linalg.svd(matrix)
    return left @ right
