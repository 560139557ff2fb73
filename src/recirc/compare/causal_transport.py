"""Distance between the laws of single trials: averages, noise, and how noise goes on in time."""

import itertools
import warnings
from typing import ClassVar

import equinox as eqx
import numpy as np

from recirc.compare.base import AbstractMeasure
from recirc.compare.samples import check_same_samples, condition_groups, principal_axes, varying_units
from recirc.types import Activity, Direction, Score

_Process = tuple[np.ndarray, np.ndarray]  # means (condition, time, component), factors (condition, time, before, _, _)


class CausalTransport(AbstractMeasure):
    r"""Causal optimal transport distance between single trials, those of a condition taken for a Gaussian process.

    $$d^2 = \min_{Q^\top Q = I} \sum_c \Big( \sum_t |m_{ct} - Q m'_{ct}|^2 + \mathrm{tr}\, S_c + \mathrm{tr}\, S'_c
      - 2 \sum_t \big\|\textstyle\sum_{s \ge t} L_{cst}^\top Q L'_{cst}\big\|_* \Big), \qquad S_c = L_c L_c^\top$$

    m are averages and S covariances, over times and components, of a condition's trials; L is the lower Cholesky factor
    in blocks of components. It is the least mean squared distance between trials coupled so that neither side knows
    the other's future (bicausal), so that noise which goes on differently is seen where averages and variances are
    equal. Both sides are scaled to $\sum_c (\sum_t |m|^2 + \mathrm{tr}\, S) = 1$: d goes from 0 (the same up to
    rotation, offset and scale) to sqrt(2). Without noise it is $\sqrt{2 - 2\cos\theta}$ of the Procrustes angle.
    Estimates from few trials lie apart even if the process is one: read a score beside that of halves of the trials,
    at equal numbers. Q is found by turns of two polar factors, from the map of means and from signs of components.
    `null_distribution` with `RotatedConditions` asks whether conditions matter; its surrogates mix covariances, too.

    Args:
        n_components: leading components of each side's single trials; fewer where a side has fewer units.
        every: which time steps are kept, one in so many.
        pooling: weight of the covariance pooled over conditions in that of each, 0 to 1.

    Returns (when called with single trials, two or more of every condition on both sides): metric `causal_transport`;
    lower is better. Parts: `means` and `covariances`, whose sum is d^2, and `variance_kept` by each side's components.

    Raises:
        ValueError: if a setting is out of range, conditions or times differ, a condition has one trial, a rate is not
            finite, or a side is constant. Fewer residuals than dimensions (components times steps) give a warning.

    Source: Nejatbakhsh et al. 2024 (arXiv 2412.14421); for scalars, Gunasingam and Wong 2024 (arXiv 2404.06625).
    Departures: components first, thinned times; covariances pooled in part, plus 0.1 % of their mean variance on the
    diagonal; one Q for all conditions; both sides scaled.

    Example:
        >>> import jax, recirc
        >>> a = recirc.Activity(jax.random.normal(jax.random.key(0), (60, 20, 3)), dt=0.01, conditions="ab" * 30)
        >>> measure, slow = recirc.compare.CausalTransport(every=5), a.replace(rates=a.rates.cumsum(1))
        >>> bool(measure(a, a).value < 1e-2), bool(measure(a, slow).value > 0.3)
        (True, True)
    """

    n_components: int = eqx.field(static=True, default=5)
    every: int = eqx.field(static=True, default=10)
    pooling: float = eqx.field(static=True, default=0.5)
    metric: ClassVar[str] = "causal_transport"
    direction: ClassVar[Direction] = "lower"

    def __check_init__(self):
        if self.n_components < 1 or self.every < 1 or not 0 <= self.pooling <= 1:
            raise ValueError(f"n_components, every must be at least 1, pooling from 0 to 1; got {self.settings}.")

    def __call__(self, a: Activity, b: Activity) -> Score:
        check_same_samples(_averages(a), _averages(b))
        a, b = (side.replace(rates=side.rates[:, :: self.every], outputs=None) for side in (a, b))
        a, b = varying_units(a, "first"), varying_units(b, "second")
        n_components = min(self.n_components, len(a.units), len(b.units))
        (x, kept_x), (y, kept_y) = (self._process(side, n_components) for side in (a, b))
        means, covariances = map(np.array, _squared_distance(x, y))
        parts = {"means": means, "covariances": covariances, "variance_kept": np.array([kept_x, kept_y])}
        return self.score(np.sqrt(max(float(means + covariances), 0.0)), parts=parts)

    def _process(self, a: Activity, n_components: int) -> tuple[_Process, float]:
        rates = np.asarray(a.rates, np.float64)
        trials = [rates[group] for _, group in sorted(condition_groups(a.conditions).items())]
        mean = np.mean([own.mean(axis=(0, 1)) for own in trials], axis=0)
        samples = np.concatenate([(own - mean).reshape(-1, rates.shape[2]) / np.sqrt(len(own)) for own in trials])
        axes, squares = principal_axes(samples, n_components)
        axes = np.pad(axes, ((0, 0), (0, n_components - axes.shape[1])))  # of a side of lower rank
        scores = [(own - mean) @ axes for own in trials]
        n_dimensions, n_residuals = scores[0][0].size, a.n_trials - len(scores)
        if n_residuals < n_dimensions:
            what = f"{n_residuals} residuals of trials for covariances of {n_dimensions} dimensions: distances are"
            warnings.warn(f"{what} large by chance; use fewer components, or a larger `every`.", stacklevel=4)
        means = np.stack([own.mean(axis=0) for own in scores])
        each = np.stack([np.atleast_2d(np.cov(own.reshape(len(own), -1), rowvar=False)) for own in scores])
        pooled = np.average(each, axis=0, weights=[len(own) - 1 for own in scores])
        ridge = 1e-3 * max(np.trace(pooled) / n_dimensions, 1e-12 * np.mean(means**2)) * np.eye(n_dimensions)
        factors = np.linalg.cholesky((1 - self.pooling) * each + self.pooling * pooled + ridge)
        size = np.sqrt(np.sum(means**2) + np.sum(factors**2))
        blocks = factors.reshape(len(trials), -1, n_components, means.shape[1], n_components).swapaxes(2, 3)
        return (means / size, blocks / size), float(squares[:n_components].sum() / squares.sum())


