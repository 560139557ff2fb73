"""What firing rates by condition are held to, wherever they come from."""

import warnings

import numpy as np

from recirc.data.safe_open import DataWarning, named
from recirc.labelled import check_samples
from recirc.types import Activity


def check_activity(activity: Activity, where: str = "the activity", *, signed: bool = False) -> Activity:
    """A recording in memory, held to what files of averages are held to; without the units that never change.

    Names of units that repeat and unequal shapes are refused by `Activity`, uneven times and wrong axes by
    `Activity.from_xarray`, in the words that files get.

    Args:
        activity: rates in spikes/s.
        where: what messages call it.
        signed: whether rates may be negative, as those of a model may.

    Raises:
        ValueError: if there are fewer than two conditions or five time samples; rates are negative or not finite;
            or no unit ever changes.

    Warns:
        DataWarning: if units were left out.

    Example:
        >>> import recirc
        >>> recirc.data.check_activity(recirc.Activity(np.ones((2, 9, 1)), dt=0.01, conditions=["0", "90"]))
        Traceback (most recent call last):
        ValueError: the activity: no unit ever changes its rate; check how the rates were made.
    """
    with named(where, ValueError):
        return _held_to(activity, where, signed)


def averaged_activity(where: str, **settings) -> Activity:
    """`Activity(**settings)` from a file, checked as `check_activity` does, whose errors become a DataFileError."""
    with named(where):
        return _held_to(Activity(**settings), where)


def _held_to(activity: Activity, where: str, signed: bool = False) -> Activity:
    rates, conditions, units = np.asarray(activity.rates), activity.conditions, activity.units
    check_samples(rates.shape[1], "coordinate time")
    if len(set(conditions)) < 2:
        found = f"one condition ({conditions[0] if conditions else 'none'})"
        raise ValueError(f"{found}; at least two are needed, since dynamics are compared across conditions.")
    for wrong, what in ((~np.isfinite(rates), "not finite"), ((rates < 0) & (not signed), "negative")):
        for condition, time, unit in np.argwhere(wrong)[:1]:
            first = f"the first of unit {units[unit]} in condition {conditions[condition]} at time index {time}"
            raise ValueError(f"{int(wrong.sum())} rates are {what}, {first}; repair or remove them first.")
    constant = [name for name, span in zip(units, np.ptp(rates, axis=(0, 1))) if not span > 0]
    if len(constant) == len(units):
        raise ValueError("no unit ever changes its rate; check how the rates were made.")
    if not constant:
        return activity
    said = f"units whose rate never changes: {', '.join(constant)}."
    warnings.warn(f"{where}: left out {said}", DataWarning, stacklevel=4)
    return activity.without_units(constant).replace(notes=(*activity.notes, f"Left out {said}"))
