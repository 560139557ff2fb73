"""From a session to rates by trial and condition: one chain of steps, written down whole."""

import dataclasses
from typing import Any

import numpy as np
from jaxtyping import PRNGKeyArray

from recirc.data import guesses
from recirc.data.keeping import checked_wanted, keep_only
from recirc.data.prepared import Prepared, Selection
from recirc.data.screening import check_column, listed
from recirc.data.session import PreparationError, Session


@dataclasses.dataclass(frozen=True)
class Preprocessing:
    """How a session becomes rates. What is None is guessed from the session, and every guess is said.

    Args:
        align: column of the trials table with the event that becomes time 0.
        window, dt: (start, stop) around the event, s, which a trial must hold whole, and width of the bins, s.
        smoothing: s.d. of the Gaussian, s, which reaches beyond the window where the trial was observed; 0 for none.
        conditions: columns that make a trial's condition, as in `condition_labels`; none for one condition.
        radians: whether a column of angles holds radians, otherwise degrees.
        behavior: series that the network is to produce, "name" or "name:channel"; none for no behavior.
        inputs: series that drove the animal or the circuit, likewise; their averages become covariates of these names,
            with a value per time. A fit settles them (`FitConfig.inputs`).
        rectify: series of behavior whose absolute values are taken, as raw EMG needs; none for no series.
        lag: seconds by which behavior follows its activity.
        minimum_trials: conditions with fewer are left out; averages of one trial have no standard error.
        minimum_reliability: units below are left out (`split_half_reliability`), if there are trials to tell. A fit
            leaves them out by itself, in every direction by what the others say.
        keep, keep_units: which trials and units count, by columns of theirs, as `{"result": "R"}`: a value, several, or
            a comparison such as ">= 3". The others are left out and counted.
        drop_bad: leave out spikes and trials that cannot be right, and count them, instead of refusing them.

    Raises:
        ValueError: if a number is out of range.

    Example:
        >>> Preprocessing(align="go_cue_time", window=(-0.2, 0.5)).smoothing
        0.03
    """

    align: str | None = None
    window: tuple[float, float] | None = None
    dt: float = 0.01
    smoothing: float = 0.03
    conditions: tuple[str, ...] | None = None
    radians: bool | None = None
    behavior: tuple[str, ...] | None = None
    inputs: tuple[str, ...] = ()
    rectify: tuple[str, ...] | None = None
    lag: float = 0.0
    minimum_trials: int = 1
    minimum_reliability: float = 0.1
    keep: dict[str, Any] = dataclasses.field(default_factory=dict)
    keep_units: dict[str, Any] = dataclasses.field(default_factory=dict)
    drop_bad: bool = False

    def __post_init__(self):
        if not (0 < self.dt < 1 and self.smoothing >= 0 and np.isfinite([self.smoothing, self.lag]).all()):
            got = f"{self.dt}, {self.smoothing} and {self.lag}"
            raise ValueError(f"dt must be between 0 and 1 s, smoothing zero or more and lag finite; got {got}.")
        for name in ("keep", "keep_units"):
            object.__setattr__(self, name, checked_wanted(getattr(self, name), name))
        if self.minimum_trials < 1 or not -1 <= self.minimum_reliability <= 1:
            got = f"{self.minimum_trials} and {self.minimum_reliability}"
            raise ValueError(f"minimum_trials must be at least 1 and minimum_reliability between -1 and 1, got {got}.")
        if self.window is not None and not self.window[1] - self.window[0] >= 2 * self.dt:
            raise ValueError(f"the window is {self.window}; it must be (start, stop) in seconds, two bins or longer.")
        if self.window is not None and not np.isclose(self.n_bins * self.dt, np.diff(self.window)[0], rtol=1e-6):
            what = f"the window is {self.window}, which is no whole number of bins of {self.dt:g} s"
            raise ValueError(f"{what}; end it at {self.window[0] + self.n_bins * self.dt:g}, or change dt.")

    @property
    def n_bins(self) -> int:
        """Bins in the window, which must be set."""
        start, stop = self.window or (0.0, 0.0)
        return round((stop - start) / self.dt)

    def series_used(self, session: Session) -> set[str]:
        """Names of the series that behavior and inputs are taken from."""
        wanted = (*(self.behavior or ()), *self.inputs)
        return {name if name in session.series else name.rpartition(":")[0] for name in wanted}

    def resolved(self, session: Session) -> "tuple[Preprocessing, tuple[str, ...]]":
        """The same with nothing left open, and what was guessed, one sentence each; of a session with what is kept."""
        said: list[str | None] = []

        def settle(value, guess, *arguments):
            if value is not None:
                return value
            found, sentence = guess(session, *arguments)
            said.append(sentence)
            return found

        align = settle(self.align, guesses.guess_align)
        check_column(session, align, "the event to align to")
        window = settle(self.window, guesses.guess_window, align, self.dt)
        conditions = settle(self.conditions, guesses.guess_conditions)
        for name in conditions:
            check_column(session, name, "a column of conditions")
        radians = settle(self.radians, guesses.guess_radians, conditions)
        behavior = settle(self.behavior, guesses.guess_behavior)
        said.append(guesses.tell_directions(session, conditions))
        rectify = settle(self.rectify, guesses.guess_rectify, behavior)
        if unknown := [name for name in rectify if name not in session.series]:
            found = f"rectify names {unknown[0]!r}, and there is no such series"
            raise PreparationError(found, f"there are {listed(session.series, 20) or 'none'}", session.source)
        settled = {"align": align, "window": window, "conditions": conditions, "radians": radians}
        chain = dataclasses.replace(self, **settled, behavior=behavior, rectify=rectify)
        return chain, tuple(sentence for sentence in said if sentence)

    def apply(self, session: Session, *, key: PRNGKeyArray) -> Prepared:
        """Rates, behavior and averages of a session, with what was left out.

        Args:
            session, key: as it was stored, and of the random halves that reliability is told by.

        Raises:
            PreparationError: if spikes or trials cannot be right and `drop_bad` is off, times are not in seconds, a
                column or series does not exist, names of units repeat, or no trial or unit is left.
        """
        session, left_out = keep_only(session, self.keep, self.keep_units)
        chain, guessed = self.resolved(session)
        return Selection(session, chain, left_out).prepared(guessed, key=key)
