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
        "repeated": is_finite & (times >= 0) & (times == latest) & (resolution < COARSE),
    }
    return {reason: mask for reason, mask in masks.items() if mask.any()}


def wrong_time_unit(session: Session) -> str | None:
    """A sentence if spike times and trials cannot both be in seconds; None if they can."""
    ends = [times[np.isfinite(times)].max() for times in session.spikes if np.isfinite(times).any()]
    stops = session.trials["stop_time"]
    stops = stops[np.isfinite(stops)]
    if not ends or not stops.size or stops.max() <= 0:
        return None
    last, stop = float(max(ends)), float(stops.max())
    if last / stop > MILLISECONDS[0]:
        looks = "samples" if last / stop > SAMPLES else "milliseconds"
        return f"spike times look like {looks}: the last is {last:g} and the last trial ends at {stop:g} s"
    if stop / max(last, 1e-9) > MILLISECONDS[0] and last > 0:
        return f"trial times look like milliseconds: the last ends at {stop:g} and the last spike is at {last:g}"
    rates = [len(times) / last for times in session.spikes if len(times)]
    durations = stops - session.trials["start_time"][np.isfinite(session.trials["stop_time"])]
    rate, duration = np.median(rates), np.nanmedian(durations)
    if rate < 0.05 and duration > 100:
        found = f"the median unit would fire {rate:.2g} spikes/s and the median trial last {duration:g} s"
        return f"spikes and trials look like milliseconds: {found}"
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
        "overlaps the trial before": _overlaps(start, stop),
        "repeated id": pd.Index(trial_names(session)).duplicated(),
        f"no {event}": has_bounds & ~np.isfinite(when),
        f"{event} outside the trial": has_bounds & ((when < start - _TOLERANCE) | (when > stop + _TOLERANCE)),
    }
    return {reason: mask for reason, mask in masks.items() if mask.any()}


def _overlaps(start: np.ndarray, stop: np.ndarray) -> np.ndarray:
    """Trials that start before an earlier one (by start time, then by place) has ended."""
    order = np.argsort(start, kind="stable")
    reached = np.fmax.accumulate(np.concatenate([[-np.inf], np.where(stop > start, stop, -np.inf)[order]]))
    found = np.zeros(len(start), bool)
    found[order] = start[order] < reached[:-1] - _TOLERANCE
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
