"""A recording session as it was stored: spike times, trials, behavior; nothing aligned, binned or judged yet."""

import functools
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np

PART = 2**20  # samples


class PreparationError(ValueError):
    """Why rates cannot be made of a session: what is wrong and how to mend it, without the stop of a sentence."""

    def __init__(self, what: str, mend: str, source: str = ""):
        super().__init__(f"{source}: {what}; {mend}." if source else f"{what}; {mend}.")
        self.what, self.mend = what, mend


@runtime_checkable
class Samples(Protocol):
    """What a series needs of its values: an array, or something in a file that gives arrays for slices."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    def __getitem__(self, index: slice, /) -> np.ndarray: ...


class Clock(NamedTuple):
    """First and last time and sampling interval, s, and whether times rise."""

    first: float
    last: float
    interval: float
    rises: bool


@dataclass(frozen=True, eq=False)
class Series:
    """A signal sampled over the session: position, velocity, EMG.

    Values may stay in the file, so that gigabytes can be read window by window; `values[:]` is all of them.

    Args:
        values: (sample, channel), in `unit`; indexed by slices along samples only.
        channels, unit: one name per channel, and unit of the values, as the file names it ("m", "mm/s", "V").
        rate, start: samples per second, and time of the first one, s; no rate if the samples have timestamps.
        timestamps: (sample,), s, an array or something in a file; None if there is a rate.

    Raises:
        ValueError: if neither or both of rate and timestamps are given, or shapes disagree.

    Example:
        >>> import numpy as np
        >>> speed = Series(np.arange(10.0)[:, None], ("speed",), "m/s", rate=100.0, start=2.0)
        >>> speed.read(2.03, 2.05)[0].round(2).tolist()
        [2.03, 2.04]
    """

    values: Samples
    channels: tuple[str, ...]
    unit: str
    rate: float | None = None
    start: float = 0.0
    timestamps: Samples | None = None

    def __post_init__(self):
        if (self.rate is None) == (self.timestamps is None):
            raise ValueError("a series needs either a rate or timestamps; give one of them.")
        if self.rate is not None and not 0 < self.rate < np.inf:
            raise ValueError(f"the rate is {self.rate}; expected a positive number of samples per second.")
        shape, n_named = tuple(self.values.shape), len(self.channels)
        if len(shape) != 2 or shape[1] != n_named:
            raise ValueError(
                f"values have the shape {shape}, and {n_named} channels are named; expected (sample, channel)."
            )
        if self.timestamps is not None and tuple(self.timestamps.shape) != shape[:1]:
            found = f"there are {tuple(self.timestamps.shape)} timestamps for {shape[0]} samples"
            raise ValueError(f"{found}; give one per sample.")

    @property
    def n_samples(self) -> int:
        return self.values.shape[0]

    @functools.cached_property
    def clock(self) -> Clock:
        """When there are samples; of timestamps a part at a time, the interval being the median of the first part."""
        n = self.n_samples
        if self.rate is not None:
            return Clock(self.start, self.start + (n - 1) / self.rate, 1 / self.rate, n > 1)
        stored: Samples = self.timestamps  # pyright: ignore[reportAssignmentType]
        if n < 2:
            return Clock(np.nan, np.nan, np.nan, False)
        rises, first, last, interval = True, np.nan, -np.inf, np.nan
        for at in range(0, n, PART):
            part = np.asarray(stored[at : at + PART], float)
            rises = rises and bool((np.diff(part, prepend=last) > 0).all())
            first, last = (float(part[0]) if at == 0 else first), float(part[-1])
            interval = float(np.median(np.diff(part))) if at == 0 else interval
        return Clock(first, last, interval, rises)

    @functools.cached_property
    def time(self) -> np.ndarray:
        """Seconds of every sample, `(sample,)`."""
        if self.rate is not None:
            return self.start + np.arange(self.n_samples) / self.rate
        return np.asarray(self.timestamps[:], float)  # pyright: ignore[reportOptionalSubscript]

    def read(self, start: float, stop: float) -> tuple[np.ndarray, np.ndarray]:
        """Times and values of samples with start <= time < stop, s; only these are read. Timestamps have to rise."""
        if self.rate is None:
            first, last = np.searchsorted(self.time, [start, stop]).tolist()
            times = self.time[first:last]
        else:
            edges = np.ceil((np.array([start, stop]) - self.start) * self.rate - 1e-6)
            first, last = np.clip(edges, 0, self.n_samples).astype(int).tolist()
            times = self.start + np.arange(first, last) / self.rate
        return times, np.asarray(self.values[first : max(first, last)], float)


@dataclass(frozen=True, eq=False)
class Session:
    """One recording session on one clock, seconds in 64-bit floats, exactly as the file has it.

    Only shapes are checked, and columns of (row, 1) or with a list of one in every row become plain. Whether spikes are
    sorted, trials overlap or events are missing, `recirc check` finds.

    Args:
        spikes, units: spike times, s, and name of every unit.
        trials: columns of the table of trials, (trial,) or (trial, ...); always start_time and stop_time, s.
            Events are in s; others are numbers, strings, or, where a trial has a list, objects that are arrays.
        series: behavior by name.
        observed: for every unit (interval, 2), s, when it was observed; None if the file does not say.
        unit_columns: what else is known of the units ("heldout", "quality", "location"), (unit,).
        resolution: s, how exactly spike times are known; above 0 where only counts per bin were stored.
        source, about: the file; subject, session, start and the like.

    Raises:
        ValueError: if lengths disagree, or start_time or stop_time is missing.

    Example:
        >>> import numpy as np
        >>> trials = {"start_time": np.array([0.0]), "stop_time": np.array([1.0])}
        >>> Session((np.array([0.1, 0.4]),), ("u0",), trials).units
        ('u0',)
    """

    spikes: tuple[np.ndarray, ...]
    units: tuple[str, ...]
    trials: dict[str, np.ndarray]
    series: dict[str, Series] = field(default_factory=dict)
    observed: tuple[np.ndarray, ...] | None = None
    unit_columns: dict[str, np.ndarray] = field(default_factory=dict)
    resolution: float = 0.0
    source: str = ""
    about: dict[str, str] = field(default_factory=dict)

    def __post_init__(self):
        for name in ("start_time", "stop_time"):
            if name not in self.trials:
                raise ValueError(f"trials have no column {name}; they have {', '.join(self.trials) or 'none'}.")
        n_trials = np.size(self.trials["start_time"])
        trials = {name: plain_column(column, n_trials) for name, column in self.trials.items()}
        trials |= {name: trials[name].astype(float) for name in ("start_time", "stop_time")}
        object.__setattr__(self, "trials", trials)
        columns = {name: plain_column(column, self.n_units) for name, column in self.unit_columns.items()}
        object.__setattr__(self, "unit_columns", columns)
        tables = (self.trials, self.n_trials, "trials"), (self.unit_columns, self.n_units, "units")
        for columns, n_rows, table in tables:
            for name, column in columns.items():
                if len(column) != n_rows:
                    raise ValueError(f"column {name} of the {table} has {len(column)} rows, expected {n_rows}.")
        if any(times.ndim != 1 for times in self.spikes):
            raise ValueError("spike times must have one axis for every unit.")
        if len(self.spikes) != self.n_units:
            raise ValueError(f"{self.n_units} unit names for {len(self.spikes)} units; give one per unit.")
        shapes = [np.shape(spans) for spans in self.observed or ()]
        if self.observed is not None and (len(shapes) != self.n_units or any(shape[1:] != (2,) for shape in shapes)):
            raise ValueError("observed must be one array (interval, 2) per unit.")

    @property
    def n_units(self) -> int:
        return len(self.units)

    @property
    def n_trials(self) -> int:
        return len(self.trials["start_time"])


def plain_column(column: np.ndarray, n_rows: int) -> np.ndarray:
    """A column with one value per row as one axis, however it was stored: (row, 1), (1, row), a list of one per row.

    Example:
        >>> plain_column(np.array([[3], [4]]), 2), plain_column(np.array([[1, 2], [3, 4]]), 2).shape
        (array([3, 4]), (2, 2))
    """
    column = np.asarray(column)
    if column.dtype == object and column.size == n_rows > 0 and all(np.size(value) == 1 for value in column.ravel()):
        values = [np.asarray(value).ravel()[0] for value in column.ravel()]
        made = np.array(values)
        return made if made.dtype.kind in "biufU" and made.shape == (n_rows,) else column
    return column.reshape(n_rows) if column.ndim > 1 and column.size == n_rows else column
