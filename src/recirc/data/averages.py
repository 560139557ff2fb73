"""What every file of firing rates by condition is held to, whatever its format."""

import warnings

import numpy as np

from recirc.data.safe_open import DataFileError, DataWarning
from recirc.types import Activity

FEWEST_SAMPLES = 5


def averaged_activity(
    rates: np.ndarray, *, where: str, conditions: list[str], units: list[str], **settings
) -> Activity:
    """Activity from rates (condition, time, unit) in spikes/s, without the units that never change.

    Args:
        rates: what the file has.
        where: the file, for messages.
        conditions: one label per row of rates; equal labels are repeats.
        units: one name per unit.
        **settings: `dt`, `start` and `outputs` of the activity.

    Raises:
        DataFileError: if names of units repeat; there are fewer than two conditions; rates are negative or not
            finite; or no unit ever changes.

    Warns:
        DataWarning: if units were left out.
    """
    if len(set(units)) < len(units):
        twice = sorted({name for name in units if units.count(name) > 1})
        raise DataFileError(f"{where}: unit names repeat ({', '.join(twice[:5])}); make them unique.")
    _check_rates(rates, conditions, units, where)
    changes = np.ptp(rates, axis=(0, 1)) > 0
    if not changes.any():
        raise DataFileError(f"{where}: no unit ever changes its rate; check how the rates were made.")
    if not changes.all():
        left_out = ", ".join(units[i] for i in np.flatnonzero(~changes))
        warnings.warn(f"{where}: left out units whose rate never changes: {left_out}.", DataWarning, stacklevel=3)
    return Activity(
        rates[:, :, changes], conditions=conditions, units=[units[i] for i in np.flatnonzero(changes)], **settings
    )


def uniform_step(time: np.ndarray, where: str, *, digits: int = 12) -> tuple[float, float]:
    """Step and start, seconds, of a time axis that gives the end of every bin, in seconds.

    Raises:
        DataFileError: if there are fewer than five samples, or the axis does not rise in equal steps.
    """
    if time.size < FEWEST_SAMPLES:
        raise DataFileError(f"{where}: {time.size} time samples; at least {FEWEST_SAMPLES} are needed.")
    dt = float(f"{(time[-1] - time[0]) / (time.size - 1):.{digits}g}")
    wrong = np.flatnonzero(~(np.abs(np.diff(time) - dt) < 1e-3 * abs(dt)))
    if dt <= 0 or wrong.size:
        first = int(wrong[0]) if wrong.size else 0
        raise DataFileError(
            f"{where}: time is not uniform and rising; samples {first} and {first + 1} are at "
            f"{time[first]:g} and {time[first + 1]:g} s, the mean step is {dt:g} s; resample to a uniform axis "
            "first."
        )
    return dt, round(float(time[0]), digits) - dt


def is_plausible(dt: float) -> bool:
    """Whether a step, taken in seconds, is one of neural data."""
    return 1e-4 <= dt <= 0.5


def _check_rates(rates: np.ndarray, conditions: list[str], units: list[str], where: str) -> None:
    if len(set(conditions)) < 2:
        raise DataFileError(
            f"{where}: one condition ({conditions[0] if conditions else 'none'}); at least two are needed, "
            "since dynamics are compared across conditions."
        )
    for wrong, what in ((~np.isfinite(rates), "not finite"), (rates < 0, "negative")):
        if wrong.any():
            condition, time, unit = (int(i) for i in np.argwhere(wrong)[0])
            raise DataFileError(
                f"{where}: {int(wrong.sum())} rates are {what}, the first of unit {units[unit]} in condition "
                f"{conditions[condition]} at time index {time}; repair or remove them first."
            )
