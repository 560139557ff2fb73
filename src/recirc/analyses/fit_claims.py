"""What a fit bears on: networks against untrained twins, against linear tuning, and against the best interpolation."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import scipy.stats
from jaxtyping import Float, PRNGKeyArray

from recirc.analyses.claims import MOST_SEEDS, Effect, judged
from recirc.analyses.table import Claim, Row, number
from recirc.compare.statistics import jackknife_variance

SMALLEST_GAIN = 0.02  # of R²; variants of one fit that are as good as each other differ by that (benchmarks/README.md)
MARGIN = 0.01  # of R², by which networks may fall short of an interpolation and still be as good
INTERPOLATORS = {
    "gp": "Gaussian processes",
    "gp_joint": "a Gaussian process of units apart",
    "gp_coupled": "a Gaussian process of coupled units",
    "gp_directions": "a Gaussian process of fixed length",
    "cosine_tuning": "tuning linear in the covariates",
    "condition_mean": "the mean over conditions",
}
_PREDICT = "The networks predict unseen units in left-out conditions"
UNTRAINED = f"{_PREDICT} better than untrained networks with the same map, and than the mean over conditions"
TUNING = f"{_PREDICT} better than tuning that is linear in the covariates, and than the mean over conditions"
AS_GOOD = f"{_PREDICT} as well as the best interpolation"
BETTER = f"{_PREDICT} better than the best interpolation"
Networks = Float[np.ndarray, "seed condition time unit"]
Rates = Float[np.ndarray, "condition time unit"]
Scales = Float[np.ndarray, "condition unit"]


@dataclasses.dataclass(frozen=True)
class CrossedEffect(Effect):
    r"""A mean over conditions that units and seeds make uncertain too.

    $$\mathrm{SE}^2 = \frac{s_c^2}{C} + V_u + V_s$$

    with $s_c$ the standard deviation over C conditions, and $V$ jackknife variances of the mean over units and over
    seeds; intervals and p are those of Student's t with C - 1 degrees of freedom. What units and seeds
    contribute within a condition is in $s_c$ already, so that intervals are rather too wide. Left-out conditions share
    their training data and stem from one recording: nothing is said about others.

    Args:
        shared: $V_u + V_s$.
    """

    shared: float = 0.0

    def error(self, n: int) -> float:
        """SE, were there n conditions; nan if there are fewer than two."""
        return float(np.sqrt(np.var(self.values, ddof=1) / n + self.shared)) if len(self.values) > 1 else np.nan

    def p(self, center: float, alternative: str, key: PRNGKeyArray) -> float:
        n = len(self.values)
        if not (error := self.error(n)) > 0:
            return 1.0
        t = scipy.stats.t(n - 1)
        return float((t.sf if alternative == "greater" else t.cdf)((np.mean(self.values) - center) / error))

    def ends(self, below: float, above: float, key: PRNGKeyArray) -> tuple[float, float]:
        n, mean = len(self.values), float(np.mean(self.values))
        error, t = self.error(n), scipy.stats.t(max(n - 1, 1))
        return mean - float(t.isf(below)) * error, mean + float(t.isf(above)) * error

    def needs(self, alpha: float) -> int | None:
        """How many conditions find what is planned for, with power .8; units and seeds as they are."""
        sizes = range(len(self.values) + 1, MOST_SEEDS)
        return next((n for n in sizes if self._power(n, alpha) >= 0.8), None)

    def power(self, alpha: float) -> float:
        return self._power(len(self.values), alpha)

    def _power(self, n: int, alpha: float) -> float:
        if not (error := self.error(n)) > 0:
            return np.nan
        t = scipy.stats.t(n - 1)
        return float(scipy.stats.nct.sf(t.isf(alpha), n - 1, (self.aim - self.none) / error))


def ensemble_mean(networks: Networks) -> Rates:
    """Mean prediction of the networks that did not fail; nan where all did."""
    good = np.isfinite(networks)
    total = np.where(good, networks, 0.0).sum(axis=0)
    return np.where(good.any(axis=0), total / np.maximum(good.sum(axis=0), 1), np.nan)


def gains(rates: Rates, scales: Scales, networks: Networks, rival: Rates) -> tuple[np.ndarray, float]:
    """R² of the networks' mean less that of a rival in every condition, and what units and seeds make of their mean.

    Args:
        rates: the truth.
        scales: of every condition, infinite for units that do not count.
        networks, rival: predictions; conditions in which either has none are left out.

    Returns:
        Differences (condition), and the sum of jackknife variances of their mean over units and seeds.
    """
    is_told = np.isfinite(ensemble_mean(networks)).all(axis=(1, 2)) & np.isfinite(rival).all(axis=(1, 2))
    if not is_told.any():
        return np.empty(0), 0.0
    rates, scales, networks, rival = rates[is_told], scales[is_told], networks[:, is_told], rival[is_told]
    if not np.isfinite(networks).all():
        networks = ensemble_mean(networks)[None]
    scale = scales[:, None, :]
    residuals = (rates - networks) / scale
    power = (((rates - rates.mean(axis=1, keepdims=True)) / scale) ** 2).sum(axis=1)
    excess = (((rates - rival) / scale) ** 2).sum(axis=1) - (residuals.mean(axis=0) ** 2).sum(axis=1)
    found, n_seeds, n_units = excess.sum(axis=1) / power.sum(axis=1), len(networks), excess.shape[1]
    without = [(excess.sum(1) - excess[:, u]) / (power.sum(1) - power[:, u]) for u in range(n_units)]
    shared = jackknife_variance(np.mean(without, axis=1))
    if n_seeds > 1:
        errors = [(np.delete(residuals, s, axis=0).mean(axis=0) ** 2).sum(axis=(1, 2)) for s in range(n_seeds)]
        shared += jackknife_variance(np.mean(-np.array(errors) / power.sum(axis=1), axis=1))
    return found, shared


def best_interpolation(means: Mapping[str, float]) -> str:
    """Name of the interpolation with the largest mean R²; known only afterwards, so to the networks' disadvantage."""
    return max((name for name in INTERPOLATORS if np.isfinite(means[name])), key=lambda name: means[name])


