"""A session made ready: which spikes, trials and units are used, their averages, and what is left out and why."""

import dataclasses
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, PRNGKeyArray

from recirc.data import guesses
from recirc.data.behavior import series_on_bins
from recirc.data.conditions import condition_averages, condition_labels, in_order
from recirc.data.coverage import unrecorded
from recirc.data.keeping import Dropped
from recirc.data.reliability import split_half_reliability
from recirc.data.screening import REPEATED, bad_spikes, bad_trials, listed, repeated_names, trial_names, wrong_clock
from recirc.data.session import PreparationError, Session
from recirc.data.spikes import unit_coverage, unit_rates
from recirc.labelled import TAKEN
from recirc.types import Activity

if TYPE_CHECKING:
    from recirc.data.preprocessing import Preprocessing

NEVER_CHANGES, NOT_OBSERVED = "the rate never changes", "not observed in every trial"
LOST_SPIKES, MOST_LOST = "over 5 % of their spikes were left out", 0.05
FEWEST_TRIALS = 4  # of a condition, to tell reliability by halves of them
MEND = "mend them, or leave them out with --set preprocessing.drop_bad=true"
_TOLERANCE = 1e-6  # seconds


@dataclasses.dataclass(frozen=True, eq=False)
class Prepared:
    """A session aligned, binned, smoothed and averaged, or averages as they were stored.

    Args:
        averages: one trial per condition, in spikes/s, with average behavior as outputs. Of a session it carries
            standard errors, numbers of trials, what the table of trials says of each condition, median times of events
            from the one that trials are aligned to, and as notes what was guessed, left out and found.
        chain: how a session was prepared, nothing left open.
        single_trials: of a session, every trial that was kept.
        guesses, dropped: what was guessed, one sentence each, and what was left out.
        reliability: of every unit, from conditions with four trials or more; nan if there are none.
        aligned_at: time of the event in every trial, s on the session's clock.
        unit_columns: of a session, what is known of the units that are used.

    Example:
        >>> import numpy as np
        >>> rates = np.random.default_rng(0).uniform(0, 20, (8, 50, 9))
        >>> averages = recirc.Activity(rates, dt=0.01, conditions=range(0, 360, 45))
        >>> Prepared(averages, recirc.data.Preprocessing()).averages.n_trials
        8
    """

    averages: Activity
    chain: "Preprocessing"
    single_trials: Activity | None = None
    guesses: tuple[str, ...] = ()
    dropped: tuple[Dropped, ...] = ()
    reliability: Float[np.ndarray, " unit"] | None = None
    aligned_at: Float[np.ndarray, " trial"] | None = None
    unit_columns: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)

    def most_reliable(self, n_units: int) -> list[int]:
        """Places of the most reliable units, or of those that fire most where reliability is not known."""
        known = np.asarray(np.nan if self.reliability is None else self.reliability)
        rates = np.mean(self.averages.rates, axis=(0, 1))
        worth = np.nan_to_num(known, nan=-1.0) if np.isfinite(known).any() else rates
        return np.argsort(-worth, kind="stable")[:n_units].tolist()


