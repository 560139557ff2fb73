"""A recording made ready for networks: a trial per direction, unit folds, behavior, trials on the network's clock.

What is made ready is again an `Activity`; the directions are its covariate "direction", in degrees.
"""

import dataclasses
import math
import re
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float
from scipy.interpolate import CubicSpline

from recirc.analyses.fit_config import FitConfig
from recirc.compare.left_out import left_out_scales
from recirc.data import condition_averages, directions, fewest_units
from recirc.data.findings import FEWEST_DIRECTIONS
from recirc.data.reliability import r2_ceiling
from recirc.data.screening import listed
from recirc.types import Activity, Trials

REACTION, WIDTH = 0.25, 0.1  # seconds from go cue to peak speed, and s.d. of the modeled speed


def prepare(activity: Activity, config: FitConfig) -> Activity:
    """A recording with one trial per direction, in the order of their angles; repeats of a condition are averaged.

    A hand velocity is modeled where there are no outputs.

    Raises:
        ValueError: if there are too few directions or units, hints do not fit into the network, the go cue is
            outside of the recording, outputs are zero everywhere, or condition labels are no angles.
    """
    if config.go_cue is not None and not activity.start <= config.go_cue <= activity.time[-1]:
        ends = f"the recording runs from {activity.start:g} to {activity.time[-1]:g} s"
        raise ValueError(f"go_cue is {config.go_cue:g} s, and {ends}; give a time within (--set go_cue=...).")
    degrees = directions(activity, assume_equal_spacing=config.assume_equal_spacing)
    angles, first = np.unique(degrees, return_index=True)
    _check_size(len(angles), activity.rates.shape[2], config)
    _check_held_out(activity, config)
    labels = [f"{angle:.9g}" for angle in degrees]
    rates = condition_averages(np.asarray(activity.rates), labels)
    if activity.outputs is None:
        outputs = modeled_velocity(activity.time, np.deg2rad(angles), config)
    else:
        outputs = condition_averages(np.asarray(activity.outputs), labels).mean
    if not outputs.any():
        raise ValueError("the recording's outputs are zero everywhere; take them out, or put behavior there.")
    is_averaged = len(angles) == activity.n_trials
    chosen = activity.select(first)
    return chosen.replace(
        rates=rates.mean, outputs=outputs, conditions=rates.conditions, covariates={"direction": angles},
        standard_error=chosen.standard_error if is_averaged else rates.standard_error,
        trial_counts=chosen.trial_counts if is_averaged else rates.n_trials.tolist(),
    )  # fmt: skip


def with_go_cue(config: FitConfig, activity: Activity) -> FitConfig:
    """The configuration with the go cue at the recording's event of that name, if it is open and there is one."""
    if config.go_cue is not None or (name := go_event(activity)) is None:
        return config
    return dataclasses.replace(config, go_cue=round(float(activity.events[name]), 6))


def go_event(activity: Activity) -> str | None:
    """Name of the event that is the go cue, if it lies inside the recording."""
    inside = (name for name, when in activity.events.items() if activity.time[0] < when < activity.time[-1])
    return next((name for name in inside if re.match(r"go(_|cue|$)", name.lower())), None)


def angles_of(activity: Activity) -> Float[np.ndarray, " direction"]:
    """Directions of a recording made ready, radians."""
    return np.deg2rad(activity.covariates["direction"])


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


def judging_scales(activity: Activity, config: FitConfig) -> Float[np.ndarray, "direction unit"]:
    """`left_out_scales`, infinite for units that do not count: not reliable without the direction, or not held out."""
    scales = left_out_scales(np.asarray(activity.rates), config.soft_normalization)
    counts = np.stack([reliable_units(activity, [i], config) for i in range(activity.n_trials)])
    is_judged = np.array([not config.held_out or name in config.held_out for name in activity.units])
    return np.where(counts & is_judged, scales, np.inf)


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


