"""What a score would be by chance: surrogates of an activity, and the distribution of a measure over them."""

import warnings
from collections.abc import Callable
from typing import ClassVar

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Float, PRNGKeyArray

from recirc.compare.base import AbstractNull, AbstractPortrait, AbstractSimilarity, numpy_generator
from recirc.compare.svcca import condition_groups
from recirc.types import Activity, Score


class ShuffledConditions(AbstractNull):
    """The same trials under other labels: conditions change places, at least two of them.

    It keeps everything within a trial (time course, envelope, dimensions) and all that conditions share, and
    breaks which condition is which. It is exact where conditions are exchangeable. Repeats of a condition
    move together.

    Raises (when drawn from):
        ValueError: if there are fewer than two conditions, or they have different numbers of trials.
    """

    kind: ClassVar[str] = "shuffled_conditions"
    keeps_covariance: ClassVar[bool] = True

    def draw(self, a: Activity, *, key: PRNGKeyArray) -> Activity:
        groups = condition_groups(a)
        if len(groups) < 2 or len({len(group) for group in groups}) > 1:
            raise ValueError(
                f"conditions change places only if two or more have equally many trials; there are "
                f"{len(groups)} with {sorted({len(group) for group in groups})} trials; average repeats."
            )
        random, order = numpy_generator(key), np.arange(len(groups))
        while (order == np.arange(len(groups))).all():
            order = random.permutation(len(groups))
        rates = np.asarray(a.rates)
        shuffled = np.empty_like(rates)
        for group, source in zip(groups, order):
            shuffled[group] = rates[groups[source]]
        return a.replace(rates=shuffled, outputs=None)

    def n_arrangements(self, a: Activity) -> float:
        return float(np.prod(np.arange(1.0, len(condition_groups(a)) + 1)))


class PhaseRandomized(AbstractNull):
    r"""Equally smooth signals of equal dimensions with another time course.

    $$\tilde X_c = F^{-1}\left[e^{i\phi_c(f)}\, F[X_c](f)\right]$$

    F is the Fourier transform over the time of trial c. The phase is random for every frequency and trial and
    the same for all units, which keeps every unit's mean and power spectrum in every trial and the covariance
    (and cross-spectrum) among units, hence the principal components; it breaks when things happen, and what
    conditions share. It is exact for noise that is stationary and periodic in the trial. Recordings are
    neither: a transient is spread over the trial, so a common envelope (both sides rise and fall together)
    counts as similarity here, and a trial that does not end where it began gains some roughness.
    `ShuffledConditions` keeps the envelope; use both.

    Source: Prichard & Theiler 1994 (doi 10.1103/PhysRevLett.73.951), for every trial apart.
    """

    kind: ClassVar[str] = "phase_randomized"
    keeps_covariance: ClassVar[bool] = True

    def draw(self, a: Activity, *, key: PRNGKeyArray) -> Activity:
        spectrum = np.fft.rfft(np.asarray(a.rates), axis=1)
        n_steps = a.rates.shape[1]
        turn = np.exp(2j * np.pi * numpy_generator(key).random(spectrum.shape[:2]))
        turn[:, 0] = 1.0
        if n_steps % 2 == 0:
            turn[:, -1] = np.sign(np.real(turn[:, -1]))
        return a.replace(rates=np.fft.irfft(spectrum * turn[:, :, None], n_steps, axis=1), outputs=None)


class NullDistribution(eqx.Module):
    """What a measure gives on surrogates.

    Args:
        score: the score of the activity itself.
        kind: name of the null.
        mean: mean over the draws.
        p95: the value that only 5 % of the draws are better than: the 95th percentile if higher is better,
            the 5th if lower is.
        p: one-sided probability of a value at least as good as `score.value` under the null.
        draws: every value.
    """

    score: Score
    kind: str = eqx.field(static=True)
    mean: float
    p95: float
    p: float
    draws: Float[np.ndarray, " draw"]


def null_distribution(
    measure: AbstractSimilarity | AbstractPortrait,
    a: Activity,
    b: Activity | None,
    null: AbstractNull,
    *,
    n_draws: int = 100,
    key: PRNGKeyArray,
) -> NullDistribution:
    r"""Score `a` (against `b`), and again with surrogates of `a` in its place.

    $$p = \frac{1 + \#\{\text{draws at least as good}\}}{1 + n}$$

    If there are only m different surrogates (m! orders of few conditions) and the original is never drawn, p
    becomes 1/m + (1 - 1/m) p: with 3 conditions nothing is below 1/6, whatever n.

    Args:
        measure: a similarity, or a portrait.
        a: the activity that surrogates are made of.
        b: what it is compared with; None for a portrait.
        null: how surrogates are made.
        n_draws: n; 100 gives the smallest p of .01.
        key: random key.

    Raises:
        ValueError: if `n_draws` < 1, or as the measure and the null do.

    Example:
        >>> import jax, recirc
        >>> a = recirc.Activity(jax.random.normal(jax.random.key(0), (4, 50, 6)), dt=0.01, conditions="abcd")
        >>> measure, null = recirc.compare.LinearCKA(), recirc.compare.PhaseRandomized()
        >>> found = recirc.compare.null_distribution(measure, a, a, null, key=jax.random.key(1))
        >>> round(found.p, 3)
        0.01
    """
    if n_draws < 1:
        raise ValueError(f"n_draws must be at least 1, got {n_draws}.")
    score = _call(measure, a, b)
    if isinstance(measure, AbstractSimilarity) and b is not None and null.keeps_covariance:
        a, b = measure.compressed(a), measure.compressed(b)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the first call has said all there is to say
        draws = np.array(
            [_call(measure, null.draw(a, key=each), b).value for each in jax.random.split(key, n_draws)]
        )
    better = draws >= score.value if score.direction == "higher" else draws <= score.value
    return NullDistribution(
        score=score,
        kind=null.kind,
        mean=float(draws.mean()),
        p95=float(np.percentile(draws, 95 if score.direction == "higher" else 5)),
        p=_among(null.n_arrangements(a), float((1 + better.sum()) / (1 + n_draws))),
        draws=draws,
    )


def _among(n_arrangements: float, p: float) -> float:
    return 1 / n_arrangements + (1 - 1 / n_arrangements) * p


def _call(measure: Callable, a: Activity, b: Activity | None) -> Score:
    return measure(a) if b is None else measure(a, b)
