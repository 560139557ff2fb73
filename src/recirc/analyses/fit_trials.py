"""What a fit makes of a recording made ready: unit folds, scales to judge by, trials on the network's clock."""

import dataclasses
import math
import re
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float
from scipy.interpolate import CubicSpline, make_interp_spline

from recirc.analyses.fit_config import FitConfig
from recirc.compare.left_out import left_out_scales
from recirc.data.reliability import r2_ceiling
from recirc.data.screening import listed
from recirc.types import Activity, Trials

NAME, FOLD = "condition_name", "trial_fold"  # covariates of conditions of which nothing but names is known


def with_go_cue(config: FitConfig, activity: Activity) -> FitConfig:
    """The configuration with the go cue at the recording's event of that name, if it is open and there is one."""
    if config.go_cue is not None or (name := go_event(activity)) is None:
        return config
    return dataclasses.replace(config, go_cue=round(float(activity.events[name]), 6))


def go_event(activity: Activity) -> str | None:
    """Name of the event that is the go cue, if it lies inside the recording."""
    inside = (name for name, when in activity.events.items() if activity.time[0] < when < activity.time[-1])
    return next((name for name in inside if re.match(r"go(_|cue|$)", name.lower())), None)


def event_times(activity: Activity, config: FitConfig) -> Float[np.ndarray, "condition event"]:
    """When the events that are inputs happen in every condition, s on the recording's time axis.

    Raises:
        ValueError: if there is no such event.
    """
    if config.events is None and not config.inputs:
        return np.full((activity.n_trials, 1), go_cue(activity.time, config))
    known = {**activity.events, **activity.covariates}  # a condition's own time before the median of all
    names = [name for name, _ in config.timed_events]
    if missing := [name for name in names if name not in known]:
        have = listed(activity.events) or "none"
        raise ValueError(f"events names {missing[0]!r}, and there is no such event; there are {have}.")
    columns = [np.broadcast_to(np.asarray(known[name], float), activity.n_trials) for name in names]
    return np.stack(columns, axis=1) if columns else np.empty((activity.n_trials, 0))


def time_courses(activity: Activity, config: FitConfig) -> Float[np.ndarray, "condition time input"] | None:
    """The time courses that networks get in the place of steady covariates; None if the configuration names none.

    Raises:
        ValueError: if there is no such covariate, it is no time course on the recording's clock, or not finite.
    """
    if not config.inputs:
        return None
    found, shape = [], activity.rates.shape[:2]
    for name in config.inputs:
        if name not in activity.covariates:
            have = listed([key for key, values in activity.covariates.items() if values.ndim > 1]) or "none"
            raise ValueError(f"inputs names {name!r}, and there is no such time course; there are {have}.")
        values = np.asarray(activity.covariates[name], float)
        if values.shape[:2] != shape or values.ndim > 3:
            has = f"{values.shape[1]} values in time" if values.ndim > 1 else "one value"
            mend = "bring it onto the recording's clock, as (condition, time) or (condition, time, channel)"
            raise ValueError(f"input {name} has {has} in every condition, and rates have {shape[1]}; {mend}.")
        if not np.isfinite(values).all():
            first = activity.conditions[int(np.argwhere(~np.isfinite(values))[0, 0])]
            raise ValueError(f"input {name} has values that are not finite, the first in condition {first}; mend them.")
        found.append(values.reshape(*shape, -1))
    return np.concatenate(found, axis=2)


def unit_folds(activity: Activity, config: FitConfig, *, seed: int) -> tuple[np.ndarray, ...]:
    """Places of the units of every fold: of all units, or of those held out."""
    judged = [i for i, name in enumerate(activity.units) if not config.held_out or name in config.held_out]
    order = np.array(judged, int)[np.random.default_rng(seed).permutation(len(judged))]
    return tuple(np.sort(order[fold :: config.n_folds]) for fold in range(config.n_folds))


def reliable_units(activity: Activity, without: Sequence[int], config: FitConfig) -> Bool[np.ndarray, " unit"]:
    """Units whose averages are signal enough, as the other directions tell; all of them where no trials are known.

    The share of signal is 1 less the squared standard errors over the squared deviations, both over directions and
    times; it is held to `Preprocessing.minimum_reliability`. Directions of one trial have no standard error.

    Args:
        activity: a recording made ready.
        without: places of the directions that must not tell.
        config: of the fit.
    """
    if activity.standard_error is None:
        return np.ones(len(activity.units), bool)
    rates, error = (np.delete(np.asarray(each, np.float64), list(without), axis=0)
                    for each in (activity.rates, activity.standard_error))  # fmt: skip
    known = np.isfinite(error).all(axis=(1, 2))
    if not known.any():
        return np.ones(len(activity.units), bool)
    rates = rates[known] - rates[known].mean(axis=(0, 1))
    noise, power = ((each**2).sum(axis=(0, 1)) for each in (error[known], rates))
    return power - noise >= config.preprocessing.minimum_reliability * power


