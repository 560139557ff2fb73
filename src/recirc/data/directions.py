"""Directions of movement, read from condition labels."""

import warnings
from collections.abc import Iterable

import numpy as np
from jaxtyping import Float

from recirc.data.safe_open import DataWarning
from recirc.types import Activity

SMALLEST_ARC = 45.0  # degrees that three directions or more must span
MIXED = 0.2  # share of different values that may look like radians among degrees


def condition_angles(labels: Iterable[object]) -> Float[np.ndarray, " label"] | None:
    """Angles in degrees that condition labels are; None if they are words, count, or make no circle (`no_circle`).

    Example:
        >>> condition_angles(["10", "100", "190"]), condition_angles(["1", "2", "4"])
        (array([ 10., 100., 190.]), None)
    """
    try:
        angles = np.array([float(str(name)) for name in labels])
    except ValueError:
        return None
    return None if no_circle(angles) else angles


def no_circle(angles: Float[np.ndarray, " label"]) -> str:
    """Why numbers cannot be directions in degrees, as in a sentence; empty if they can.

    Example:
        >>> no_circle(np.array([-3.0, -2.0, 1.0])), no_circle(np.array([-90.0, 0.0, 90.0]))
        ('3 values span 4 degrees', '')
    """
    if not np.isfinite(angles).all():
        return "some are not finite"
    different = np.unique(angles)
    if len(different) < 2:
        return ""
    if is_counting(different):
        return f"they count from {different[0]:g}"
    if max(np.abs(different).max(), np.ptp(different)) > 360 + 1e-6:
        return f"they go from {different[0]:g} to {different[-1]:g}, more than a turn"
    arc = 360 - largest_gap(different)
    if len(different) > 2 and arc < SMALLEST_ARC - 1e-6:
        return f"{len(different)} values span {arc:.3g} degrees"
    size = np.abs(different)
    n_small = int(((size <= 2 * np.pi + 1e-6) & (size != size.round())).sum())
    is_mixed = n_small > max(1, MIXED * len(different)) and size.max() > 2 * np.pi + 1e-6
    return f"{n_small} of {len(different)} look like radians, the others like degrees" if is_mixed else ""


def is_counting(different: Float[np.ndarray, " label"]) -> bool:
    """Whether different numbers, in rising order, just count from 0 or 1."""
    return bool(different[0] in (0, 1) and (np.diff(different) == 1).all())


def largest_gap(angles: Float[np.ndarray, " label"]) -> float:
    """The widest arc without a direction, degrees."""
    around = np.unique(np.asarray(angles, float) % 360)
    return float(np.diff(np.append(around, around[0] + 360)).max())


def directions(activity: Activity, *, assume_equal_spacing: bool = False) -> Float[np.ndarray, " trial"]:
    """Direction of every trial, degrees in [0, 360), from its condition label.

    Labels are expected to be angles in degrees, "0", "45", "22.5"; numbers that count or make no circle are none.

    Args:
        activity: any activity.
        assume_equal_spacing: when labels are not angles, place conditions in the order in which they first appear at
            equal steps around the circle, the first at 0.

    Raises:
        ValueError: if labels are not angles and `assume_equal_spacing` is off.

    Warns:
        DataWarning: if equal spacing had to be assumed; it lists which condition went where.

    Example:
        >>> import numpy as np, recirc
        >>> activity = recirc.Activity(np.ones((2, 3, 1)), dt=0.01, conditions=["22.5", "-90"])
        >>> directions(activity).tolist()
        [22.5, 270.0]
    """
    labels = list(dict.fromkeys(activity.conditions))
    angles = condition_angles(labels)
    if angles is None and not assume_equal_spacing:
        expected = "expected angles in degrees, such as '0', '45', '22.5'. Label the conditions so"
        other = "or pass assume_equal_spacing=True if they lie in order at equal steps around the circle"
        raise ValueError(f"condition labels {labels[:8]} are not directions; {expected}, {other}.")
    if angles is None:
        angles = 360 * np.arange(len(labels)) / len(labels)
        placed = ", ".join(f"{label!r} at {angle:g}" for label, angle in zip(labels, angles))
        warnings.warn(f"equal spacing of directions was assumed: {placed} degrees.", DataWarning, stacklevel=2)
    place = dict(zip(labels, angles))
    return np.array([place[label] for label in activity.conditions]) % 360
