"""How much a score depends on which units there are."""

import warnings

import numpy as np
from jaxtyping import PRNGKeyArray

from recirc.compare.base import AbstractPortrait, AbstractSimilarity, numpy_generator
from recirc.types import Activity


def over_units(
    measure: AbstractSimilarity | AbstractPortrait,
    a: Activity,
    b: Activity | None = None,
    *,
    n_units: int | None = None,
    n_draws: int = 100,
    key: PRNGKeyArray,
) -> dict[str, tuple[float, float]]:
    """Intervals of a measure's scores over draws of units with replacement, from both sides.

    A unit that is drawn twice adds no dimension, so that values of what counts dimensions lie below the score.

    Args:
        measure: a similarity, or a portrait.
        a: an activity.
        b: what it is compared with; None for a portrait.
        n_units: units per draw and side, at most; None for as many as a side has.
        n_draws: draws, at least 1.
        key: random key; measures of one activity see the same draws if they are given the same key.

    Returns:
        2.5th and 97.5th percentile for the metric of each of the measure's `scores`.

    Raises:
        ValueError: if `n_units` or `n_draws` is not positive, or as the measure does.

    Example:
        >>> import jax, recirc
        >>> a = recirc.Activity(jax.random.normal(jax.random.key(0), (4, 50, 6)), dt=0.01, conditions="abcd")
        >>> found = over_units(recirc.compare.LinearCKA(), a, a, n_draws=9, key=jax.random.key(1))
        >>> low, high = found["linear_cka"]
        >>> 0 < low < high <= 1
        True
    """
    if n_draws < 1 or (n_units is not None and n_units < 1):
        raise ValueError(f"n_draws and n_units must be at least 1, got {n_draws} and {n_units}.")
    random, values = numpy_generator(key), {}
    sides = (a,) if b is None else (a, b)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the score itself has said all there is to say
        for _ in range(n_draws):
            for score in measure.scores(*(_drawn(side, n_units, random) for side in sides)):
                values.setdefault(score.metric, []).append(score.value)
    return {metric: tuple(np.percentile(found, [2.5, 97.5]).tolist()) for metric, found in values.items()}


def _drawn(a: Activity, n_units: int | None, random: np.random.Generator) -> Activity:
    n = len(a.units)
    drawn = random.integers(0, n, n if n_units is None else min(n, n_units))
    return a.replace(rates=a.rates[:, :, drawn], units=None)
