"""Durations in whole steps."""

from collections.abc import Sequence

import numpy as np


def whole_steps(duration: float, dt: float, name: str, *, least: float = 1) -> int:
    """How many steps of `dt` make up `duration`, both in seconds.

    Args:
        duration, dt, name: seconds, seconds per step, and what the duration is called in an error.
        least: fewest steps allowed: 1, 0, or minus infinity for a moment that may lie before another.

    Raises:
        ValueError: if `dt` is not positive, or `duration` is not a multiple of it by `least` or more.
    """
    if not dt > 0:
        raise ValueError(f"dt must be a positive number of seconds, got {dt}.")
    n_steps = round(duration / dt) if np.isfinite(duration) else None
    if n_steps is None or n_steps < least or abs(duration / dt - n_steps) > 1e-6 * max(1, abs(n_steps)):
        kind = {1.0: "a positive multiple", 0.0: "zero or a positive multiple"}.get(least, "a multiple")
        raise ValueError(f"{name} must be {kind} of dt = {dt} s, got {duration} s.")
    return n_steps


def duration_range(value: float | Sequence[float]) -> tuple[float, float]:
    """(shortest, longest) from one duration or from two.

    Raises:
        ValueError: if there are not one or two.
    """
    ends = np.asarray(value, float).reshape(-1)
    if len(ends) not in (1, 2):
        raise ValueError(f"a drawn duration is one number or a pair (shortest, longest), got {value}.")
    return float(ends[0]), float(ends[-1])


def step_range(ends: tuple[float, float], dt: float, name: str) -> tuple[int, int]:
    """Fewest and most steps of a duration that is drawn from (shortest, longest) seconds.

    Raises:
        ValueError: if they are not in order, or one is not zero or a positive multiple of `dt`.
    """
    shortest, longest = (whole_steps(end, dt, name, least=0) for end in ends)
    if shortest > longest:
        raise ValueError(f"{name} must be a pair (shortest, longest) in that order, got {ends}.")
    return shortest, longest
