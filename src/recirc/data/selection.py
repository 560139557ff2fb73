"""Which spikes, trials and units of a session are used; whatever is left out is counted with its reason."""

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from recirc.data import guesses
from recirc.data.behavior import on_bins
from recirc.data.binned import unit_coverage
from recirc.data.conditions import condition_labels, in_order
from recirc.data.prepared import NOT_OBSERVED, Dropped, nothing_left
from recirc.data.screening import bad_spikes, bad_trials, listed, trial_names, wrong_time_unit
from recirc.data.session import Session

if TYPE_CHECKING:
    from recirc.data.preprocessing import Preprocessing

_TOLERANCE = 1e-6  # seconds


class Selection:
    """The trials that are still in, while they become fewer."""

    def __init__(self, session: Session, chain: "Preprocessing", dropped: list[Dropped]):
        self.session, self.chain, self.dropped = session, chain, dropped
        self.when = np.asarray(session.trials[chain.align or "start_time"], float)
        self.names = trial_names(session)
        self.labels = np.array(condition_labels(session.trials, chain.conditions or (), radians=chain.radians))
        self.now = np.arange(session.n_trials)
        self.window = chain.window or (0.0, 0.0)

    @property
    def starts(self) -> Float[np.ndarray, "trial 3"]:
        """First edge of the window, and the trial's start and stop, of the trials that are in; s."""
        trials = self.session.trials
        columns = (self.when + self.window[0], trials["start_time"], trials["stop_time"])
        return np.stack([np.asarray(column, float)[self.now] for column in columns], axis=1)

    def drop(self, mask: np.ndarray, reason: str) -> None:
        """Leave out those of the remaining trials that the mask marks.

        Raises:
            ValueError: if none remains.
        """
        if mask.any():
            names = tuple(self.names[self.now[mask]].tolist())
            self.dropped.append(Dropped("trials", reason, names, len(names)))
        self.now = self.now[~mask]
        if not self.now.size:
            raise ValueError(f"{self.session.source}: {nothing_left('trials', self.dropped)}")

    def drop_bad_trials(self) -> None:
        found = bad_trials(self.session, self.chain.align or "start_time")
        if found and not self.chain.drop_bad:
            told = "; ".join(f"{reason}: {listed(self.names[mask])}" for reason, mask in found.items())
            raise ValueError(
                f"{self.session.source}: trials that cannot be used ({told}); mend them, or leave them out "
                "with --set preprocessing.drop_bad=true."
            )
        for reason, mask in found.items():
            self.drop(mask[self.now], reason)

    def drop_short(self) -> None:
        """Trials that do not hold the whole window; rates are never filled with zeros."""
        first, start, stop = self.starts.T
        last = first + self.chain.n_bins * self.chain.dt
        self.drop((first < start - _TOLERANCE) | (last > stop + _TOLERANCE), "too short for the window")

    def drop_unlabelled(self) -> None:
        self.drop(self.labels[self.now] == "", f"no {' or '.join(self.chain.conditions or ())}")

    def behavior(self) -> tuple[np.ndarray | None, tuple[str, ...]]:
        """Behavior of all trials of the session, nan for those that are out; trials without it go out."""
        if not self.chain.behavior:
            return None, ()
        parts, names = [], []
        for wanted in self.chain.behavior:
            series, columns = _find_series(self.session, wanted)
            name = wanted if wanted in self.session.series else wanted.rpartition(":")[0]
            made = on_bins(
                series.time, series.values, self.starts[:, 0], self.chain.n_bins, self.chain.dt,
                lag=self.chain.lag, rectify=bool(self.chain.rectify),
            )[:, :, columns]  # fmt: skip
            parts.append(made)
            names += [f"{name}:{series.channels[i]}" for i in columns]
        outputs = np.concatenate(parts, axis=2)
        whole = np.full((self.session.n_trials, *outputs.shape[1:]), np.nan)
        whole[self.now] = outputs
        self.drop(~np.all(np.isfinite(outputs), axis=(1, 2)), "behavior is missing in the window")
        return whole, tuple(names)

    def observed_units(self) -> list[int]:
        """Units that were observed in every trial; trials that most units miss go out first."""
        covered = unit_coverage(self.session, self.starts[:, 0], self.chain.n_bins * self.chain.dt)
        is_missed = np.array([column.mean() < 0.5 for column in covered.T])
        self.drop(is_missed, "most units were not observed in the window")
        covered = unit_coverage(self.session, self.starts[:, 0], self.chain.n_bins * self.chain.dt)
        missing = ~covered.all(axis=1)
        if missing.any():
            names = tuple(np.asarray(self.session.units)[missing].tolist())
            self.dropped.append(Dropped("units", NOT_OBSERVED, names, len(names)))
        if missing.all():
            raise ValueError(f"{self.session.source}: {nothing_left('units', self.dropped)}")
        return np.flatnonzero(~missing).tolist()

    def drop_rare(self) -> None:
        labels, fewest = self.labels[self.now], self.chain.minimum_trials
        rare = [name for name in in_order(labels) if (labels == name).sum() < fewest]
        self.drop(np.isin(labels, rare), f"conditions with fewer than {fewest} trials")

    def events(self) -> dict[str, float]:
        """Median time of every other event from the one aligned to, s, where most trials have it."""
        found = {}
        for name in guesses.event_columns(self.session):
            since = (np.asarray(self.session.trials[name], float) - self.when)[self.now]
            if name != self.chain.align and np.isfinite(since).mean() > 0.5:
                found[name] = float(np.nanmedian(since))
        return found


