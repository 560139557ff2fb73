"""A session made ready: rates and behavior by trial and condition, and what was left out of them."""

import dataclasses
import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Float, Int, PRNGKeyArray

from recirc.data.conditions import Averages, condition_averages
from recirc.data.reliability import split_half_reliability
from recirc.data.screening import listed
from recirc.types import Activity

if TYPE_CHECKING:
    from recirc.data.preprocessing import Preprocessing

NEVER_CHANGES, NOT_OBSERVED = "the rate never changes", "not observed in every trial"
FEWEST_TRIALS = 4  # of a condition, to tell reliability by halves of them


class Dropped(NamedTuple):
    """What was left out, and why.

    Args:
        what: "trials", "units", or "spikes" (then names are units).
        reason: why.
        names: of the trials or units.
        count: how many trials, units or spikes.
    """

    what: str
    reason: str
    names: tuple[str, ...]
    count: int

    @property
    def sentence(self) -> str:
        of = f" of {len(self.names)} units" if self.what == "spikes" else ""
        return f"Left out {self.count:,} {self.what}{of}, {self.reason}: {listed(self.names)}."


@dataclasses.dataclass(frozen=True, eq=False)
class Prepared:
    """A session aligned, binned and smoothed, and what became of the rest.

    Args:
        chain: how, with nothing left open.
        guesses: what was guessed, one sentence each.
        dropped: what was left out.
        rates: spikes/s.
        outputs: behavior on the same clock; None if there is none.
        output_names: "series:channel".
        labels: condition of every trial.
        units: names.
        reliability: of every unit, from conditions with four trials or more; nan if there are none.
        events: median time of other events, s from the one that trials are aligned to.
        aligned_at: time of the event in every trial, s on the session's clock.
    """

    chain: "Preprocessing"
    guesses: tuple[str, ...]
    dropped: tuple[Dropped, ...]
    rates: Float[np.ndarray, "trial time unit"]
    outputs: Float[np.ndarray, "trial time output"] | None
    output_names: tuple[str, ...]
    labels: tuple[str, ...]
    units: tuple[str, ...]
    reliability: Float[np.ndarray, " unit"]
    events: dict[str, float]
    aligned_at: Float[np.ndarray, " trial"]

    @functools.cached_property
    def rate_averages(self) -> Averages:
        """Rates averaged over the trials of every condition, with standard errors and counts."""
        return condition_averages(self.rates, self.labels)

    @property
    def conditions(self) -> tuple[str, ...]:
        return self.rate_averages.conditions

    @property
    def n_trials(self) -> Int[np.ndarray, " condition"]:
        """Trials of every condition."""
        return self.rate_averages.n_trials

    @property
    def standard_error(self) -> Float[np.ndarray, "condition time unit"]:
        """Of the average rates, spikes/s; nan where a condition has one trial."""
        return self.rate_averages.standard_error

    @property
    def averages(self) -> Activity:
        """One trial per condition: average rates in spikes/s, and average behavior as outputs."""
        outputs = None if self.outputs is None else condition_averages(self.outputs, self.labels).mean
        return self._activity(self.rate_averages.mean, outputs, self.conditions)

    @property
    def single_trials(self) -> Activity:
        """Every trial that was kept."""
        return self._activity(self.rates, self.outputs, self.labels)

    def _activity(self, rates, outputs, conditions) -> Activity:
        start = 0.0 if self.chain.window is None else self.chain.window[0]
        return Activity(rates, outputs=outputs, conditions=conditions, units=self.units, dt=self.chain.dt, start=start)

    @property
    def sentences(self) -> tuple[str, ...]:
        """What was guessed and what was left out."""
        kept = f"Kept {len(self.labels):,} trials of {len(self.conditions)} conditions and {len(self.units)} units."
        return (*self.guesses, *(each.sentence for each in self.dropped), kept)

    def most_reliable(self, n_units: int) -> list[int]:
        """Places of the most reliable units, or of those that fire most where reliability is not known."""
        known = np.isfinite(self.reliability).any()
        worth = np.nan_to_num(self.reliability, nan=-1.0) if known else self.rate_averages.mean.mean(axis=(0, 1))
        return np.argsort(-worth, kind="stable")[:n_units].tolist()

    def without_poor_units(self, key: PRNGKeyArray) -> "Prepared":
        """Without units that never change or are less reliable than the chain wants; reliability filled in.

        A unit that is silent in a half of the trials has shown no reliability, and is left out too.

        Raises:
            ValueError: if no unit is left.
        """
        varies = np.ptp(self.rate_averages.mean, axis=(0, 1)) > 0
        counts = dict(zip(self.conditions, self.n_trials))
        known = np.array([counts[label] >= FEWEST_TRIALS for label in self.labels])
        reliability = np.full(len(self.units), np.nan)
        if known.any():
            labels = np.asarray(self.labels)[known].tolist()
            reliability = split_half_reliability(self.rates[known], labels, key=key)
        is_poor = varies & known.any() & ~(reliability >= self.chain.minimum_reliability)
        dropped = list(self.dropped)
        reason = f"reliability below {self.chain.minimum_reliability:g}"
        for mask, why in ((~varies, NEVER_CHANGES), (is_poor, reason)):
            if mask.any():
                names = tuple(np.asarray(self.units)[mask].tolist())
                dropped.append(Dropped("units", why, names, len(names)))
        good = np.flatnonzero(varies & ~is_poor)
        if not len(good):
            raise ValueError(nothing_left("units", dropped))
        return dataclasses.replace(
            self,
            dropped=tuple(dropped), rates=self.rates[:, :, good] if len(good) < len(varies) else self.rates,
            units=tuple(self.units[i] for i in good), reliability=reliability[good],
        )  # fmt: skip


def nothing_left(what: str, dropped: Sequence[Dropped]) -> str:
    """A sentence for the error when everything was left out."""
    told = "; ".join(f"{each.reason} ({each.count:,})" for each in dropped if each.what == what)
    return f"no {what} are left ({told}); change the window, the event or the conditions."
