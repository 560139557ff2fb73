"""What a perfect model of a recording would score against it, given the recording's own noise."""

import warnings
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, PRNGKeyArray

from recirc.circuits.base import numpy_generator
from recirc.compare.base import AbstractSimilarity
from recirc.compare.samples import condition_groups
from recirc.types import Activity


class NoiseCeiling(NamedTuple):
    """Mean over simulated recordings, their 2.5th and 97.5th percentile, and whether the other side is noisy too.

    Example:
        >>> NoiseCeiling(0.9, (0.85, 0.95), False).value
        0.9
    """

    value: float
    interval: tuple[float, float]
    is_noisy: bool


def noise_ceiling(
    measure: AbstractSimilarity, trials: Activity, *, is_noisy: bool = False, n_draws: int = 20, key: PRNGKeyArray
) -> NoiseCeiling:
    r"""Score of what the rates would be without noise against averages of simulated trials.

    $$\mathrm{E}\; m\left(\hat X,\; \hat X + \tfrac{1}{n_c}\textstyle\sum_i e_{c i}\right), \qquad \hat X = \bar X W,
      \quad \hat X^\top\hat X = S \approx \bar X^\top\bar X - \textstyle\sum_c \Sigma_c / n_c$$

    $\bar X$ are averages over the n_c trials of each condition, e residuals drawn with replacement (times
    $\sqrt{n/(n-1)}$), so that noise keeps its course and its correlations among units. What averages hold beside noise
    is estimated: W is the symmetric map that gives them the covariance S, which has no noise in it. The eigenvalues of
    $\bar X^\top\bar X$ less noise spread too far; S has the mean of two estimates with their sum: the positive ones
    scaled, and less a constant.

    A network has no noise, and may score higher than another recording would (`is_noisy`, noise on both sides); of
    correlations of one signal these are $\sqrt{\rho}$ and $\rho$ of the averages' reliability. There is no ceiling
    where single trials are not known, and another animal's circuit is none: it is another circuit. It is nan where
    averages hold nothing beside noise.

    Args:
        measure: a similarity.
        trials: single trials, at least two of every condition.
        is_noisy: whether the other side is another recording with as many trials, not a model.
        n_draws: simulated recordings.
        key: random key.

    Raises:
        ValueError: if a condition has one trial, `n_draws` < 1, or as the measure does.

    Source: ours; checked in `benchmarks/ceilings.py`.

    Example:
        >>> import jax, recirc
        >>> rates = jax.random.normal(jax.random.key(0), (4, 50, 6)).repeat(3, axis=0)
        >>> rates += 0.5 * jax.random.normal(jax.random.key(1), rates.shape)
        >>> trials = recirc.Activity(rates, dt=0.01, conditions="aaabbbcccddd")
        >>> found = recirc.compare.noise_ceiling(recirc.compare.LinearCKA(), trials, key=jax.random.key(1))
        >>> 0 < found.value < 1
        True
    """
    groups = condition_groups(trials.conditions)
    few = [name for name, group in groups.items() if len(group) < 2]
    if few or n_draws < 1:
        raise ValueError(
            f"a noise ceiling needs two trials of every condition and one draw; {n_draws} draws are asked for, and "
            f"there is one trial of {few[:5]}. Leave conditions with one trial out."
        )
    rates, random = np.asarray(trials.rates, np.float64), numpy_generator(key)
    averages = np.stack([rates[group].mean(axis=0) for group in groups.values()])
    residuals = [
        (rates[group] - mean) * np.sqrt(len(group) / (len(group) - 1)) for group, mean in zip(groups.values(), averages)
    ]
    clean = _without_noise(averages, residuals)
    if np.ptp(clean, axis=(0, 1)).max() <= 1e-9 * np.abs(averages).max():
        return NoiseCeiling(np.nan, (np.nan, np.nan), is_noisy)

    def drawn(is_clean: bool) -> Activity:
        noise = [own[random.integers(len(own), size=len(own))].mean(axis=0) for own in residuals]
        return trials.replace(
            rates=clean if is_clean else clean + np.stack(noise), conditions=list(groups), outputs=None
        )

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the score itself has said all there is to say
        values = [measure(drawn(not is_noisy), drawn(False)).value for _ in range(n_draws)]
    low, high = np.percentile(values, [2.5, 97.5]).tolist()
    return NoiseCeiling(float(np.mean(values)), (low, high), is_noisy)


def _without_noise(
    averages: Float[np.ndarray, "condition time unit"], residuals: list[Float[np.ndarray, "trial time unit"]]
) -> Float[np.ndarray, "condition time unit"]:
    """Averages mapped to the covariance among units that they would have without noise."""
    mean, n_units = averages.mean((0, 1)), averages.shape[2]
    flat = (averages - mean).reshape(-1, n_units)
    noise = sum(np.tensordot(own, own, ((0, 1), (0, 1))) / len(own) ** 2 for own in residuals)
    moments = flat.T @ flat
    values, vectors = np.linalg.eigh(moments - noise)
    signal = (vectors * _spectrum(values)) @ vectors.T
    root = _power(moments, 0.5)
    return mean + (averages - mean) @ (
        _power(moments, -0.5) @ _power(root @ signal @ root, 0.5) @ _power(moments, -0.5)
    )


def _spectrum(values: np.ndarray) -> np.ndarray:
    """Eigenvalues of a signal's covariance, none negative, with the sum of unbiased estimates that are."""
    total, positive = max(values.sum(), 0.0), np.maximum(values, 0.0)
    ordered = np.sort(positive)[::-1]
    excess = (np.cumsum(ordered) - total) / np.arange(1, len(ordered) + 1)
    threshold = excess[np.flatnonzero(ordered >= excess)[-1]]
    return (np.maximum(values - threshold, 0.0) + positive * total / max(positive.sum(), 1e-300)) / 2


def _power(matrix: np.ndarray, exponent: float) -> np.ndarray:
    """Power of a positive matrix, on the space where it is not zero."""
    values, vectors = np.linalg.eigh(matrix)
    kept = values > 1e-12 * values[-1]
    return (vectors[:, kept] * values[kept] ** exponent) @ vectors[:, kept].T
