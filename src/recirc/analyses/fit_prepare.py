"""A recording made ready for a fit: a trial per condition, enough of everything, behavior.

What is made ready is again an `Activity`, with what is known of conditions as covariates; angles in degrees.
"""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from recirc.analyses import fit_subsets
from recirc.analyses.fit_config import FitConfig
from recirc.analyses.fit_trials import FOLD, NAME, event_times, go_cue, time_courses
from recirc.compare.covariates import DIRECTION, LABEL, covariates_of
from recirc.data import condition_averages, directions, fewest_units
from recirc.data.findings import FEWEST_CONDITIONS
from recirc.data.screening import listed
from recirc.types import Activity

MOST_CONDITIONS = 512
REACTION, WIDTH = 0.25, 0.1  # seconds from go cue to peak speed, and s.d. of the modeled speed


def prepare(activity: Activity, config: FitConfig) -> Activity:
    """A recording with one trial per condition; repeats of a condition are averaged, directions are in order.

    Where there are no outputs, a hand velocity is modeled of directions, and a constant in other conditions. Where
    nothing is known of conditions but names, a left-out one cannot be predicted: each is split by its trials into
    `n_trial_folds` conditions of one name, of which one fold at a time is left out.

    Raises:
        ValueError: if there are too few or too many conditions, too few units or trials, hints do not fit into the
            network, the go cue is outside of the recording, outputs are zero everywhere, covariates cannot be used, or
            subsets of the units that are asked for cannot be fitted.
    """
    if config.go_cue is not None and not activity.start <= config.go_cue <= activity.time[-1]:
        ends = f"the recording runs from {activity.start:g} to {activity.time[-1]:g} s"
        raise ValueError(f"go_cue is {config.go_cue:g} s, and {ends}; give a time within (--set go_cue=...).")
    if config.assume_equal_spacing and config.covariates is None:
        degrees = directions(activity, assume_equal_spacing=True)
        activity = activity.replace(conditions=[f"{angle:.9g}" for angle in degrees])
    known = covariates_of(activity, config.covariates)
    labels, is_circle = list(activity.conditions), [column[:2] for column in known.columns] == [(DIRECTION, "angle")]
    if is_circle:
        labels = [f"{angle:.9g}" for angle in known.columns[0].values]
    folds = None if known.can_interpolate else trial_folds(labels, config)
    if folds is not None:
        labels = [f"{label}, trials {fold + 1}" for label, fold in zip(labels, folds)]
    _check_size(len(set(labels)), activity.rates.shape[2], config)
    _check_held_out(activity, config)
    rates = condition_averages(np.asarray(activity.rates), labels)
    first = np.array([labels.index(label) for label in rates.conditions])
    if activity.outputs is not None:
        outputs = condition_averages(np.asarray(activity.outputs), labels).mean
    elif is_circle:
        outputs = modeled_velocity(activity.time, np.deg2rad(known.columns[0].values[first]), config)
    else:
        outputs = np.ones((len(first), activity.rates.shape[1], 1))
    if not outputs.any():
        raise ValueError("the recording's outputs are zero everywhere; take them out, or put behavior there.")
    event_times(activity, config)
    time_courses(activity, config)
    is_averaged, chosen = len(first) == activity.n_trials, activity.select(first)
    columns = {column.name: column.values[first] for column in known.columns}
    for name in config.inputs:
        values = activity.covariates[name]
        columns[name] = condition_averages(values.reshape(*values.shape[:2], -1), labels).mean
    if folds is not None:
        columns |= {NAME: np.array(activity.conditions)[first], FOLD: folds[first]}
    ready = chosen.replace(
        rates=rates.mean, outputs=outputs, conditions=rates.conditions,
        covariates={**chosen.covariates, **{name: values for name, values in columns.items() if name != LABEL}},
        standard_error=chosen.standard_error if is_averaged else rates.standard_error,
        trial_counts=chosen.trial_counts if is_averaged else rates.n_trials.tolist(),
    )  # fmt: skip
    fit_subsets.check(ready, config)
    return ready


def trial_folds(labels: Sequence[str], config: FitConfig) -> np.ndarray:
    """A fold for every trial, so that each condition has trials in every fold.

    Raises:
        ValueError: if a condition has too few trials.
    """
    folds, seen = np.empty(len(labels), int), dict.fromkeys(labels, 0)
    for i, label in enumerate(labels):
        folds[i], seen[label] = seen[label] % config.n_trial_folds, seen[label] + 1
    if rare := {label: n for label, n in seen.items() if n < config.n_trial_folds}:
        label, n = next(iter(rare.items()))
        found = f"nothing is known of conditions but names, such as {label!r} with {n} trials"
        mend = (
            f"name covariates (--set covariates=[...]), or give single trials, {config.n_trial_folds} or more of each"
        )
        raise ValueError(f"{found}, so that no left-out one can be predicted; {mend}.")
    return folds


def _check_size(n_conditions: int, n_units: int, config: FitConfig) -> None:
    if n_conditions < FEWEST_CONDITIONS:
        raise ValueError(
            f"{n_conditions} conditions; a fit leaves one out and chooses its regime among the others, which "
            f"needs {FEWEST_CONDITIONS} or more. `recirc compare` scores recordings with any two conditions."
        )
    if n_conditions > MOST_CONDITIONS:
        found = f"{n_conditions:,} conditions, more than the {MOST_CONDITIONS} that networks can be trained on"
        raise ValueError(f"{found}; name fewer columns (preprocessing.conditions), or round their values to levels.")
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
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)[:, None, :] * speed[None, :, None]