def beside_the_mean(means: Mapping[str, float], name: str) -> str:
    """A rival, or the mean over conditions if that has a larger mean R²: to be less wrong than noise is no merit."""
    return max((name, "condition_mean"), key=lambda each: np.nan_to_num(means[each], nan=-np.inf))


def make_claims(
    rates: Rates, scales: Scales, networks: Networks, baselines: Mapping[str, Rates], *, key: PRNGKeyArray
) -> list[Claim]:
    """The four claims of a fit, each about a difference of mean R²; as `judged`, with `CrossedEffect`.

    Args:
        rates, scales, networks: as in `gains`.
        baselines: predictions of interpolations, and of untrained networks, by name.
        key: not used where nothing is drawn.
    """
    found = {name: gains(rates, scales, networks, made) for name, made in baselines.items()}
    losses = {name: -float(np.mean(values)) if len(values) else np.nan for name, (values, _) in found.items()}
    best = best_interpolation(losses) if np.isfinite(list(losses.values())).any() else "gp"
    effects = [
        CrossedEffect(text, found[name][0], smallest, none, planned, shared=found[name][1])
        for text, name, smallest, none, planned in (
            (UNTRAINED, beside_the_mean(losses, "untrained"), SMALLEST_GAIN, 0.0, None),
            (TUNING, beside_the_mean(losses, "cosine_tuning"), SMALLEST_GAIN, 0.0, None),
            (f"{AS_GOOD} (difference of R² above -{MARGIN:g})", best, -MARGIN, -MARGIN, 0.0),
            (BETTER, best, SMALLEST_GAIN, 0.0, None),
        )
    ]
    return judged(effects, "this fit", key=key)


def sentence(rows: Sequence[Row], claims: Sequence[Claim]) -> str:
    """What a fit found, in words that its numbers write."""
    found = {row.condition["statistic"]: row for row in rows if row.condition["set"] == "heldout_directions"}
    if "median" not in found:
        return "No network gave a prediction, so nothing can be said; see the failures."
    median, mean = found["median"], found["mean"]
    interval = f" ({number(mean.ci[0], 2)} to {number(mean.ci[1], 2)})" if np.isfinite(mean.ci).all() else ""
    ceiling = "" if median.ceiling is None else f" The noise of the averages allows {number(median.ceiling, 2)}."
    said = [
        f"Predictions of unseen units in conditions that no network had seen, averaged over networks, have R² "
        f"{number(median.value, 2)} in the median and {number(mean.value, 2)} in the mean{interval} of "
        f"{mean.n} conditions; shuffled conditions give {number((mean.null or {}).get('mean'), 2)}.{ceiling}"
    ]
    best = best_interpolation(mean.baselines)
    named = {**INTERPOLATORS, "untrained": "untrained networks with the same map"}
    words = {True: "better than", False: f"not better by {SMALLEST_GAIN} than", None: "not decided against"}
    twin, tuning, as_good, better = claims
    for claim, name in ((twin, "untrained"), (tuning, "cosine_tuning")):
        name = beside_the_mean(mean.baselines, name)
        said.append(f"They are {words[claim.supported]} {named[name]} (mean R² {number(mean.baselines[name], 2)}, "
                    f"p = {number(claim.p, 2)}).")  # fmt: skip
    rival = f"the best interpolation, {named[best]} (mean R² {number(mean.baselines[best], 2)})"
    if better.supported:
        said.append(f"They are better than {rival}, p = {number(better.p, 2)}: the networks' dynamics tell more of a "
                    "new condition than smooth tuning does.")  # fmt: skip
    elif as_good.supported:
        said.append(f"They are as good as {rival}, within {MARGIN:g}, p = {number(as_good.p, 2)}: they explain no more "
                    "than smooth tuning does, but with dynamics that run by themselves.")  # fmt: skip
    elif as_good.supported is False:
        said.append(f"They fall short of {rival} by more than {MARGIN:g}: smooth tuning explains more than they do.")
    else:
        said.append(f"Whether they are as good as {rival}, within {MARGIN:g}, is not decided.")
    return " ".join(said)
