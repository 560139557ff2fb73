"""Several sessions of one experiment as one population: units side by side, conditions matched by their labels."""

from collections.abc import Mapping

import numpy as np

from recirc.data.directions import condition_angles
from recirc.data.screening import listed
from recirc.types import Activity

ALIKE = 1e-6  # of numbers that are the same in two sessions


def side_by_side(sessions: Mapping[str, Activity]) -> Activity:
    """One activity with the units of all sessions, in the conditions that all have.

    Conditions are the same if their labels are, or their angles or numbers but for rounding; those that a session lacks
    are left out and said. Behavior is averaged over sessions if all have as many outputs, and else left out. Standard
    errors stay; numbers of trials are the fewest of any session.

    Args:
        sessions: name -> averages, one trial per condition, on one clock; units are renamed "name/unit".

    Raises:
        ValueError: if there is no session, clocks differ, a session has repeats, or no two conditions are in all.

    Example:
        >>> a = Activity(np.ones((2, 9, 3)), dt=0.01, conditions=["0", "90"])
        >>> both = side_by_side({"monday": a, "tuesday": a.replace(conditions=["90", "360"])})
        >>> both.units[2:4], both.conditions
        (('monday/2', 'tuesday/0'), ('0', '90'))
    """
    if not sessions:
        raise ValueError("there are no sessions; give one or more, by name.")
    first, *others = sessions.values()
    keys = {name: _keys(name, each) for name, each in sessions.items()}
    for name, each in sessions.items():
        if each.rates.shape[1] != first.rates.shape[1] or not np.allclose(each.time, first.time, atol=first.dt / 10):
            spans = [f"{a.time[0]:g} to {a.time[-1]:g} s in bins of {a.dt:g} s" for a in (first, each)]
            raise ValueError(f"{name} runs from {spans[1]}, and {next(iter(sessions))} from {spans[0]}; "
                             "prepare them with one window and bin width.")  # fmt: skip
    shared = [key for key in next(iter(keys.values())) if all(key in each for each in keys.values())]
    if len(shared) < 2:
        told = "; ".join(f"{name}: {listed(each.conditions, 6)}" for name, each in sessions.items())
        raise ValueError(f"sessions have {len(shared)} conditions in common ({told}); two or more are needed.")
    chosen = {name: each.select([keys[name].index(key) for key in shared]) for name, each in sessions.items()}
    lacking = {name: len(each.conditions) - len(shared) for name, each in sessions.items()}
    notes = [f"{name}: {note}" for name, each in sessions.items() for note in each.notes]
    notes += [
        f"{n} conditions of {name} are left out, which another session lacks." for name, n in lacking.items() if n
    ]
    sides = list(chosen.values())
    errors = [side.standard_error for side in sides if side.standard_error is not None]
    outputs = [side.outputs for side in sides if side.outputs is not None]
    is_common = len(outputs) == len(sides) and len({each.shape for each in outputs}) == 1
    if outputs and not is_common:
        notes.append("Behavior is left out, since sessions have different outputs.")
    counts = [side.trial_counts for side in sides]
    return sides[0].replace(
        rates=np.concatenate([np.asarray(side.rates) for side in sides], axis=2),
        units=[f"{name}/{unit}" for name, side in chosen.items() for unit in side.units],
        standard_error=np.concatenate([np.asarray(e) for e in errors], axis=2) if len(errors) == len(sides) else None,
        outputs=np.mean([np.asarray(each) for each in outputs], axis=0) if is_common else None,
        trial_counts=np.min(counts, axis=0).tolist() if all(counts) else (), covariates=sides[0].covariates,
        events={name: when for name, when in first.events.items() if all(name in each.events for each in others)},
        notes=tuple(notes),
    )  # fmt: skip


def _keys(name: str, activity: Activity) -> list:
    """What says that two conditions are the same."""
    labels = list(activity.conditions)
    if len(set(labels)) < len(labels):
        raise ValueError(f"{name} has several trials of a condition; average them first (data.condition_averages).")
    if (angles := condition_angles(labels)) is not None:
        return np.round(angles % 360 / ALIKE).astype(int).tolist()
    try:
        return [tuple(np.round(np.array(label.split(","), float) / ALIKE).astype(int).tolist()) for label in labels]
    except ValueError:
        return labels
