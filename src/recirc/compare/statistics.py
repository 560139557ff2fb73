"""Intervals and tests over seeds."""

import itertools
from collections.abc import Callable, Sequence

import numpy as np
import scipy.stats
from jaxtyping import Float, PRNGKeyArray

from recirc.circuits.base import numpy_generator


def bootstrap_interval(
    values, *, key: PRNGKeyArray, statistic: Callable = np.median, level: float = 0.95, n_resamples: int = 2000
) -> tuple[float, float]:
    """Percentile bootstrap interval of a statistic over seeds.

    With fewer than about ten values it is too narrow, as every bootstrap is. Bias-corrected intervals are not
    used: they are undefined for a median of few values.

    Args:
        values: one number per seed, subject or network.
        key: random key.
        statistic: function of an array and `axis`.
        level: coverage, in (0, 1).
        n_resamples: resamples.

    Returns:
        (low, high); (nan, nan) if there are fewer than two values or all are equal: that says nothing of spread.

    Raises:
        ValueError: if a value is not finite, there is more than one axis, or `level` is not in (0, 1).

    Example:
        >>> import jax, recirc
        >>> low, high = recirc.compare.bootstrap_interval([1.0, 2.0, 3.0, 4.0], key=jax.random.key(0))
        >>> low < 2.5 < high
        True
    """
    values = np.asarray(values, np.float64)
    if values.ndim != 1 or not np.isfinite(values).all():
        raise ValueError(f"values must be finite and on one axis, got shape {values.shape}; leave failed runs out.")
    _check_level(level)
    if len(values) < 2 or np.ptp(values) == 0:
        return np.nan, np.nan
    interval = scipy.stats.bootstrap(
        (values,),
        statistic,
        n_resamples=n_resamples,
        confidence_level=level,
        method="percentile",
        rng=numpy_generator(key),
    ).confidence_interval
    return float(interval.low), float(interval.high)


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise ValueError(f"level must be between 0 and 1, got {level}.")


N_EXACT, N_RANDOM = 20, 2**15 - 1  # values up to which all signs are turned, and draws beyond
ALTERNATIVES = ("two-sided", "greater", "less")


def sign_flip_test(values, center: float = 0.0, alternative: str = "two-sided", *, key: PRNGKeyArray) -> float:
    r"""p of the mean of values, most often paired differences, if they are symmetric about a center.

    Then every value is as likely on the other side of the center $c$, and
    $p = \#\{s \in \{-1, 1\}^n : \sum_i s_i (x_i - c) \ge \sum_i (x_i - c)\} / 2^n$ (greater). Two-sided is twice the
    smaller one-sided p. Up to 20 values it is exact, over all signs; beyond, of 32,767 random ones beside the given.

    Args:
        values: one per seed.
        center: c.
        alternative: "two-sided", "greater" (the mean is above the center) or "less".
        key: draws signs, where they are drawn.

    Raises:
        ValueError: if there is no value, one is not finite, or `alternative` is unknown.

    Source: Fisher 1935, The design of experiments, section 21; random signs as in Phipson & Smyth 2010, Stat Appl Genet
    Mol Biol 9:39.

    Example:
        >>> import jax, recirc
        >>> recirc.compare.sign_flip_test([1, 2, 3, 4, 5.0], alternative="greater", key=jax.random.key(0))
        0.03125
    """
    if alternative not in ALTERNATIVES:
        raise ValueError(f"alternative must be one of {', '.join(ALTERNATIVES)}, got {alternative!r}.")
    means = _subset_means(values, key)
    slack = 1e-12 * max(np.abs(values).max(), abs(center))  # equal up to rounding is equal
    n_signs = len(means) + 1
    greater = (1 + int(np.sum(means <= center + slack))) / n_signs
    less = (1 + int(np.sum(means >= center - slack))) / n_signs
    return {"greater": greater, "less": less, "two-sided": min(1.0, 2 * min(greater, less))}[alternative]


def sign_flip_interval(values, level: float = 0.95, *, key: PRNGKeyArray) -> tuple[float, float]:
    r"""The centers at which the two-sided `sign_flip_test` has p > 1 - level.

    Turning the signs of a subset $S$ leaves the sum as large or larger just if $\bar x_S \le c$. So the ends are order
    statistics of the means of all subsets: with $N = 2^n$, the $k$-th smallest and largest, $k = \lfloor N (1 -
    \mathrm{level}) / 2 \rfloor$.

    Args:
        values, key: as in `sign_flip_test`.
        level: coverage, in (0, 1).

    Returns:
        (low, high); unbounded where so few values can reach no p that small.

    Raises:
        ValueError: as in `sign_flip_test`, or if `level` is not in (0, 1).

    Source: Hartigan 1969, J Am Stat Assoc 64:1303.

    Example:
        >>> import jax, recirc
        >>> recirc.compare.sign_flip_interval([1, 2, 3, 4, 5, 6, 7.0], key=jax.random.key(0))
        (2.0, 6.0)
        >>> recirc.compare.sign_flip_interval([1, 2, 3.0], key=jax.random.key(0))
        (-inf, inf)
    """
    _check_level(level)
    means = np.sort(_subset_means(values, key))
    k = int((len(means) + 1) * (1 - level) / 2 + 1e-9)
    return (float(means[k - 1]), float(means[-k])) if k else (-np.inf, np.inf)


