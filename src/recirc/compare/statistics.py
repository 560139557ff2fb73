"""Intervals and tests over seeds."""

from collections.abc import Callable

import equinox as eqx
import numpy as np
import scipy.stats
from jaxtyping import PRNGKeyArray

from recirc.compare.base import numpy_generator


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
    if not 0 < level < 1:
        raise ValueError(f"level must be between 0 and 1, got {level}.")
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


class PairedTest(eqx.Module):
    """Result of `paired_test`.

    Args:
        difference: median of a - b.
        ratio: median of a / b; nan unless all of a and b are positive.
        p: of the signed rank test; nan if there are too few pairs for any p under 0.05.
        n: pairs that differ.
        note: a sentence if p is nan, else empty.
    """

    difference: float
    ratio: float
    p: float
    n: int = eqx.field(static=True)
    note: str = eqx.field(static=True, default="")


def paired_test(a, b, alternative: str = "two-sided") -> PairedTest:
    """Wilcoxon's signed rank test of a against b, pair by pair.

    Pairs that are equal are left out (Wilcoxon's way). At least 6 pairs must differ for a two-sided test and
    5 for a one-sided one: with fewer no outcome can reach p < 0.05, and p is nan.

    Args:
        a, b: paired values, one per seed.
        alternative: "two-sided", "greater" (a is greater) or "less".

    Raises:
        ValueError: if lengths differ, a value is not finite, or `alternative` is unknown.

    Example:
        >>> import recirc
        >>> recirc.compare.paired_test([2, 3, 4, 5, 6.0], [1, 1, 1, 1, 1.0], "greater").p
        0.03125
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.shape != b.shape or a.ndim != 1 or a.size == 0 or not np.isfinite([a, b]).all():
        raise ValueError(f"give as many finite values on both sides; got shapes {a.shape} and {b.shape}.")
    if alternative not in ("two-sided", "greater", "less"):
        raise ValueError(f'alternative must be "two-sided", "greater" or "less", got {alternative!r}.')
    difference = a - b
    n = int(np.count_nonzero(difference))
    ratio = float(np.median(a / b)) if min(a.min(), b.min()) > 0 else np.nan
    needed = 6 if alternative == "two-sided" else 5
    p, note = (np.nan, f"{n} pairs differ, and a {alternative} test needs {needed} to be able to reach p < 0.05.")
    if n >= needed:
        found = scipy.stats.wilcoxon(difference[difference != 0], alternative=alternative)
        p, note = float(found.pvalue), ""  # pyright: ignore[reportAttributeAccessIssue]
    return PairedTest(float(np.median(difference)), ratio, p, n, note)
