"""What range a setting may lie in."""

import math


def check_within(interval: str, **values: float | None) -> None:
    """Raise ValueError, naming the first wrong one, unless every value lies in `interval`; NaN never does, None may.

    >>> check_within("(0, 1]", density=0.3, share=1)
    """
    low, high = map(float, interval[1:-1].split(","))
    has_low, has_high = interval[0] == "[", interval[-1] == "]"
    for name, value in values.items():
        if value is None or (low < value < high or (has_low and value == low) or (has_high and value == high)):
            continue
        wanted = f"{'at least' if has_low else 'above'} {low:g}{'' if has_high else ' and finite'}"
        wanted = f"in {interval}" if math.isfinite(high) else wanted
        raise ValueError(f"{name} must be {wanted}, got {value}.")