class Selection:
    """The trials and units that are still in, while they become fewer."""

    def __init__(self, session: Session, chain: "Preprocessing", dropped: tuple[Dropped, ...] = ()):
        self.session, self.chain = session, chain
        self.dropped = list(dropped)
        self.lost = np.zeros(session.n_units, bool)  # units that lost so many spikes that their rates are wrong
        self.spikes = self._clean_spikes()
        self.when = np.asarray(session.trials[chain.align or "start_time"], float)
        self.labels = np.array(condition_labels(session.trials, chain.conditions or (), radians=chain.radians))
        self.names = {"trials": trial_names(session), "units": np.array(session.units, str)}
        self.left = {what: np.arange(len(names)) for what, names in self.names.items()}
        self.window = chain.window or (0.0, 0.0)

    @property
    def trials(self) -> np.ndarray:
        """Places of the trials that are in."""
        return self.left["trials"]

    @property
    def starts(self) -> Float[np.ndarray, "trial 3"]:
        """First edge of the window, and the trial's start and stop, of the trials that are in; s."""
        bounds = (np.asarray(self.session.trials[name], float) for name in ("start_time", "stop_time"))
        return np.stack([self.when + self.window[0], *bounds], axis=1)[self.trials]

    def drop(self, what: str, mask: np.ndarray, reason: str) -> None:
        """Leave out those of the remaining trials or units that the mask marks; raise if none remains."""
        if mask.any():
            names = tuple(self.names[what][self.left[what][mask]].tolist())
            self.dropped.append(Dropped(what, reason, names, len(names)))
        self.left[what] = self.left[what][~mask]
        if not self.left[what].size:
            told = "; ".join(f"{each.reason} ({each.count:,})" for each in self.dropped if each.what == what)
            mend = "change the window, the event or the conditions"
            raise PreparationError(f"no {what} are left ({told})", mend, self.session.source)

    def drop_trials(self) -> None:
        """Leave out trials that cannot be right, lack a part of the window (never filled with zeros) or a condition."""
        found = bad_trials(self.session, self.chain.align or "start_time")
        if found and not self.chain.drop_bad:
            told = "; ".join(f"{reason}: {listed(self.names['trials'][mask])}" for reason, mask in found.items())
            raise PreparationError(f"trials that cannot be used ({told})", MEND, self.session.source)
        for reason, mask in found.items():
            self.drop("trials", mask[self.trials], reason)
        first, start, stop = self.starts.T
        last = first + self.chain.n_bins * self.chain.dt
        self.drop("trials", (first < start - _TOLERANCE) | (last > stop + _TOLERANCE), "too short for the window")
        self.drop("trials", np.isin(self.labels[self.trials], [""]), f"no {' or '.join(self.chain.conditions or ())}")

    def behavior(self) -> Float[np.ndarray, "trial time output"] | None:
        """Behavior of all trials of the session, nan for those that are out; trials without it go out."""
        if not self.chain.behavior:
            return None
        parts = [self.series(wanted, "behavior", lag=self.chain.lag) for wanted in self.chain.behavior]
        whole = np.concatenate(parts, axis=2)
        self._drop_missing(whole, "behavior")
        return whole

    def inputs(self) -> dict[str, Float[np.ndarray, "trial time input"]]:
        """Time courses of the inputs of all trials of the session, as `behavior`."""
        found = {wanted: self.series(wanted, "inputs") for wanted in self.chain.inputs}
        for wanted, values in found.items():
            if not np.isfinite(values).any():
                raise PreparationError(*self._another_clock(wanted), self.session.source)
            self._drop_missing(values, f"input {wanted}")
        return found

    def _another_clock(self, wanted: str) -> tuple[str, str]:
        """That a series and the trials have no time in common, and what to do."""
        clock = self.session.series[_find_series(self.session, wanted, "inputs")[0]].clock
        spans = [f"{clock.first:.6g} to {clock.last:.6g} s", f"{self.starts[:, 1].min():.6g} to"]
        found = f"inputs {wanted!r} has no value in the window of any trial: it runs from {spans[0]}, trials from"
        mend = "if it is on another clock, mend its times in the file, or choose another series"
        return f"{found} {spans[1]} {self.starts[:, 2].max():.6g} s", mend

    def series(self, wanted: str, what: str, *, lag: float = 0.0) -> Float[np.ndarray, "trial time channel"]:
        """A series in the window of every trial of the session, nan in those that are out."""
        name, columns = _find_series(self.session, wanted, what)
        series, chain = self.session.series[name], self.chain
        rectify, clock = name in (chain.rectify or ()), (self.starts[:, 0], chain.n_bins, chain.dt)
        made = series_on_bins(series, *clock, lag=lag, rectify=rectify)[:, :, columns]
        whole = np.full((self.session.n_trials, *made.shape[1:]), np.nan)
        whole[self.trials] = made
        return whole

    def _drop_missing(self, values: np.ndarray, what: str) -> None:
        lacks = ~np.all(np.isfinite(values[self.trials]), axis=(1, 2))
        self.drop("trials", lacks, f"{what} is missing in the window")

    def drop_unobserved(self) -> None:
        """Leave out trials that most units miss, units that were not observed in every trial, and unrecorded trials."""
        is_missed = np.array([column.mean() < 0.5 for column in self._covered().T])
        self.drop("trials", is_missed, "most units were not observed in the window")
        self.drop("units", ~np.array([row.all() for row in self._covered()]), NOT_OBSERVED)
        self.drop("units", self.lost[self.left["units"]], LOST_SPIKES)
        starts = self.starts[:, 0]
        spikes = [self.spikes[i] for i in self.left["units"].tolist()]
        self.drop("trials", *unrecorded(spikes, starts, starts + self.chain.n_bins * self.chain.dt))

    def _covered(self) -> np.ndarray:
        return unit_coverage(self.session, self.starts[:, 0], self.chain.n_bins * self.chain.dt)

    def drop_rare(self) -> None:
        """Leave out trials of conditions that have too few."""
        labels, fewest = self.labels[self.trials], self.chain.minimum_trials
        rare = [name for name, n in Counter(labels.tolist()).items() if n < fewest]
        self.drop("trials", np.isin(labels, rare), f"conditions with fewer than {fewest} trials")

    def rates(self, key: PRNGKeyArray) -> tuple[Float[np.ndarray, "trial time unit"], Float[np.ndarray, " unit"]]:
        """Rates and reliability of units that change and are as reliable as the chain wants; silent halves are not."""
        units, labels = self.left["units"].tolist(), self.labels[self.trials].tolist()
        spikes, chain = {i: self.spikes[i] for i in units}, self.chain
        rates = unit_rates(self.session, spikes, self.starts, chain.n_bins, chain.dt, chain.smoothing)
        varies = np.ptp(condition_averages(rates, labels).mean, axis=(0, 1)) > 0
        counts = Counter(labels)
        known = np.array([counts[label] >= FEWEST_TRIALS for label in labels])
        reliability = np.full(len(units), np.nan)
        if known.any():
            reliability = split_half_reliability(rates[known], np.array(labels)[known].tolist(), key=key)
        is_poor = varies & known.any() & ~(reliability >= self.chain.minimum_reliability)
        self.drop("units", ~varies, NEVER_CHANGES)
        self.drop("units", is_poor[varies], f"reliability below {self.chain.minimum_reliability:g}")
        good = np.flatnonzero(varies & ~is_poor)
        return rates[:, :, good] if len(good) < len(units) else rates, reliability[good]

    def prepared(self, guessed: tuple[str, ...], *, key: PRNGKeyArray) -> Prepared:
        """All steps, one after the other."""
        self.drop_trials()
        behavior, inputs = self.behavior(), self.inputs()
        self.drop_unobserved()
        self.drop_rare()
        rates, reliability = self.rates(key)
        labels, outputs = self.labels[self.trials].tolist(), None if behavior is None else behavior[self.trials]
        found = condition_averages(rates, labels)
        courses = {name: condition_averages(each[self.trials], labels).mean for name, each in inputs.items()}
        units, dt, start = self.names["units"][self.left["units"]].tolist(), self.chain.dt, self.window[0]
        kept = f"Kept {len(labels):,} trials of {len(found.conditions)} conditions and {len(units)} units."
        averages = Activity(
            found.mean, dt=dt, start=start, units=units, conditions=found.conditions,
            outputs=None if outputs is None else condition_averages(outputs, labels).mean,
            standard_error=found.standard_error, trial_counts=found.n_trials.tolist(),
            covariates=self._covariates() | courses, events=self._events(),
            notes=(*guessed, *(each.sentence for each in self.dropped), kept),
        )  # fmt: skip
        courses = {name: each[self.trials] for name, each in inputs.items()}
        single = Activity(
            rates, dt=dt, start=start, units=units, conditions=labels, outputs=outputs, covariates=courses
        )
        known = {name: column[self.left["units"]] for name, column in self.session.unit_columns.items()}
        told = guessed, tuple(self.dropped), reliability, self.when[self.trials]
        return Prepared(averages, self.chain, single, *told, known)

    def _covariates(self) -> dict[str, np.ndarray]:
        """Columns of the table of trials, and times of events, that are the same in all trials of a condition."""
        labels, found = self.labels[self.trials], {}
        names, first, place = np.unique(labels, return_index=True, return_inverse=True)
        of_condition = first[np.searchsorted(names, in_order(labels))]
        for name in guesses.telling_columns(self.session):
            values = self.session.trials[name][self.trials]
            if name not in TAKEN and values.dtype.kind in "biufU" and (values == values[first[place]]).all():
                found[name] = values[of_condition]
        for name, since in self._since().items():
            if np.isfinite(since).all() and np.abs(since - since[first[place]]).max() <= self.chain.dt < np.ptp(since):
                found[name] = since[of_condition]
        return found

    def _events(self) -> dict[str, float]:
        """Median time of every event from the one aligned to, s, where most trials have it."""
        return {name: float(np.nanmedian(s)) for name, s in self._since().items() if np.isfinite(s).mean() > 0.5}

    def _since(self) -> dict[str, Float[np.ndarray, " trial"]]:
        """Times of events from the one aligned to, s, in the trials that are in."""
        names = guesses.event_columns(self.session)
        return {name: (self.session.trials[name] - self.when)[self.trials] for name in names}

    def _clean_spikes(self) -> list[np.ndarray]:
        """Spike times of every unit, those that cannot be right refused or left out."""
        session = self.session
        if wrong := wrong_clock(session):
            raise PreparationError(*wrong, session.source)
        if twice := repeated_names(session):
            raise PreparationError(f"names of units repeat ({twice})", "make them unique", session.source)
        found: dict[str, dict[str, int]] = {}
        clean = []
        for place, (name, times) in enumerate(zip(session.units, session.spikes)):
            masks = bad_spikes(times, resolution=session.resolution)
            if masks and not self.chain.drop_bad:
                reason, mask = next(iter(masks.items()))
                first = int(np.argmax(mask))
                told = f"{int(mask.sum()):,} spike times that are {reason}, the first at index {first}"
                raise PreparationError(f"unit {name} has {told} ({times[first]:g} s)", MEND, session.source)
            for reason, mask in masks.items():
                found.setdefault(reason, {})[name] = int(mask.sum())
            clean.append(times[~np.any(list(masks.values()), axis=0)] if masks else times)
            n_lost = sum(int(mask.sum()) for reason, mask in masks.items() if reason != REPEATED)
            self.lost[place] = n_lost > MOST_LOST * len(times)
        for reason, counts in found.items():
            self.dropped.append(Dropped("spikes", reason, tuple(counts), sum(counts.values())))
        return clean


def _find_series(session: Session, wanted: str, what: str) -> tuple[str, list[int]]:
    """Name of a series and the places of the channels that are meant."""
    if wanted in session.series:
        return wanted, list(range(len(session.series[wanted].channels)))
    name, _, channel = wanted.rpartition(":")
    if name not in session.series:
        have = f"there are {listed(session.series, 20) or 'none'}"
        raise PreparationError(f"{what} names {wanted!r}, and there is no such series", have, session.source)
    series = session.series[name]
    if channel not in series.channels:
        have = f"it has {listed(series.channels)}"
        raise PreparationError(f"{name} has no channel {channel!r}", have, session.source)
    return name, [series.channels.index(channel)]
