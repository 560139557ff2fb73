"""Steps and time constants: numbers of seconds, and a sentence for what is none or must be milliseconds."""

from typing import Any

import numpy as np

LONGEST = {"dt": 0.5, "tau": 5.0}  # s; longer ones are milliseconds taken for seconds


def times(name: str, value: Any) -> np.ndarray:
    """Numbers of seconds; a ValueError that says `name` for what is no number."""
    try:
        return np.asarray(value, float)
    except (TypeError, ValueError):
        raise ValueError(f"{name} is {value!r}; give numbers, of seconds.") from None


def seconds(name: str, value: Any) -> float:
    """One number of seconds, above zero and up to the `LONGEST` of that name; a ValueError for any other."""
    found = np.nan if value is None else times(name, value)
    if np.size(found) != 1 or not 0 < np.ravel(found)[0] <= LONGEST[name]:
        given = f"{name} is {value} s" if value is not None else f"{name} is missing"
        most = f"{LONGEST[name]:g}"
        raise ValueError(f"{given}; give seconds, up to {most} (pycog and PsychRNN mostly have milliseconds).")
    return float(np.ravel(found)[0])
