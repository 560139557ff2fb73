"""What refits to subsets of the recorded units let one conclude, in words."""

from typing import NamedTuple

import numpy as np
import scipy.stats

from recirc.analyses.table import Row
from recirc.analyses.unit_subsets import NUMBERS, SubsetDependence

SAME, DEPENDS, UNTOLD = (
    "does not depend on which units were recorded",
    "depends on which units were recorded",
    "cannot be told from so few",
)
DRIFT = np.log(1.5)  # of the logarithm of a time constant, that matters
LEAST = np.log(2.0)  # that the interval must exclude for "does not depend"
TURNS = 1 / 3  # of a frequency, that matters
MEMORY = 0.08  # correlation of residuals with the next ones, of either sign, that matters
CONSTRAINED, SMOOTHED = 0.1, 0.15  # share of the directions of weights, below which nothing can be told; if smoothed
LONG = 0.9  # of a trial, from which a mode is as slow as a trial shows
NO_VERDICT = (
    "Non-normality has no verdict: fits to circuits whose weights are normal have about .7 of it with any number of "
    "units, from the noise of their weights."
)
_Z = float(scipy.stats.norm.ppf(0.95))


class SubsetVerdict(NamedTuple):
    """One number's verdict, and the sentences that say why and what follows."""

    number: str
    verdict: str
    why: str
    so: str

    def sentence(self) -> str:
        return f"{self.number} {self.verdict}: {self.why}. {self.so}"


def subset_verdicts(found: SubsetDependence) -> tuple[SubsetVerdict, ...]:
    """The verdicts on the slowest mode and on rotation.

    Args:
        found: what `unit_subsets` gives.

    Example:
        >>> import jax, recirc
        >>> recirc.enable_x64()
        >>> keys = jax.random.split(jax.random.key(0), 3)
        >>> network = recirc.circuits.teacher("random", n_units=20, key=keys[0]).network
        >>> driven = recirc.circuits.noise_trials(20, n_steps=100, n_trials=10, dt=0.01, key=keys[1])
        >>> seen = recirc.simulate(network, driven, key=keys[2])
        >>> found = recirc.analyses.unit_subsets(seen, n_subsets=4, key=keys[2])
        >>> [each.number for each in subset_verdicts(found)]
        ['The slowest time constant of a linear fit', 'Its rotation']
    """
    return _slowest(found), _rotation(found)


def _slowest(found: SubsetDependence) -> SubsetVerdict:
    refits = found.refits["slowest_mode_s"]
    seconds, name = float(np.exp(refits.recorded)), "The slowest time constant of a linear fit"
    low, high = np.exp(np.clip(refits.all_units[1:], np.log(found.step), np.log(found.trial)))
    is_long = seconds >= LONG * found.trial
    said = f"longer than {LONG:g} of a trial ({found.trial:.3g} s)" if is_long else f"{seconds:.3g} s"
    must_not = f"It is {said} with all recorded units, and must not be taken for the circuit's."
    change = refits.drift[0] + refits.horizon[0]
    if found.grows:
        return SubsetVerdict(name, DEPENDS, "the fit grows without end, and what was recorded does not", must_not)
    if found.memory < -MEMORY:
        noise = f"what it leaves unexplained reverses from bin to bin (correlation {found.memory:.2f}), as noise does"
        return SubsetVerdict(name, DEPENDS, f"{noise}, and how much that hides is up to the number of units", must_not)
    if is_long and found.memory > MEMORY:
        kept = f"it outlasts a trial, and what it leaves unexplained persists (correlation {found.memory:.2f})"
        return SubsetVerdict(name, DEPENDS, f"{kept}, so that units which were not recorded may hold it", must_not)
    factor = f"more units and predictions further ahead change it by a factor of {np.exp(change):.2g}"
    if abs(change) > DRIFT and abs(change) > _Z * refits.error:
        return SubsetVerdict(name, DEPENDS, factor, must_not)
    if found.constrained < (SMOOTHED if found.apart > 1 else CONSTRAINED):
        share = f"the recording determines {100 * found.constrained:.0f} % of the directions of weights"
        return SubsetVerdict(name, UNTOLD, share, f"Nothing follows from {said}; more trials would help.")
    within = np.exp(change + _Z * refits.error * np.array([-1, 1]))
    if abs(change) + _Z * refits.error < LEAST:
        so = f"It is {said}; linear extrapolation to a circuit that is recorded whole gives {low:.3g} to {high:.3g} s."
        return SubsetVerdict(name, SAME, factor, so)
    told = f"more units and predictions further ahead change it by a factor of {within[0]:.2g} to {within[1]:.2g}"
    return SubsetVerdict(name, UNTOLD, told, f"Nothing follows from {said}; more units or trials would decide.")


def _rotation(found: SubsetDependence) -> SubsetVerdict:
    refits = found.refits["rotation_hz"]
    hertz, name, change = refits.recorded, "Its rotation", refits.drift[0] + refits.horizon[0]
    if hertz < 0.5 / found.trial:
        few = f"it turns less than half a cycle in a trial ({hertz:.2g} cycles/s), as circuits without rotation do"
        return SubsetVerdict(name, UNTOLD, few, "No rotation may be concluded, nor its absence.")
    told = f"more units and predictions further ahead change {hertz:.2g} cycles/s by {change:+.2g}"
    if abs(change) > TURNS * hertz and abs(change) > _Z * refits.error:
        return SubsetVerdict(name, DEPENDS, told, "It must not be taken for the circuit's.")
    if abs(change) + _Z * refits.error < TURNS * hertz:
        return SubsetVerdict(
            name, SAME, told, f"It is {refits.all_units[0]:.2g} cycles/s for a circuit recorded whole."
        )
    open_ = f"{told}, with a standard error of {refits.error:.2g}"
    return SubsetVerdict(name, UNTOLD, open_, "More units or trials would decide.")


def subset_rows(found: SubsetDependence) -> list[Row]:
    """A row per number and size, and one for a circuit that is recorded whole."""
    rows, where = [], {"set": "unit_subsets"}
    for name, unit in NUMBERS.items():
        refits, back = found.refits[name], np.exp if name == "slowest_mode_s" else np.asarray
        for size, values in zip(refits.sizes, refits.values):
            ends = back(np.quantile(values, [0.025, 0.975])) if len(values) > 1 else (np.nan, np.nan)
            rows.append((name, float(back(values.mean())), ends, len(values), {**where, "n_units": size}, unit))
        whole, *ends = np.clip(back(np.array(refits.all_units)), 0.0, 1.0 if name == "nonnormality" else np.inf)
        rows.append((name, float(whole), ends, len(refits.values[0]), {**where, "n_units": "all"}, unit))
    share = {**where, "n_units": refits.sizes[-1]}  # pyright: ignore[reportPossiblyUnboundVariable]
    rows.append(("constrained_directions", found.constrained, (np.nan, np.nan), 1, share, "1"))
    return [
        Row(name, "mechanism", "linear fit", value, (float(ends[0]), float(ends[1])), n, place, unit, "lower")
        for name, value, ends, n, place, unit in rows
    ]