def _averages(a: Activity) -> Activity:
    groups = sorted(condition_groups(a.conditions).items())
    if few := [name for name, group in groups if len(group) < 2]:
        raise ValueError(f"causal transport needs two single trials of every condition; there is one of {few[:5]}.")
    rates = np.stack([np.asarray(a.rates)[group].mean(axis=0) for _, group in groups])
    return a.replace(rates=rates, conditions=[name for name, _ in groups], outputs=None)


def _squared_distance(x: _Process, y: _Process) -> np.ndarray:
    """Parts of means and of covariances, at the best orthogonal map of components."""
    n = x[0].shape[2]
    of_means = np.tensordot(x[0], y[0], ((0, 1), (0, 1)))
    of_factors = np.einsum("cstia,cstjb->ctabij", x[1], y[1], optimize=True).reshape(-1, n * n)
    signs = [
        np.eye(n) * (*each, *(n - len(each)) * (1.0,)) for each in itertools.product((1.0, -1.0), repeat=min(n, 5))
    ]
    maps, agreement = _ascended(of_means, of_factors, np.stack([of_means, *signs]), 30)
    _, agreement = _ascended(of_means, of_factors, maps[np.argsort(-agreement.sum(axis=0))[:3]], 1000)
    of_both = np.array([np.sum(one**2) + np.sum(other**2) for one, other in zip(x, y)])
    return of_both - 2 * agreement[:, np.argmax(agreement.sum(axis=0))]


def _ascended(of_means: np.ndarray, of_factors: np.ndarray, maps: np.ndarray, n_turns: int):
    """Maps after turns of Q and of the couplings of noise, and how well means and covariances agree by then."""
    k, n, agreement = *maps.shape[:2], np.zeros((2, len(maps)))
    for _ in range(n_turns):
        left, sizes, right = np.linalg.svd((maps.reshape(k, -1) @ of_factors.T).reshape(k, -1, n, n))
        agreement = np.stack([np.sum(of_means * maps, axis=(1, 2)), np.sum(sizes, axis=(1, 2))])
        left, _, right = np.linalg.svd(of_means + ((left @ right).reshape(k, -1) @ of_factors).reshape(k, n, n))
        step, maps = np.abs(left @ right - maps).max(), left @ right
        if step < 1e-7:
            break
    return maps, agreement
