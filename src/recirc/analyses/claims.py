"""From one value per seed to a claim: supported, contradicted, or undecided and how many seeds would decide."""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import scipy.stats
from jaxtyping import Bool, Float, PRNGKeyArray

from recirc.analyses.table import Claim
from recirc.compare import holm_levels, seeds_needed, sign_flip_interval, sign_flip_test
from recirc.compare.statistics import holm, sign_flip_power

MOST_SEEDS = 1000  # looked for where seeds are counted


@dataclasses.dataclass(frozen=True)
class Effect:
    """A claim that something is large, and what was measured of it.

    Args:
        claim: the statement, as one sentence.
        values: one per seed, each from networks that share their random numbers, such as differences or log ratios;
            truth values where seeds are counted, of which the share is the effect.
        smallest: the smallest effect that matters, stated before the run.
        none: the effect if there were nothing to the claim.
        planned: effect for which the number of seeds is told; `smallest` if omitted. A claim that nothing as large as
            `none` is missing has `smallest` = `none`, and is planned for where nothing is, 0.
        shown: from the scale of values, on which their mean is taken, to that of the report; rising, as `np.exp`.

    Example:
        >>> import numpy as np
        >>> effect = Effect("Hints help", np.array([0.2, 0.3, 0.25, 0.4, 0.35]), smallest=0.1)
        >>> recirc.analyses.judged([effect], "an example", key=jax.random.key(0))[0].supported
        True
    """

    claim: str
    values: Float[np.ndarray, " seed"] | Bool[np.ndarray, " seed"]
    smallest: float
    none: float = 0.0
    planned: float | None = None
    shown: Callable[[float], float] = float

    @property
    def counts(self) -> bool:
        """Whether seeds are counted."""
        return self.values.dtype == bool

    @property
    def aim(self) -> float:
        """The effect that the number of seeds is planned for."""
        if self.planned is not None:
            return self.planned
        return 0.0 if self.smallest == self.none else self.smallest

    def p(self, center: float, alternative: str, key: PRNGKeyArray) -> float:
        """p of the effect against a center, "greater" or "less"."""
        if self.counts:
            return float(scipy.stats.binomtest(int(self.values.sum()), len(self.values), center, alternative).pvalue)
        return sign_flip_test(self.values, center, alternative, key=key)

    def ends(self, below: float, above: float, key: PRNGKeyArray) -> tuple[float, float]:
        """The centers at which p is over `below` (greater) and over `above` (less)."""
        if not self.counts:
            levels = (1 - 2 * alpha for alpha in (below, above))
            low, high = (sign_flip_interval(self.values, level, key=key)[i] for i, level in enumerate(levels))
            return low, high
        successes, n = int(self.values.sum()), len(self.values)
        low = scipy.stats.binomtest(successes, n, alternative="greater").proportion_ci(1 - below).low
        return float(low), float(scipy.stats.binomtest(successes, n, alternative="less").proportion_ci(1 - above).high)

    def needs(self, alpha: float) -> int | None:
        """How many seeds find the effect that is planned for, with power .8, and are more than there are."""
        n = len(self.values)
        if self.counts:
            sizes = np.arange(n + 1, MOST_SEEDS)
            least = scipy.stats.binom.isf(alpha, sizes, self.none)
            enough = sizes[scipy.stats.binom.sf(least, sizes, self.aim) >= 0.8]
            return int(enough[0]) if len(enough) else None
        return max(n + 1, seeds_needed(self.values, self.aim - self.none, alpha=alpha)) if n > 1 else None

    def power(self, alpha: float) -> float:
        """How often as many seeds of this spread find what is planned for, at a level; nan of fewer than two."""
        n = len(self.values)
        if self.counts:
            return float(scipy.stats.binom.sf(scipy.stats.binom.isf(alpha, n, self.none), n, self.aim))
        spread = float(np.std(self.values, ddof=1)) if n > 1 else np.nan
        return sign_flip_power(spread, self.aim - self.none, n, alpha=alpha) if n > 1 else np.nan


def judged(effects: Sequence[Effect], source: str, *, key: PRNGKeyArray, alpha: float = 0.05) -> list[Claim]:
    r"""The claims of a family, each by the interval of its effect.

    *Supported*: the interval lies above `none` and not wholly under `smallest`. *Contradicted*: it lies wholly under
    `smallest`. *Undecided* otherwise, with the number of seeds that would find `smallest` with power .8.

    Each end of the interval is that of a one-sided test over seeds: sign flips of the mean, or the exact binomial where
    seeds are counted. Any claim of the family is supported falsely with probability alpha at most, and so is any
    contradicted: lower ends have Holm's levels by the p against `none`, upper ends by that against `smallest`, so that
    a claim alone has an interval of level 1 - 2 alpha. The p that is reported is against `none`, and adjusted.

    Args:
        effects: of the family, all that are reported together.
        source: where the claims were made.
        key: draws signs, where there are over 20 seeds.
        alpha: one-sided level.

    Example:
        >>> import jax, numpy as np, recirc
        >>> gain = recirc.analyses.Effect("Hints help", np.array([0.3, 0.2, 0.4, 0.3, 0.5, 0.1]), smallest=0.1)
        >>> recirc.analyses.judged([gain], "here", key=jax.random.key(0))[0].supported
        True
    """
    tested = [effect for effect in effects if len(effect.values)]
    p = [effect.p(effect.none, "greater", key) for effect in tested]
    p_small = [effect.p(effect.smallest, "less", key) for effect in tested]
    levels, found = zip(holm_levels(p, alpha).tolist(), holm_levels(p_small, alpha).tolist()), {}
    for effect, (lower, upper), exists, is_small in zip(tested, levels, holm(p).tolist(), holm(p_small)):
        supported = False if is_small <= alpha else True if exists <= alpha else None
        found_at = float(np.mean(effect.values)), *effect.ends(lower, upper, key)
        mean, *ends = (float(effect.shown(x)) if np.isfinite(x) else x for x in found_at)
        needs = effect.needs(lower) if supported is None else None
        found[effect.claim] = Claim(effect.claim, source, supported, mean, (ends[0], ends[1]), exists,
                                    len(effect.values), float(effect.shown(effect.smallest)), needs,
                                    effect.power(alpha / len(tested)))  # fmt: skip
    nothing = {e.claim: Claim(e.claim, source, None, smallest=float(e.shown(e.smallest))) for e in effects}
    return list((nothing | found).values())