def _subset_means(values, key: PRNGKeyArray) -> Float[np.ndarray, " subset"]:
    """Means of all subsets of values but the empty one, or of random ones."""
    values = np.asarray(values, np.float64)
    if values.ndim != 1 or values.size == 0 or not np.isfinite(values).all():
        raise ValueError(f"values must be finite, on one axis and at least one, got shape {values.shape}.")
    if values.size <= N_EXACT:
        sums, sizes = np.zeros(1), np.zeros(1)
        for value in values:
            sums, sizes = np.concatenate([sums, sums + value]), np.concatenate([sizes, sizes + 1])
    else:
        subsets = numpy_generator(key).integers(0, 2, (N_RANDOM, values.size))
        sums, sizes = subsets @ values, subsets.sum(axis=1)
    return sums[sizes > 0] / sizes[sizes > 0]


def seeds_needed(values, smallest: float, *, alpha: float = 0.05, power: float = 0.8) -> int:
    r"""How many values like these find a mean of `smallest`: one-sided at level alpha, with this power.

    $n = ((z_{1-\alpha} + z_\mathrm{power})\, s / \mathrm{smallest})^2 + z_{1-\alpha}^2 / 2$ with their standard
    deviation s, and never fewer than can reach the level at all, $2^{-n} \le \alpha$.

    Args:
        values: two or more; what counts is their spread, which few values tell badly.
        smallest: the mean to be found, not 0.
        alpha, power: of the test.

    Raises:
        ValueError: if there are fewer than two values, one is not finite, or `smallest` is 0.

    Source: Guenther 1981, Am Stat 35:243, for the t test, which the sign-flip test approaches.

    Example:
        >>> import recirc
        >>> recirc.compare.seeds_needed([0.1, 0.9, 0.4, 0.2], smallest=0.2)
        21
    """
    values = np.asarray(values, np.float64)
    if values.ndim != 1 or len(values) < 2 or not np.isfinite(values).all() or smallest == 0:
        found = f"got shape {values.shape} and {smallest}"
        raise ValueError(f"give two or more finite values and a smallest effect other than 0, {found}.")
    z = scipy.stats.norm.ppf([1 - alpha, power])
    n = (z.sum() * values.std(ddof=1) / smallest) ** 2 + z[0] ** 2 / 2
    return int(np.ceil(max(n, -np.log2(alpha))))


def jackknife_variance(without) -> float:
    r"""Variance of a statistic, from its values with one observation left out after the other.

    $$V = \frac{n - 1}{n} \sum_i (\theta_{-i} - \bar\theta)^2$$

    Example:
        >>> round(jackknife_variance([1.5, 2.0, 2.5]), 3)  # of the mean of 1, 2 and 3: their variance over 3
        0.333
    """
    return float((len(without) - 1) * np.var(without))


def largest_spread(n: int, smallest: float, *, alpha: float = 0.05, power: float = 0.8) -> float:
    """The standard deviation up to which n values find a mean of `smallest`; arguments as of `seeds_needed`.

    Example:
        >>> round(largest_spread(21, 0.2), 3)
        0.357
    """
    z = scipy.stats.norm.ppf([1 - alpha, power])
    return float(smallest * np.sqrt(max(n - z[0] ** 2 / 2, 0.0)) / z.sum())


def sign_flip_power(spread: float, mean: float, n: int, *, alpha: float = 0.05) -> float:
    r"""Power of the one-sided sign-flip test to find a mean in n values of this spread.

    $1 - F_{n-1,\,\sqrt n\,\mathrm{mean}/s}(t_{n-1,\,1-\alpha})$, with F the noncentral t distribution; 0 where n values
    cannot reach the level, $2^{-n} > \alpha$. Up to 12 values, whose p come in large steps, the share of 1,000 normal
    samples of fixed seed that the test finds. `seeds_needed` is about its inverse.

    Args:
        spread: s, the standard deviation of the values.
        mean: to be found.
        n: values.
        alpha: level of the test.

    Source: as `seeds_needed`.

    Example:
        >>> round(sign_flip_power(1.0, 1.0, 20), 3)
        0.996
    """
    if n < -np.log2(alpha):
        return 0.0
    if not spread:
        return float(mean > 0)
    if n > 12:
        critical = scipy.stats.t.ppf(1 - alpha, n - 1)
        return float(scipy.stats.nct.sf(critical, n - 1, np.sqrt(n) * mean / spread))
    drawn = mean / spread + np.random.default_rng(0).standard_normal((1000, n))
    subsets = np.array(list(itertools.product((0.0, 1.0), repeat=n)))  # the empty one stands for the values themselves
    return float(np.mean(np.mean(drawn @ subsets.T <= 1e-12, axis=1) <= alpha))


def holm(p) -> Float[np.ndarray, " test"]:
    """p-values adjusted for how many there are, by Holm's step-down; nan where there is none.

    Source: Holm 1979.

    Example:
        >>> holm([0.01, 0.04, 0.03]).round(3).tolist()
        [0.03, 0.06, 0.06]
    """
    values = np.asarray(p, np.float64)
    order = np.argsort(values)[: int(np.isfinite(values).sum())]
    adjusted = np.full(len(values), np.nan)
    adjusted[order] = np.minimum(np.maximum.accumulate(values[order] * np.arange(len(order), 0, -1)), 1.0)
    return adjusted


def holm_levels(p: Sequence[float], alpha: float = 0.05) -> Float[np.ndarray, " test"]:
    r"""The level of every test of a family in Holm's step-down.

    The k-th smallest p of m is held against $\alpha / (m - k + 1)$; the first that stays above it, and all after it,
    are not rejected, and share its level. An interval at a test's level agrees with its decision.

    Args:
        p: of every test.
        alpha: share of families with any false rejection, at most.

    Source: Holm 1979, Scand J Stat 6:65.

    Example:
        >>> holm_levels([0.01, 0.04, 0.04]).round(3).tolist()
        [0.017, 0.025, 0.025]
    """
    rank = np.argsort(np.argsort(p, kind="stable"), kind="stable")
    return alpha / (len(p) - np.minimum(rank, np.count_nonzero(holm(p) <= alpha)))
