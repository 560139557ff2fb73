"""Sessions from objects of the package pynapple, which need not be installed."""

from typing import Any

import numpy as np

from recirc.data.session import Series, Session

RESERVED = ("start", "end", "rate")


def from_pynapple(units: Any, trials: Any, **series: Any) -> Session:
    """Session from a `TsGroup` of units, an `IntervalSet` of trials, and any number of `Tsd` or `TsdFrame`.

    Metadata of the units become `unit_columns`, those of the trials become columns beside start_time and stop_time,
    and the `time_support` of the units says when they were observed. All times are in seconds, as pynapple has
    them.

    Args:
        units: spike times; keys become unit names.
        trials: one interval per trial.
        **series: behavior, by name; units of measurement are unknown.

    Raises:
        ValueError: if one of these is not what it should be.

    Example:
        >>> from types import SimpleNamespace as Fake
        >>> import numpy as np
        >>> trials = Fake(start=np.array([0.0, 2.0]), end=np.array([1.0, 3.0]))
        >>> from_pynapple({7: Fake(t=np.array([0.1, 2.5]))}, trials).units
        ('7',)
    """
    if not hasattr(units, "keys") or not hasattr(units, "__getitem__"):
        raise ValueError(f"units are a {type(units).__name__}; expected a pynapple TsGroup.")
    if not hasattr(trials, "start") or not hasattr(trials, "end"):
        raise ValueError(f"trials are a {type(trials).__name__}; expected a pynapple IntervalSet.")
    names = list(units.keys())
    spikes = tuple(_times(units[name], f"unit {name}") for name in names)
    support = getattr(units, "time_support", None)
    observed = None if support is None else np.column_stack([support.start, support.end]).astype(float)
    start, stop = (np.atleast_1d(np.asarray(edge, float)) for edge in (trials.start, trials.end))
    return Session(
        spikes=spikes,
        units=tuple(map(str, names)),
        trials={"start_time": start, "stop_time": stop} | _metadata(trials),
        series={name: _series(value, name) for name, value in series.items()},
        observed=None if observed is None else (observed,) * len(names),
        unit_columns=_metadata(units),
        source="pynapple",
    )


def _times(item: Any, where: str) -> np.ndarray:
    if not hasattr(item, "t"):
        raise ValueError(f"{where} is a {type(item).__name__}; expected something of pynapple, with times t.")
    return np.asarray(item.t, float)


def _metadata(item: Any) -> dict[str, np.ndarray]:
    """Columns that were added to a group or a set of intervals."""
    names = [str(name) for name in getattr(item, "metadata_columns", ()) if name not in RESERVED]
    return {name: np.asarray(item.get_info(name)) for name in names}


def _series(item: Any, name: str) -> Series:
    time = _times(item, f"series {name}")
    values = np.asarray(item.values, float).reshape(len(time), -1)
    channels = getattr(item, "columns", range(values.shape[1]))
    return Series(values, tuple(map(str, channels)), "", timestamps=time)
