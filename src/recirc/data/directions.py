"""Directions of movement, read from condition labels."""

import warnings

import numpy as np
from jaxtyping import Float

from recirc.data.safe_open import DataWarning
from recirc.types import Activity


def directions(activity: Activity, *, assume_equal_spacing: bool = False) -> Float[np.ndarray, " trial"]:
    """Direction of every trial, degrees in [0, 360), from its condition label.

    Labels are expected to be angles in degrees: "0", "45", "22.5". Labels 0, 1, 2, ... (or 1, 2, 3, ...) are
    taken for an enumeration, not for angles.

    Args:
        activity: any activity.
        assume_equal_spacing: when labels are not angles, place the conditions at equal steps around the
            circle, in the order in which they first appear, the first at 0.

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
    try:
        angles = np.array([float(label) for label in labels])
    except ValueError:
        angles = np.full(len(labels), np.nan)
    counted = np.sort(angles) - np.arange(len(labels))
    is_enumeration = len(labels) > 1 and (counted == counted[0]).all() and counted[0] in (0, 1)
    if not np.isfinite(angles).all() or is_enumeration:
        if not assume_equal_spacing:
            raise ValueError(
                f"condition labels {labels[:8]} are not directions; expected angles in degrees, such as "
                "'0', '45', "
                "'22.5'. Label the conditions so, or pass assume_equal_spacing=True if they lie in order "
                "at equal "
                "steps around the circle."
            )
        angles = 360 * np.arange(len(labels)) / len(labels)
        placed = ", ".join(f"{label!r} at {angle:g}" for label, angle in zip(labels, angles))
        warnings.warn(f"equal spacing of directions was assumed: {placed} degrees.", DataWarning, stacklevel=2)
    place = dict(zip(labels, angles))
    return np.array([place[label] for label in activity.conditions]) % 360
