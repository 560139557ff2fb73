"""What a score would be by chance."""

import warnings
from collections.abc import Callable, Sequence

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Float, PRNGKeyArray

from recirc.compare.base import AbstractMeasure, AbstractNull, AbstractPortrait, AbstractSimilarity
from recirc.types import Activity, Score


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

    @property
    def bounds(self) -> dict[str, str | float]:
        """The null as a row of `metrics.json` has it: kind, mean, p95 and p."""
        return {"kind": self.kind, "mean": self.mean, "p95": self.p95, "p": self.p}


def null_distribution(
    measure: AbstractMeasure,
    a: Activity,
    b: Activity | None,
    null: AbstractNull,
    *,
    n_draws: int = 100,
    key: PRNGKeyArray,
) -> NullDistribution:
    r"""Score `a` (against `b`), and again with surrogates of `a` in its place.

    $$p = \frac{1 + \#\{\text{draws at least as good}\}}{1 + n}$$

    If there are only m different surrogates (m! orders of few conditions) and the original is never drawn, p becomes
    1/m + (1 - 1/m) p: with 3 conditions nothing is below 1/6, whatever n. Where the score is not a number p is 1.

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
    others = () if b is None else (b,)
    score = measure(a, *others)
    if isinstance(measure, AbstractSimilarity) and null.keeps_covariance:
        a, *others = (measure.compressed(side) for side in (a, *others))
    (found,) = _beside_surrogates([score], lambda drawn: [measure(drawn, *others)], a, null, n_draws, key)
    return found


def null_distributions(
    portraits: Sequence[AbstractPortrait], a: Activity, null: AbstractNull, *, n_draws: int = 100, key: PRNGKeyArray
) -> dict[str, NullDistribution]:
    """`null_distribution` of every score that several portraits give, all from the same surrogates.

    Each surrogate is drawn once and each portrait computed once for all its `scores` (`JPCA`: three statistics of one
    fit). The numbers are those of separate calls with the same key.

    Args:
        portraits: of different metrics.
        a, null, n_draws, key: as in `null_distribution`, which also says what is raised.

    Returns:
        One distribution per metric.

    Example:
        >>> import jax, recirc
        >>> a = recirc.Activity(jax.random.normal(jax.random.key(0), (4, 50, 6)), dt=0.01, conditions="abcd")
        >>> null = recirc.compare.FlippedComponents()
        >>> found = null_distributions([recirc.compare.JPCA(soft=None)], a, null, n_draws=9, key=jax.random.key(1))
        >>> list(found)
        ['jpca_ratio', 'jpca_r2_skew', 'jpca_r2_best']
    """

    def scores(drawn: Activity) -> list[Score]:
        return [score for portrait in portraits for score in portrait.scores(drawn)]

    found = _beside_surrogates(scores(a), scores, a, null, n_draws, key)
    return {each.score.metric: each for each in found}


def _beside_surrogates(
    scores: list[Score], again: Callable[[Activity], list[Score]], a: Activity, null: AbstractNull, n_draws: int, key
) -> list[NullDistribution]:
    if n_draws < 1:
        raise ValueError(f"n_draws must be at least 1, got {n_draws}.")
    draw = null.sampler(a)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the first call has said all there is to say
        draws = [[one.value for one in again(draw(key=jax.random.fold_in(key, i)))] for i in range(n_draws)]
    arrangements = null.n_arrangements(a)
    return [beside(score, np.array(values), null.kind, arrangements) for score, *values in zip(scores, *draws)]


def beside(score: Score, draws: np.ndarray, kind: str, n_arrangements: float = np.inf) -> NullDistribution:
    """A score beside values that it takes by chance, one of `n_arrangements` of which may be its own."""
    is_higher = score.direction == "higher"
    worse = draws < score.value if is_higher else draws > score.value
    p = float((1 + (~worse).sum()) / (1 + len(draws)))
    p95 = float(np.percentile(draws, 95 if is_higher else 5))
    p = 1 / n_arrangements + (1 - 1 / n_arrangements) * p
    return NullDistribution(score, kind, float(draws.mean()), p95, p, draws)
