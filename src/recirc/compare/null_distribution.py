"""What a score would be by chance."""

import dataclasses
import functools
import warnings
from collections.abc import Callable, Sequence

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Float, PRNGKeyArray

from recirc.circuits.base import numpy_generator
from recirc.compare.base import AbstractMeasure, AbstractNull, AbstractPortrait, AbstractSimilarity
from recirc.compare.samples import varying_units
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
        is_certified: whether the null's false alarms are at their level for this measure and these conditions.
        half_p: as of `half_p`; nan if it was not asked for.

    Example:
        >>> import numpy as np
        >>> score = recirc.Score("linear_cka", 0.9, "population")
        >>> NullDistribution(score, "rotated", 0.5, 0.7, 0.01, np.array([0.4, 0.6])).p
        0.01
    """

    score: Score
    kind: str = eqx.field(static=True)
    mean: float
    p95: float
    p: float
    draws: Float[np.ndarray, " draw"]
    is_certified: bool = eqx.field(static=True, default=False)
    half_p: float = np.nan

    @property
    def bounds(self) -> dict[str, str | float | bool]:
        """The null as a row of `metrics.json` has it: kind, mean, p95, p, certified, and half_p where there is one."""
        about = {"kind": self.kind, "mean": self.mean, "p95": self.p95, "p": self.p, "certified": self.is_certified}
        return about | ({"half_p": self.half_p} if np.isfinite(self.half_p) else {})


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

    If there are only m <= n + 1 arrangements (orders of few conditions, signs of few contrasts), each is scored once,
    and p is the share of arrangements at least as good, the original among them: with 3 conditions that change places
    nothing is below 1/6. Where a null is `of_both`, every draw has a surrogate of b in its place, too. Scores that
    are equal but for rounding (angles near 0: to 1e-4) are as good. Where the score is not a number p is 1.

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
    if b is None or not isinstance(measure, AbstractSimilarity):
        others = () if b is None else (b,)
        values = lambda rates: [measure(a.replace(rates=rates, outputs=None), *others).value]  # noqa: E731
        found = _beside_surrogates([measure(a, *others)], values, a, null, n_draws, key)[0]
        return dataclasses.replace(found, is_certified=_is_certified(measure, null, a))
    score, null = measure(a, b), null.fitted(a)
    compressed = a
    if null.keeps_covariance:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the score itself has named constant units
            a, b = varying_units(a, "first"), varying_units(b, "second")
        compressed = measure.compressed(a)
        value = measure.against(compressed, b)
    elif null.of_both:
        theirs, random = null.sampler(b), numpy_generator(jax.random.fold_in(key, n_draws))
        value = lambda x: measure(a.replace(rates=x), b.replace(rates=theirs(random))).value  # noqa: E731
    else:
        value = lambda x: measure(a.replace(rates=x), b).value  # noqa: E731
    (found,) = _beside_surrogates([score], lambda rates: [value(rates)], compressed, null, n_draws, key)
    return dataclasses.replace(found, is_certified=_is_certified(measure, null, a))


def _is_certified(measure: AbstractMeasure, null: AbstractNull, a: Activity) -> bool:
    return (null.kind, null.structure(a)) in measure.certified


def half_p(
    measure: AbstractSimilarity, a: Activity, null: AbstractNull, *, n_splits: int = 5, n_draws: int = 100,
    key: PRNGKeyArray,
) -> float:  # fmt: skip
    """Median p of one half of the units of `a` against the other, which says whether a null can tell likeness there.

    Halves of one population are as alike as two populations get. Where even they are not beyond chance, a p-value above
    0.05 says nothing: the null cannot tell. So it is with `RotatedConditions` and evenly spread preferred directions.

    Args:
        measure, a, null, n_draws, key: as in `null_distribution`.
        n_splits: random halvings of the units.

    Raises:
        ValueError: if there are fewer than two units, or as `null_distribution` does.

    Example:
        >>> import jax, recirc
        >>> rates = jax.random.normal(jax.random.key(0), (8, 50, 3)) @ jax.random.normal(jax.random.key(1), (3, 20))
        >>> a = recirc.Activity(rates, dt=0.01, conditions=[45 * i for i in range(8)])
        >>> null = recirc.compare.RotatedConditions()
        >>> bool(half_p(recirc.compare.LinearCKA(), a, null, key=jax.random.key(2)) < 0.05)
        True
    """
    if len(a.units) < 2:
        raise ValueError("there is one unit, which has no halves; give two or more.")
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the score itself has said all there is to say
        for i in range(n_splits):
            own = jax.random.fold_in(key, i)
            units = numpy_generator(own).permutation(np.array(a.units))
            one, other = (a.select_units(list(half)) for half in np.array_split(units, 2))
            found.append(null_distribution(measure, one, other, null, n_draws=n_draws, key=own).p)
    return float(np.median(found))


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

    values = lambda rates: [score.value for score in scores(a.replace(rates=rates, outputs=None))]  # noqa: E731
    of_a = [portrait.scores(a) for portrait in portraits]
    found = _beside_surrogates([score for each in of_a for score in each], values, a, null, n_draws, key)
    certified = [_is_certified(portrait, null, a) for portrait, each in zip(portraits, of_a) for _ in each]
    return {each.score.metric: dataclasses.replace(each, is_certified=c) for each, c in zip(found, certified)}


def _beside_surrogates(
    scores: list[Score], again: Callable[[np.ndarray], list[float]], a: Activity, null: AbstractNull, n_draws: int, key
) -> list[NullDistribution]:
    if n_draws < 1:
        raise ValueError(f"n_draws must be at least 1, got {n_draws}.")
    if null.n_arrangements(a) <= n_draws + 1:
        surrogates = null.arrangements(a)
    else:
        draw = null.sampler(a)
        keys = jax.vmap(functools.partial(jax.random.fold_in, key))(np.arange(n_draws))
        surrogates = (draw(np.random.default_rng(seed)) for seed in np.asarray(jax.random.key_data(keys)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the first call has said all there is to say
        draws = [again(rates) for rates in surrogates]
    return [beside(score, np.array(values), null.kind) for score, *values in zip(scores, *draws)]


def beside(score: Score, draws: np.ndarray, kind: str) -> NullDistribution:
    """A score beside values that it takes by chance."""
    is_higher = score.direction == "higher"
    slack = 1e-4 if score.unit == "rad" else 1e-9 * abs(score.value)  # equal but for rounding is as good
    worse = draws < score.value - slack if is_higher else draws > score.value + slack
    p = float((1 + (~worse).sum()) / (1 + len(draws)))
    p95 = float(np.percentile(draws, 95 if is_higher else 5)) if len(draws) else np.nan
    return NullDistribution(score, kind, float(draws.mean()) if len(draws) else np.nan, p95, p, draws)