def judging_scales(
    activity: Activity, config: FitConfig, groups: Sequence[Sequence[int]]
) -> Float[np.ndarray, "condition unit"]:
    """`left_out_scales` of every condition, infinite for units that do not count: not reliable without it, or seen.

    Args:
        activity: a recording made ready.
        config: of the fit.
        groups: places of the conditions that are left out together.
    """
    is_judged = np.array([not config.held_out or name in config.held_out for name in activity.units])
    found = np.empty(activity.rates.shape[::2])
    for group, scale in zip(
        groups, left_out_scales(np.asarray(activity.rates), config.soft_normalization, groups=groups)
    ):
        found[list(group)] = np.where(reliable_units(activity, group, config) & is_judged, scale, np.inf)
    return found


def recorded_units(activity: Activity, fold: int, config: FitConfig, *, seed: int) -> np.ndarray:
    """Places of the units that serve as hints when a fold is judged; equal for all networks of a seed."""
    folds, n_units = unit_folds(activity, config, seed=seed), len(activity.units)
    others = np.setdiff1d(np.arange(n_units), np.concatenate(folds) if config.held_out else folds[fold])
    if config.recorded_fraction is None:
        return others
    n_recorded = min(round(config.recorded_fraction * n_units), len(others))
    return np.sort(np.random.default_rng((seed, fold)).choice(others, n_recorded, replace=False))


def ceilings(activity: Activity, scales: Float[np.ndarray, "direction unit"]) -> list[float | None]:
    """R² that the true rates would reach in every left-out direction; None where trials do not tell."""
    if activity.standard_error is None:
        return [None] * activity.n_trials
    rates, error = (np.asarray(each, np.float64) for each in (activity.rates, activity.standard_error))
    found = [r2_ceiling(*each) for each in zip(rates, error, scales)]
    return [value if np.isfinite(value) else None for value in found]


def judged_alone(config: FitConfig) -> list[str]:
    """Which units are held out, in a sentence, if any are."""
    n, names = len(config.held_out), listed(config.held_out)
    return [f"Judged are {n} units that are never hints: {names}."] if n else []


def go_cue(time: np.ndarray, config: FitConfig) -> float:
    """When the go input switches on, seconds on the recording's time axis."""
    if config.go_cue is not None:
        return config.go_cue
    return 0.0 if time[0] < 0 < time[-1] else float(time[0] + 0.2 * (time[-1] - time[0]))


def network_clock(time: np.ndarray, config: FitConfig) -> np.ndarray:
    """Times of the network's steps on the recording's time axis, the warm-up included."""
    n_warm_up = round(config.warm_up / config.dt)
    n_steps = math.ceil((time[-1] - time[0]) / config.dt - 1e-6) + 1
    return time[0] + config.dt * np.arange(-n_warm_up, n_steps)


def resample(values, time: np.ndarray, new: np.ndarray, *, axis: int = 1) -> np.ndarray:
    """Values at new times, by cubic splines; before the first and after the last time those are held."""
    return CubicSpline(time, np.asarray(values), axis=axis)(np.clip(new, time[0], time[-1]))


def make_trials(
    activity: Activity,
    config: FitConfig,
    recorded: np.ndarray,
    trained: np.ndarray,
    places: Float[np.ndarray, "condition channel"],
    events: Float[np.ndarray, "condition event"],
    courses: Float[np.ndarray, "condition time input"] | None = None,
) -> Trials:
    """Trials of all conditions; hints and outputs are scaled by what they do in the trained ones.

    Inputs are the encoded covariates, always on, or time courses in their place; and a step or a pulse at every event.

    Args:
        activity: a recording made ready.
        config: of the fit.
        recorded: places of the units that are hints.
        trained: places of the conditions that are trained.
        places: encoded covariates.
        events: when they happen, as in `event_times`.
        courses: as `time_courses` finds them.
    """
    clock = network_clock(activity.time, config)
    hints = np.asarray(activity.rates, np.float64)[:, :, recorded]
    mean, spread = (f(hints[trained], axis=(0, 1)) for f in (np.mean, np.std))
    hints = (hints - mean) / np.where(spread > 1e-9, spread, 1.0)
    outputs = np.asarray(activity.outputs) / output_scale(activity, trained)
    since = clock[None, :, None] - events[:, None, :] + 1e-9
    lasting = np.array([duration for _, duration in config.timed_events] or np.inf)
    steps = ((since >= 0) & (since < lasting)).astype(float)
    if courses is None:
        held = np.broadcast_to(places[:, None, :], (activity.n_trials, len(clock), places.shape[1]))
    else:
        largest = np.abs(courses[trained]).max(axis=(0, 1))
        between = make_interp_spline(activity.time, courses / np.where(largest > 0, largest, 1.0), k=1, axis=1)
        held = between(np.clip(clock, *activity.time[[0, -1]]))  # steps stay steps
    return Trials(
        np.concatenate([held, steps], axis=2), resample(outputs, activity.time, clock), dt=config.dt,
        conditions=activity.conditions, hints=resample(hints, activity.time, clock),
    )  # fmt: skip


def output_scale(activity: Activity, trained: np.ndarray) -> float:
    """Largest absolute output in the trained conditions."""
    return float(np.abs(np.asarray(activity.outputs)[trained]).max(initial=0.0)) or 1.0
