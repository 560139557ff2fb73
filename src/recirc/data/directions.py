"""Directions of movement, read from condition labels."""

import warnings
from collections.abc import Iterable

import numpy as np
from jaxtyping import Float

from recirc.data.safe_open import DataWarning
from recirc.types import Activity


def condition_angles(labels: Iterable[object]) -> Float[np.ndarray, " label"] | None:
    """Angles in degrees that condition labels are; None if they are words, or count from 0 or 1.

    Example:
        >>> condition_angles(["10", "11", "12"]), condition_angles(["1", "2", "3"])
        (array([10., 11., 12.]), None)
    """
    names = list(labels)
    try:
        angles = np.array([float(str(name)) for name in names])
    except ValueError:
        return None
    counted = np.sort([float(name) for name in set(map(str, names))])
    is_enumeration = len(counted) > 1 and counted[0] in (0, 1) and (np.diff(counted) == 1).all()
    return angles if np.isfinite(angles).all() and not is_enumeration else None


def directions(activity: Activity, *, assume_equal_spacing: bool = False) -> Float[np.ndarray, " trial"]:
    """Direction of every trial, degrees in [0, 360), from its condition label.

    Labels are expected to be angles in degrees, "0", "45", "22.5"; 0, 1, 2, ... or 1, 2, 3, ... are an enumeration.

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
