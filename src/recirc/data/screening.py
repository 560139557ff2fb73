"""Spikes, trials and average rates that cannot be right, and why."""

import difflib
import warnings
from collections import Counter
from collections.abc import Iterable

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from recirc.arguments import check_kind
from recirc.data.safe_open import DataWarning, named
from recirc.data.session import PreparationError, Session
from recirc.labelled import check_behavior, check_samples, is_plausible
from recirc.types import Activity

MILLISECONDS, SAMPLES = (300.0, 3000.0), 3000.0  # how many times later than the trials the last spike is
LOWEST_INSIDE = 0.5  # spikes/s of the median unit from the first trial to the last, if spikes are in seconds
LONGEST_TRIAL, MOST_OVERLAP = 100.0, 0.05  # seconds; share of a trial that may belong to the one before
TO_SECONDS = "convert all times to seconds"
FROM_TRIALS = "add start_time of its trial to every spike time"
REPEATED, OVERLAPS = "repeated", "overlaps the trial before"
COARSE = 5e-4  # seconds; spikes that are counted in such bins repeat their times
_TOLERANCE = 1e-6  # seconds


def bad_spikes(times: Float[np.ndarray, " spike"], *, resolution: float = 0.0) -> dict[str, np.ndarray]:
    """Masks of the spikes of one unit that cannot be right, by reason; only reasons that occur.

    Where the `resolution` of the session is half a millisecond or more, several spikes may share a time.

    Example:
        >>> {why: mask.tolist() for why, mask in bad_spikes(np.array([0.1, 0.3, 0.2, 0.3])).items()}
        {'out of order': [False, False, True, False], 'repeated': [False, False, False, True]}
    """
    times = np.asarray(times, float)
    latest = np.fmax.accumulate(np.concatenate([[-np.inf], times]))[:-1]
    is_finite = np.isfinite(times)
    masks = {
        "not finite": ~is_finite,
        "negative": is_finite & (times < 0),
        "out of order": is_finite & (times >= 0) & (times < latest),
        REPEATED: is_finite & (times >= 0) & (times == latest) & (resolution < COARSE),
    }
    return {reason: mask for reason, mask in masks.items() if mask.any()}


def wrong_clock(session: Session) -> tuple[str, str] | None:
    """Why spike times and trials cannot both be seconds on one clock, and the mend; None if they can."""
    known = [times[np.isfinite(times)] for times in session.spikes]
    known = [times for times in known if len(times)]
    start, stop = (np.asarray(session.trials[name], float) for name in ("start_time", "stop_time"))
    good = np.isfinite(start) & np.isfinite(stop)
    start, stop = start[good], stop[good]
    if not known or not stop.size or stop.max() <= 0:
        return None
    first, last = (float(f(f(times) for times in known)) for f in (min, max))
    begin, end, duration = float(start.min()), float(stop.max()), float(np.median(stop - start))
    ratio = last / end
    inside = [int(((times >= begin) & (times <= end)).sum()) for times in known]
    rate = float(np.median(inside)) / max(end - begin, 1e-9)
    if min(ratio, (last - first) / max(end - begin, 1e-9)) > MILLISECONDS[0] and rate < LOWEST_INSIDE:
        looks = "samples" if ratio > SAMPLES else "milliseconds"
        return f"spike times look like {looks}: the last is {last:g} and the last trial ends at {end:g} s", TO_SECONDS
    if len(stop) > 1 and duration <= LONGEST_TRIAL and last <= 1.05 * (stop - start).max() and end > 2 * last > 0:
        found = f"all spikes lie in the first {last:.3g} s, while trials go on to {end:g} s"
        return f"{found}: they look as if counted from the start of each trial", FROM_TRIALS
    if last > 0 and 1 / ratio > MILLISECONDS[0]:
        return (
            f"trial times look like milliseconds: the last ends at {end:g} and the last spike is at {last:g}",
            TO_SECONDS,
        )
    rates = [len(times) / last for times in known] if last > 0 else [1.0]
    if (slow := float(np.median(rates))) < 0.05 and duration > LONGEST_TRIAL:
        found = f"the median unit would fire {slow:.2g} spikes/s and the median trial last {duration:g} s"
        return f"spikes and trials look like milliseconds: {found}", TO_SECONDS
    if not any(inside):
        found = f"spikes lie from {first:g} to {last:g} s and trials from {begin:g} to {end:g} s"
        return f"{found}: they do not meet", "put spikes and trials on one clock, in seconds"
    return None


def repeated_names(session: Session) -> str:
    """Names that several units share, as in a sentence; empty if there are none."""
    return listed(sorted(name for name, n in Counter(session.units).items() if n > 1))


def bad_trials(session: Session, event: str = "start_time") -> dict[str, Bool[np.ndarray, " trial"]]:
    """Masks of trials that cannot be right, by reason; only reasons that occur. `event` is what they are aligned to."""
    trials = session.trials
    start, stop = (np.asarray(trials[name], float) for name in ("start_time", "stop_time"))
    when = np.asarray(trials[event], float)
    has_bounds = np.isfinite(start) & np.isfinite(stop)
    masks = {
        "no start or stop": ~has_bounds,
        "stop not after start": has_bounds & (stop <= start),
        OVERLAPS: _overlaps(start, stop),
        "repeated id": pd.Index(trial_names(session)).duplicated(),
        f"no {event}": has_bounds & ~np.isfinite(when),
        f"{event} outside the trial": has_bounds & ((when < start - _TOLERANCE) | (when > stop + _TOLERANCE)),
    }
    return {reason: mask for reason, mask in masks.items() if mask.any()}