def check_units(session: Session) -> None:
    """Raise if times are not in seconds or names of units repeat."""
    if problem := wrong_time_unit(session):
        raise ValueError(f"{session.source}: {problem}; convert all times to seconds.")
    twice = sorted({name for name in session.units if session.units.count(name) > 1})
    if twice:
        raise ValueError(f"{session.source}: names of units repeat ({listed(twice)}); make them unique.")


def clean_spikes(session: Session, drop_bad: bool, dropped: list[Dropped]) -> list[np.ndarray]:
    """Spike times of every unit, those that cannot be right refused or left out."""
    found: dict[str, dict[str, int]] = {}
    clean = []
    for name, times in zip(session.units, session.spikes):
        masks = bad_spikes(times, resolution=session.resolution)
        if masks and not drop_bad:
            reason, mask = next(iter(masks.items()))
            first = int(np.flatnonzero(mask)[0])
            raise ValueError(
                f"{session.source}: unit {name} has {int(mask.sum()):,} spike times that are {reason}, the first at "
                f"index {first} ({times[first]:g} s); mend them, or leave them out with --set "
                "preprocessing.drop_bad=true."
            )
        for reason, mask in masks.items():
            found.setdefault(reason, {})[name] = int(mask.sum())
        clean.append(times[~np.any(list(masks.values()), axis=0)] if masks else times)
    for reason, counts in found.items():
        dropped.append(Dropped("spikes", reason, tuple(counts), sum(counts.values())))
    return clean


def _find_series(session: Session, wanted: str):
    """A series and the places of the channels that are meant.

    Raises:
        ValueError: naming the series or channels there are.
    """
    if wanted in session.series:
        series = session.series[wanted]
        return series, list(range(len(series.channels)))
    name, _, channel = wanted.rpartition(":")
    if name not in session.series:
        raise ValueError(
            f"{session.source}: behavior is {wanted!r}, and there is no such series; there are "
            f"{listed(session.series, 20) or 'none'}."
        )
    series = session.series[name]
    if channel not in series.channels:
        raise ValueError(f"{session.source}: {name} has no channel {channel!r}; it has {listed(series.channels)}.")
    return series, [series.channels.index(channel)]
