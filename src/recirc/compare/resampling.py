"""How much a score depends on which trials (one half against the other) and which units there are."""

import warnings
from collections.abc import Iterator

import equinox as eqx
import numpy as np
from jaxtyping import Float, PRNGKeyArray

from recirc.circuits.base import numpy_generator
from recirc.compare.base import AbstractMeasure, AbstractSimilarity
from recirc.types import Activity


class Ceiling(eqx.Module):
    """What halves of one recording score against each other.

    Args:
        metric: that of the measure; of a portrait `<metric>_difference`.
        value: median over splits.
        interval: 2.5th and 97.5th percentile over splits. Splits share trials, so this is how much the choice
            of halves matters, not a confidence interval.
        reached: median of what the other activity scores against the halves; nan if there is none.
        values: of every split.
        direction: "higher" or "lower", whichever is better.

    Example:
        >>> import numpy as np
        >>> Ceiling("linear_cka", 0.9, (0.85, 0.95), 0.7, np.array([0.88, 0.92])).reached
        0.7
    """

    metric: str = eqx.field(static=True)
    value: float
    interval: tuple[float, float]
    reached: float
    values: Float[np.ndarray, " split"]
    direction: str = eqx.field(static=True, default="higher")


def split_half_ceiling(
    measure: AbstractMeasure, trials: Activity, b: Activity | None = None, *, n_splits: int = 20, key: PRNGKeyArray
) -> Ceiling:
    """Score averages over one half of every condition's trials against those over the other half.

    For a portrait it is the absolute difference of the halves' values: nothing can be told apart that differs by less.
    What a model without noise would reach against the average over all trials is `noise_ceiling`.

    Args:
        measure: a similarity, or a portrait.
        trials: single trials, at least two of every condition; one trial at random is left out where their
            number is odd.
        b: an activity with one trial per condition, conditions in order of first appearance, to see what it
            reaches against the same halves; a portrait needs no equal conditions.
        n_splits: random halvings.
        key: random key.

    Raises:
        ValueError: if a condition has fewer than two trials, `n_splits` < 1, or as the measure does.

    Example:
        >>> import jax, recirc
        >>> rates = jax.random.normal(jax.random.key(0), (8, 50, 6))
        >>> trials = recirc.Activity(rates, dt=0.01, conditions="aabbccdd")
        >>> found = recirc.compare.split_half_ceiling(recirc.compare.SVCCA(), trials, key=jax.random.key(1))
        >>> found.metric, found.value < 1
        ('svcca5_concatenated', True)
    """
    halves = list(_halves(trials, n_splits, key))
    measure(*halves[0][: 1 + isinstance(measure, AbstractSimilarity)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the first call has said all there is to say
        values = np.array([_agreement(measure, first, second) for first, second in halves])
        against = [] if b is None else [_agreement(measure, half, b) for pair in halves for half in pair]
    value, low, high = float(np.median(values)), *np.percentile(values, [2.5, 97.5]).tolist()
    reached = float(np.median(against)) if against else np.nan
    if not isinstance(measure, AbstractSimilarity):
        return Ceiling(f"{measure.metric}_difference", value, (low, high), reached, values, "lower")
    return Ceiling(measure.metric, value, (low, high), reached, values, measure.direction)


def _halves(trials: Activity, n_splits: int, key: PRNGKeyArray) -> Iterator[tuple[Activity, ...]]:
    """Pairs of activities of one trial per condition, in order of first appearance."""
    from recirc.data.conditions import in_order  # loads readers of files
    from recirc.data.reliability import split_halves

    names, wanted = list(in_order(np.array(trials.conditions))), list(dict.fromkeys(trials.conditions))
    places = [names.index(name) for name in wanted]
    for pair in split_halves(np.asarray(trials.rates), trials.conditions, n_splits=n_splits, key=key):
        yield tuple(trials.replace(rates=half[places], conditions=wanted, outputs=None) for half in pair)


def _agreement(measure: AbstractMeasure, first: Activity, second: Activity) -> float:
    if isinstance(measure, AbstractSimilarity):
        return measure(first, second).value
    return abs(measure(first).value - measure(second).value)


def over_units(
    measure: AbstractMeasure,
    a: Activity,
    b: Activity | None = None,
    *,
    n_units: int | None = None,
    n_draws: int = 100,
    key: PRNGKeyArray,
) -> dict[str, tuple[float, float]]:
    """Intervals of a measure's scores over draws of units with replacement, from both sides.

    A unit that is drawn twice adds no dimension, so that values of what counts dimensions lie below the score. Where a
    similarity `estimates_populations`, halves of the units are drawn without replacement, which scatter as much.

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
    halves = isinstance(measure, AbstractSimilarity) and measure.estimates_populations
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the score itself has said all there is to say
        for _ in range(n_draws):
            for score in measure.scores(*(_drawn(side, n_units, random, halves) for side in sides)):
                values.setdefault(score.metric, []).append(score.value)
    return {metric: tuple(np.percentile(found, [2.5, 97.5]).tolist()) for metric, found in values.items()}


def _drawn(a: Activity, n_units: int | None, random: np.random.Generator, halves: bool) -> Activity:
    n = len(a.units)
    most = max(2, n // 2) if halves else n
    drawn = random.choice(n, most if n_units is None else min(most, n_units), replace=not halves)
    return a.replace(rates=a.rates[:, :, drawn], units=None)