def _check_size(n_directions: int, n_units: int, config: FitConfig) -> None:
    if n_directions < FEWEST_DIRECTIONS:
        raise ValueError(
            f"{n_directions} directions; a fit leaves one out and chooses its regime among the others, which "
            f"needs {FEWEST_DIRECTIONS} or more. `recirc compare` scores recordings with any two conditions."
        )
    if n_units < (needed := fewest_units(config.n_folds, config.recorded_fraction)):
        of = "" if config.recorded_fraction is None else f", with {config.recorded_fraction:g} of the units recorded,"
        raise ValueError(
            f"{n_units} units that change; {config.n_folds} folds{of} need {needed} or more. Give fewer folds (--set "
            "n_folds=2), record a larger share, or score the recording with `recirc compare`."
        )
    n_hints = math.floor(n_units * (1 - 1 / config.n_folds))
    if config.recorded_fraction is not None:
        n_hints = min(n_hints, round(config.recorded_fraction * n_units))
    if n_hints > config.network.n_units:
        raise ValueError(
            f"{n_hints} recorded units cannot drive a network of {config.network.n_units}; enlarge it (--set "
            f"network.n_units={n_hints}), or record fewer (--recorded-fraction {config.network.n_units / n_units:.2f})."
        )


def go_cue(time: np.ndarray, config: FitConfig) -> float:
    """When the go input switches on, seconds on the recording's time axis."""
    if config.go_cue is not None:
        return config.go_cue
    return 0.0 if time[0] < 0 < time[-1] else float(time[0] + 0.2 * (time[-1] - time[0]))


def _check_held_out(activity: Activity, config: FitConfig) -> None:
    if unknown := [name for name in config.held_out if name not in activity.units]:
        have = f"there are {listed(activity.units)}"
        raise ValueError(f"held_out names {listed(unknown)}, and no unit that is used is called so; {have}.")
    n_judged, n_units = len(config.held_out), len(activity.units)
    if config.held_out and not 2 * config.n_folds <= n_judged < n_units:
        found = f"held_out names {n_judged} of {n_units} units"
        raise ValueError(f"{found}; {config.n_folds} folds need {2 * config.n_folds}, and one unit beside them.")


def modeled_velocity(
    time: np.ndarray, angles: np.ndarray, config: FitConfig
) -> Float[np.ndarray, "direction time output"]:
    """A hand velocity toward each direction with a bell-shaped speed, peak 1, after the go cue."""
    go = go_cue(time, config)
    reaction = min(REACTION, max((time[-1] - go) / 2, 0.0))
    width = max(WIDTH * reaction / REACTION, time[1] - time[0])
    speed = np.exp(-0.5 * ((time - go - reaction) / width) ** 2)
    return _headings(angles)[:, None, :] * speed[None, :, None]


def network_clock(time: np.ndarray, config: FitConfig) -> np.ndarray:
    """Times of the network's steps on the recording's time axis, the warm-up included."""
    n_warm_up = round(config.warm_up / config.dt)
    n_steps = math.ceil((time[-1] - time[0]) / config.dt - 1e-6) + 1
    return time[0] + config.dt * np.arange(-n_warm_up, n_steps)


def resample(values, time: np.ndarray, new: np.ndarray, *, axis: int = 1) -> np.ndarray:
    """Values at new times, by cubic splines; before the first and after the last time those are held."""
    return CubicSpline(time, np.asarray(values), axis=axis)(np.clip(new, time[0], time[-1]))


def make_trials(activity: Activity, config: FitConfig, recorded: np.ndarray, trained: np.ndarray) -> Trials:
    """Trials of all directions; hints and outputs are scaled by what they do in the trained directions.

    Inputs are the cosine and sine of the direction, always on, and a go cue that stays on.

    Args:
        activity: a recording made ready.
        config: of the fit.
        recorded: places of the units that are hints.
        trained: places of the directions that are trained.
    """
    clock = network_clock(activity.time, config)
    hints = np.asarray(activity.rates, np.float64)[:, :, recorded]
    mean, spread = (f(hints[trained], axis=(0, 1)) for f in (np.mean, np.std))
    hints = (hints - mean) / np.where(spread > 1e-9, spread, 1.0)
    outputs = np.asarray(activity.outputs) / output_scale(activity, trained)
    go = clock >= go_cue(activity.time, config) - 1e-9
    inputs = np.empty((activity.n_trials, len(clock), 3))
    inputs[:, :, :2], inputs[:, :, 2] = _headings(angles_of(activity))[:, None, :], go
    return Trials(
        inputs, resample(outputs, activity.time, clock), dt=config.dt, conditions=activity.conditions,
        hints=resample(hints, activity.time, clock),
    )  # fmt: skip


def _headings(angles: np.ndarray) -> np.ndarray:
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def output_scale(activity: Activity, trained: np.ndarray) -> float:
    """Largest absolute output in the trained directions."""
    return float(np.abs(np.asarray(activity.outputs)[trained]).max()) or 1.0
