"""Sessions from objects of the package pynapple, which need not be installed."""

from typing import Any

import numpy as np

from recirc.data.preprocessing import Preprocessing
from recirc.data.read import prepare_session
from recirc.data.session import Series, Session
from recirc.types import Activity

RESERVED = ("start", "end", "rate")


def from_pynapple(
    units: Any, trials: Any, preprocessing: Preprocessing | None = None, *, seed: int = 0, **series: Any
) -> Activity:
    """Average rates and behavior by condition, as `recirc.read` gives them, from objects of pynapple.

    Metadata of the trials are the columns that conditions and events are found in, and the `time_support` of the
    units says when they were observed. All times are in seconds, as pynapple has them.

    Args:
        units: a `TsGroup` of spike times; keys become unit names.
        trials: an `IntervalSet`, one interval per trial.
        preprocessing: what it leaves open is guessed, and so is all of it by default.
        seed: of the halves of trials that reliability is told by.
        **series: behavior by name, each a `Tsd` or `TsdFrame`; units of measurement are unknown.

    Raises:
        ValueError: if one of these is not what it should be, or something blocks its use; it says what, and the mend.

    Example:
        >>> from types import SimpleNamespace as Fake
        >>> import numpy as np, recirc
        >>> trials = Fake(start=np.array([0.0, 2.0]), end=np.array([1.0, 3.0]))
        >>> recirc.data.from_pynapple({7: Fake(t=np.array([0.1, 2.5]))}, trials).units
        ('7',)
    """
    session = session_from_pynapple(units, trials, **series)
    return prepare_session(session, preprocessing or Preprocessing(), for_fit=False, seed=seed).averages


def session_from_pynapple(units: Any, trials: Any, **series: Any) -> Session:
    """The session that `from_pynapple` averages; metadata of the units become `unit_columns`."""
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
        spikes, tuple(map(str, names)), trials={"start_time": start, "stop_time": stop} | _metadata(trials),
        series={name: _series(value, name) for name, value in series.items()},
        observed=None if observed is None else (observed,) * len(names),
        unit_columns=_metadata(units), source="pynapple",
    )  # fmt: skip


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
    return Series(values, tuple(map(str, getattr(item, "columns", range(values.shape[1])))), "", timestamps=time)
