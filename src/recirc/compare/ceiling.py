"""How high a score can get, given noise: one half of the trials against the other."""

import warnings
from collections.abc import Iterator

import equinox as eqx
import numpy as np
from jaxtyping import Float, PRNGKeyArray

from recirc.compare.base import AbstractPortrait, AbstractSimilarity
from recirc.types import Activity


class Ceiling(eqx.Module):
    """What halves of one recording score against each other.

    Args:
        metric: that of the measure; of a portrait `<metric>_difference`.
        value: median over splits.
        interval: 2.5th and 97.5th percentile over splits. Splits share trials, so this is how much the choice
            of halves matters, not a confidence interval.
        full: `value` corrected to averages over all trials; nan where no formula applies.
        reached: median of what the other activity scores against the halves; nan if there is none.
        values: of every split.
        direction: "higher" or "lower", whichever is better.
    """

    metric: str = eqx.field(static=True)
    value: float
    interval: tuple[float, float]
    full: float
    reached: float
    values: Float[np.ndarray, " split"]
    direction: str = eqx.field(static=True, default="higher")


def split_half_ceiling(
    measure: AbstractSimilarity | AbstractPortrait,
    trials: Activity,
    b: Activity | None = None,
    *,
    n_splits: int = 20,
    key: PRNGKeyArray,
) -> Ceiling:
    r"""Score averages over one half of every condition's trials against those over the other half.

    For a portrait it is the absolute difference of the halves' values: nothing can be told apart that differs
    by less. If `measure.is_correlation`, Spearman and Brown's formula gives what averages over all trials
    would reach against a second recording as long,

    $$r_\text{full} = \frac{2r}{1 + r},$$

    which holds for a correlation of two signals whose noises are independent and equal; for canonical
    correlations it is an approximation, since their weights are fitted to the noise too. Other measures are
    not linear in the signal's share, and have no such formula.

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
        >>> found.metric, found.value < found.full < 1
        ('svcca5_concatenated', True)
    """
    halves = list(_halves(trials, n_splits, key))
    if isinstance(measure, AbstractSimilarity):
        found = measure(*halves[0])
        metric, direction = found.metric, found.direction
    else:
        metric, direction = f"{measure(halves[0][0]).metric}_difference", "lower"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the first call has said all there is to say
        values = np.array([_agreement(measure, first, second) for first, second in halves])
        against = [] if b is None else [_agreement(measure, half, b) for pair in halves for half in pair]
    value = float(np.median(values))
    is_correlation = isinstance(measure, AbstractSimilarity) and measure.is_correlation
    return Ceiling(
        metric=metric,
        value=value,
        interval=(float(np.percentile(values, 2.5)), float(np.percentile(values, 97.5))),
        full=2 * value / (1 + value) if is_correlation else np.nan,
        reached=float(np.median(against)) if against else np.nan,
        values=values,
        direction=direction,
    )


def _halves(trials: Activity, n_splits: int, key: PRNGKeyArray) -> Iterator[tuple[Activity, ...]]:
    """Pairs of activities of one trial per condition, in order of first appearance."""
    from recirc.data.conditions import in_order  # loads readers of files
    from recirc.data.reliability import split_halves

    names, wanted = list(in_order(np.array(trials.conditions))), list(dict.fromkeys(trials.conditions))
    places = [names.index(name) for name in wanted]
    for pair in split_halves(np.asarray(trials.rates), trials.conditions, n_splits=n_splits, key=key):
        yield tuple(trials.replace(rates=half[places], conditions=wanted, outputs=None) for half in pair)


def _agreement(measure, first: Activity, second: Activity) -> float:
    if isinstance(measure, AbstractSimilarity):
        return measure(first, second).value
    return abs(measure(first).value - measure(second).value)
