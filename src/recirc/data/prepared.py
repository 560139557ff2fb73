"""A recording made ready: averages by condition, the trials behind them, and what was left out."""

import dataclasses
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Float

from recirc.data.screening import listed
from recirc.types import Activity

if TYPE_CHECKING:
    from recirc.data.preprocessing import Preprocessing

NEVER_CHANGES, NOT_OBSERVED = "the rate never changes", "not observed in every trial"


class Dropped(NamedTuple):
    """How many "trials", "units" or "spikes" (then names are units) were left out, and why."""

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
    """A session aligned, binned, smoothed and averaged, or averages as they were stored.

    Args:
        averages: one trial per condition, in spikes/s, with average behavior as outputs. Of a session it carries
            standard errors, numbers of trials, what the table of trials says of each condition, median times of events
            from the one that trials are aligned to, and as notes what was guessed, left out and found.
        chain: how a session was prepared, nothing left open.
        single_trials: of a session, every trial that was kept.
        guesses: what was guessed, one sentence each.
        dropped: what was left out.
        reliability: of every unit, from conditions with four trials or more; nan if there are none.
        aligned_at: time of the event in every trial, s on the session's clock.
    """

    averages: Activity
    chain: "Preprocessing"
    single_trials: Activity | None = None
    guesses: tuple[str, ...] = ()
    dropped: tuple[Dropped, ...] = ()
    reliability: Float[np.ndarray, " unit"] | None = None
    aligned_at: Float[np.ndarray, " trial"] | None = None

    def most_reliable(self, n_units: int) -> list[int]:
        """Places of the most reliable units, or of those that fire most where reliability is not known."""
        known = np.asarray(np.nan if self.reliability is None else self.reliability)
        rates = np.mean(self.averages.rates, axis=(0, 1))
        worth = np.nan_to_num(known, nan=-1.0) if np.isfinite(known).any() else rates
        return np.argsort(-worth, kind="stable")[:n_units].tolist()
