"""Durations in whole steps."""


def whole_steps(duration: float, dt: float, name: str) -> int:
    """How many steps of `dt` make up `duration`, both in seconds.

    Raises:
        ValueError: if `dt` is not positive, or `duration` is not a positive multiple of it.
    """
    if not dt > 0:
        raise ValueError(f"dt must be a positive number of seconds, got {dt}.")
    n_steps = round(duration / dt)
    if n_steps < 1 or abs(duration / dt - n_steps) > 1e-6 * n_steps:
        raise ValueError(f"{name} must be a positive multiple of dt = {dt} s, got {duration} s.")
    return n_steps


def check_count(n_trials: int, name: str = "n_trials") -> None:
    """Raise ValueError unless `n_trials` is at least 1."""
    if n_trials < 1:
        raise ValueError(f"{name} must be at least 1, got {n_trials}.")
