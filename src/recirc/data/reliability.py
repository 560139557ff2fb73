"""How reliable averages over trials are, unit by unit, and how well they could be predicted at best."""

from collections.abc import Iterable

import numpy as np
from jaxtyping import Float, PRNGKeyArray

from recirc.data.conditions import in_order


def split_halves(
    rates: Float[np.ndarray, "trial time unit"], labels: Iterable[str], *, n_splits: int = 20, key: PRNGKeyArray
):
    """Averages (condition, time, unit) over random halves of every condition's trials, one pair after the other.

    Halves are equally large: one trial at random is left out where a condition has an odd number.

    Raises:
        ValueError: if a condition has one trial, or `n_splits` < 1.
    """
    import jax

    names = np.asarray(list(labels), str)
    groups = [np.flatnonzero(names == condition) for condition in in_order(names)]
    if n_splits < 1 or min(map(len, groups)) < 2:
        got = (
            f"{n_splits} splits and {[len(group) for group in groups][:20]} trials. Leave conditions with one trial out"
        )
        raise ValueError(f"halves need at least one split and two trials of every condition; got {got}.")
    random = np.random.default_rng(np.asarray(jax.random.key_data(key)))
    rates = np.asarray(rates)
    for _ in range(n_splits):
        orders = [random.permutation(group) for group in groups]
        pairs = [(order[: len(order) // 2], order[-(len(order) // 2) :]) for order in orders]
        yield tuple(np.stack([rates[part].mean(axis=0, dtype=float) for part in parts]) for parts in zip(*pairs))


def split_half_reliability(
    rates: Float[np.ndarray, "trial time unit"], labels: Iterable[str], *, n_splits: int = 20, key: PRNGKeyArray
) -> Float[np.ndarray, " unit"]:
    r"""Reliability of every unit's averages, over conditions and times.

    $$\rho = \frac{2r}{1 + r}, \qquad r = \mathrm{corr}(a, b)$$

    with a and b the averages over two halves of the trials; the median over splits. Spearman and Brown's formula turns
    the correlation of halves into that of averages over all trials with as many new ones. It is also the share of their
    variance over conditions and times that is not noise: the R² that the true rates would reach, so the ceiling.

    Args:
        rates, labels: single trials, smoothed as they will be used, and their conditions, each at least twice.
        n_splits, key: random halvings.

    Returns:
        $\rho$, from -1 to 1; at or below 0 for a unit without signal, nan for one that is constant in a half.

    Raises:
        ValueError: as `split_halves`.

    Example:
        >>> import jax
        >>> signal = np.sin(np.arange(50))[None, :, None] * np.ones((6, 1, 2))
        >>> split_half_reliability(signal, "aaabbb", key=jax.random.key(0)).round(6).tolist()
        [1.0, 1.0]
    """
    found = []
    for halves in split_halves(rates, labels, n_splits=n_splits, key=key):
        a, b = (half - half.mean(axis=(0, 1)) for half in halves)
        power = np.sqrt((a**2).sum(axis=(0, 1)) * (b**2).sum(axis=(0, 1)))
        r = (a * b).sum(axis=(0, 1)) / np.where(power > 0, power, np.nan)
        found.append(np.maximum(2 * r / np.where(r > -1 / 3, 1 + r, 1.0), -1.0))
    return np.median(found, axis=0)


def r2_ceiling(
    averages: Float[np.ndarray, "time unit"], standard_error: Float[np.ndarray, "time unit"], scale
) -> float:
    r"""The R² that the true rates of one condition would reach in predicting their averages.

    $$R^2_{max} = 1 - \frac{\sum_{tu} e_{tu}^2 / s_u^2}{\sum_{tu} (y_{tu} - \bar y_u)^2 / s_u^2}$$

    Args:
        averages, scale: y, its mean being over time, and s, by which units are divided.
        standard_error: e; its square is half the squared difference of halves, averaged over all halvings.

    Returns:
        Not above 1; below 0 if there is nothing but noise; nan if an error is not known or nothing changes.

    Example:
        >>> import numpy as np
        >>> rates = np.sin(np.arange(50.0))[:, None]
        >>> 0.5 < r2_ceiling(rates, np.full((50, 1), 0.2), np.ones(1)) < 1
        True
    """
    power = (((averages - averages.mean(axis=0)) / scale) ** 2).sum()
    return float(1 - ((standard_error / scale) ** 2).sum() / power) if power > 0 else float("nan")
