"""Directions in degrees: one number, one label and one vector for each."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

COMPASS = tuple(45.0 * i for i in range(8))


def wrap_angles(angles) -> tuple[float, ...]:
    """Angles in [0, 360), so that equal directions are equal numbers."""
    return tuple(float(np.round(angle, 9) % 360) for angle in np.atleast_1d(np.asarray(angles, float)))


def check_angles(angles: Sequence[float]) -> None:
    """Raise ValueError if wrapped angles are none, not finite, or repeat a direction."""
    if not angles or not np.isfinite(angles).all():
        raise ValueError(f"angles must be one or more finite numbers of degrees, got {angles}.")
    if len(set(angles)) < len(angles):
        raise ValueError(f"angles repeat a direction (modulo 360): {angles}; list every direction once.")


def halfway_angles(angles: Sequence[float]) -> Float[np.ndarray, " angle"]:
    """Directions halfway between neighboring ones.

    Raises:
        ValueError: if there are fewer than two angles.
    """
    if len(angles) < 2:
        raise ValueError("one angle has no neighbor to lie halfway to; give two or more angles.")
    ascending = np.sort(angles)
    return ascending + np.diff(ascending, append=ascending[0] + 360) / 2


def unit_vectors(angles) -> Float[np.ndarray, "angle 2"]:
    """(cos, sin) of angles in degrees."""
    theta = np.deg2rad(np.asarray(angles, float))
    return np.stack([np.cos(theta), np.sin(theta)], axis=1)


def angle_label(angle: float) -> str:
    """Condition label of a direction: "45", "22.5"."""
    return f"{angle:.9g}"