def _overlaps(start: np.ndarray, stop: np.ndarray) -> np.ndarray:
    """Trials of which more than a small part lies before an earlier one has ended."""
    return overlap(start, stop) > np.maximum(MOST_OVERLAP * (stop - start), _TOLERANCE)


def overlap(start: np.ndarray, stop: np.ndarray) -> np.ndarray:
    """Seconds of every trial that pass before an earlier one (by start time, then by place) has ended; else 0."""
    order = np.argsort(start, kind="stable")
    reached = np.fmax.accumulate(np.concatenate([[-np.inf], np.where(stop > start, stop, -np.inf)[order]]))
    found = np.zeros(len(start))
    found[order] = np.fmax(reached[:-1] - start[order], 0)
    return found


def trial_names(session: Session) -> np.ndarray:
    """Ids of the trials where there are any, otherwise their places from 0."""
    return np.asarray(session.trials.get("id", np.arange(session.n_trials))).astype(str)


def listed(names: Iterable[object], most: int = 8) -> str:
    """Names in a sentence, the first few of many.

    Example:
        >>> listed(["a", "b", "c"], most=2)
        'a, b and 1 more'
    """
    words = [str(name) for name in names]
    more = f" and {len(words) - most:,} more" if len(words) > most else ""
    return ", ".join(words[:most]) + more


def check_column(session: Session, name: str, what: str) -> None:
    """Raise if the trials table has no such column, naming those there are and the nearest name."""
    if name not in session.trials:
        near = difflib.get_close_matches(name, session.trials, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        found = f"{what} is {name!r}, and the trials table has no such column"
        raise PreparationError(found, f"{hint}there are {listed(session.trials, 20)}", session.source)


def check_activity(
    activity: Activity, where: str = "the activity", *, signed: bool = False, keep: bool = False
) -> Activity:
    """A recording in memory, held to what files of averages are held to; without the units that never change.

    `Activity` and `Activity.from_xarray` refuse what repeats, is unequal or uneven, in the words that files get.

    Args:
        activity, where: rates in spikes/s, and what messages call it.
        signed: whether rates may be negative, as those of a model may.
        keep: units that never change, too.

    Raises:
        TypeError: if it is no `Activity`.
        ValueError: with fewer than two conditions or five samples, steps that are not of neural data, rates that are
            negative or not finite, behavior that is not finite, or no change.

    Warns:
        DataWarning: if units were left out.

    Example:
        >>> import recirc
        >>> recirc.data.check_activity(recirc.Activity(np.ones((2, 9, 1)), dt=0.01, conditions=["0", "90"]))
        Traceback (most recent call last):
        ValueError: the activity: no unit ever changes its rate; check how the rates were made.
    """
    wanted = "an Activity: of an array, recirc.Activity(rates, dt=..., conditions=...); of a file, recirc.read(path)"
    check_kind(Activity, wanted, **{where: activity})
    with named(where, ValueError):
        return _held_to(activity, where, signed, keep)


def averaged_activity(where: str, **settings) -> Activity:
    """`Activity(**settings)` from a file, checked as `check_activity` does, whose errors become a DataFileError."""
    with named(where):
        return _held_to(Activity(**settings), where)


def _held_to(activity: Activity, where: str, signed: bool = False, keep: bool = False) -> Activity:
    rates, conditions, units = np.asarray(activity.rates), activity.conditions, activity.units
    check_samples(rates.shape[1], "coordinate time")
    if not is_plausible(activity.dt):
        looks = "milliseconds" if activity.dt > 0.5 else "no step of neural data"
        raise ValueError(f"dt is {activity.dt:g} s, which looks like {looks}; give it in seconds.")
    if len(set(conditions)) < 2:
        found = f"one condition ({conditions[0] if conditions else 'none'})"
        raise ValueError(f"{found}; at least two are needed, since dynamics are compared across conditions.")
    for wrong, what in ((~np.isfinite(rates), "not finite"), ((rates < 0) & (not signed), "negative")):
        for condition, time, unit in np.argwhere(wrong)[:1]:
            first = f"the first of unit {units[unit]} in condition {conditions[condition]} at time index {time}"
            raise ValueError(f"{int(wrong.sum())} rates are {what}, {first}; repair or remove them first.")
    if activity.outputs is not None:
        check_behavior(np.asarray(activity.outputs), "variable outputs")
    if keep:
        return activity
    constant = [name for name, span in zip(units, np.ptp(rates, axis=(0, 1))) if not span > 0]
    if len(constant) == len(units):
        raise ValueError("no unit ever changes its rate; check how the rates were made.")
    if not constant:
        return activity
    said = f"units whose rate never changes: {', '.join(constant)}."
    warnings.warn(f"{where}: left out {said}", DataWarning, stacklevel=4)
    return activity.without_units(constant).replace(notes=(*activity.notes, f"Left out {said}"))
