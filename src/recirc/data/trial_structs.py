"""Single trials in a MATLAB struct array of counts per bin: one element per trial, as sorted labs keep them."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from recirc.data.safe_open import DataFileError, DataWarning
from recirc.data.session import Series, Session
from recirc.labelled import is_plausible

SPIKES, EVENT = "_spikes", "idx_"
GAP, SHORTEST_INTERVAL = 1.0, 1e-4  # seconds
ABOUT = {"monkey": "subject", "subject": "subject", "date": "start", "task": "task"}


def fields_of(rows: Any) -> set[str]:
    """Names of the fields of a struct array; none of anything else."""
    return set(rows[0]) if isinstance(rows, list) and rows and isinstance(rows[0], dict) else set()


def is_trial_struct(rows: Any) -> bool:
    """Whether it is a struct array with a field `*_spikes` and a field `bin_size`."""
    return "bin_size" in fields_of(rows) and any(name.endswith(SPIKES) for name in fields_of(rows))


def session_from_trials(rows: list[dict], where: str, path: Path) -> Session:
    """Session from counts per bin, one trial after the other with a second between them.

    Counts become spike times, spread evenly over their bin (`resolution`), so that counting gives them back. Events
    (`idx_go_cue`, the number of a bin from 1) become times of its start (`go_cue_time`). Fields with one number or word
    per trial become columns; those with one row per bin become series, sampled in the middle of each bin.

    Raises:
        DataFileError: if counts are not whole, are negative or more than one per 0.1 ms; units differ between trials,
            or bins between arrays of a trial; or `bin_size` is not in seconds.

    Warns:
        DataWarning: if fields with another number of rows than there are bins were left out.
    """
    bin_size = _bin_size(rows, where)
    areas = [name for name in rows[0] if name.endswith(SPIKES)]
    if turned := {area: why for area in areas if (why := _why_turned(rows, area))}:
        rows = [row | {area: row[area].T for area in turned} for row in rows]
        told = ", ".join(f"{area} is stored unit by bin, as {why} tells, and turned" for area, why in turned.items())
        warnings.warn(f"{where}: {told}.", DataWarning, stacklevel=3)
    counts = {area: _counts(rows, area, bin_size, f"{where}, field {area}") for area in areas}
    n_bins = np.array([len(trial) for trial in counts[areas[0]]])
    for area in areas[1:]:
        for i in np.flatnonzero([len(trial) for trial in counts[area]] != n_bins)[:1]:
            raise DataFileError(f"{where}({i + 1}): {area} and {areas[0]} have different numbers of bins.")
    starts = np.cumsum([0.0, *(n_bins[:-1] * bin_size + GAP)])
    bins = np.concatenate([start + np.arange(n) * bin_size for start, n in zip(starts, n_bins)])
    spikes, units, places = [], [], []
    for area, trials in counts.items():
        together = np.concatenate(trials)
        spikes += [_spread(bins, column, bin_size) for column in together.T]
        units += _unit_names(rows[0], area, together.shape[1])
        places += [area.removesuffix(SPIKES)] * together.shape[1]
    others = [name for name in rows[0] if name not in areas]
    table = {"start_time": starts, "stop_time": starts + n_bins * bin_size}
    return Session(
        tuple(spikes), tuple(units), trials=table | _columns(rows, others, starts, bin_size),
        series=_all_series(rows, others, n_bins, bins + bin_size / 2, where),
        unit_columns={"location": np.array(places, str)}, resolution=bin_size, source=str(path),
        about={ABOUT[name]: rows[0][name] for name in ABOUT if isinstance(rows[0].get(name), str)},
    )  # fmt: skip


def _bin_size(rows: list[dict], where: str) -> float:
    sizes = {_number(row.get("bin_size")) for row in rows}
    bin_size = sizes.pop()
    if sizes or bin_size is None or not is_plausible(bin_size):
        looks = " (it looks like milliseconds)" if bin_size and 0.5 < bin_size <= 500 else ""
        found = f"{where}, field bin_size: {bin_size}{' and others' if sizes else looks}"
        raise DataFileError(f"{found}; expected one width for all trials, in seconds, from 0.0001 to 0.5.")
    return bin_size


def _why_turned(rows: list[dict], area: str) -> str:
    """The field that fits counts only if they are stored unit by bin; empty if they fit as they are, or neither way."""
    shapes = np.array([np.shape(row[area]) if isinstance(row[area], np.ndarray) else () for row in rows], object)
    if any(len(shape) != 2 for shape in shapes):
        return ""
    shapes = shapes.astype(int)
    against: tuple[list[str], list[str]] = ([], [])  # counts as they are, and turned
    place = area.removesuffix(SPIKES)
    for name in rows[0]:
        values, n_rows = [row[name] for row in rows], []
        numbers = [_number(value) for value in values]
        if name.startswith(EVENT) and None not in numbers:
            when = np.array(numbers, float)[:, None]
            beyond = (when > shapes + 1).sum(axis=0) > 0.5 * np.isfinite(when).sum()
            n_rows = [not each for each in beyond]
        elif name == area:
            n_rows = [len(set(shapes[:, 1 - axis].tolist())) == 1 for axis in (0, 1)]
        elif name == f"{place}_unit_guide":
            n_rows = [bool((shapes[:, 1 - axis] == len(values[0])).all()) for axis in (0, 1)]
        elif name.endswith(SPIKES) or all(isinstance(v, np.ndarray) and v.ndim == 2 and v.size > 1 for v in values):
            n_rows = [all(shape[axis] in np.shape(v) for shape, v in zip(shapes, values)) for axis in (0, 1)]
        if any(n_rows):
            for fits, told in zip(n_rows, against):
                told.extend([] if fits else [name])
    return "" if not against[0] or against[1] else against[0][0]


def _counts(rows: list[dict], area: str, bin_size: float, where: str) -> list[np.ndarray]:
    """Counts (bin, unit) of every trial."""
    empty: np.ndarray = np.empty(0)
    trials = [row[area] if isinstance(row[area], np.ndarray) else empty for row in rows]
    for i, trial in enumerate(trials):
        at = f"{where}, trial {i + 1}"
        if trial.ndim != 2 or trial.dtype.kind not in "biuf" or not len(trial):
            raise DataFileError(f"{at}: expected counts, bin by unit, found {rows[i][area]!r:.40}.")
        if trial.shape[1] != trials[0].shape[1]:
            raise DataFileError(f"{at}: {trial.shape[1]} units, the first trial has {trials[0].shape[1]}.")
        good = (trial >= 0) & (trial <= bin_size / SHORTEST_INTERVAL + 1) & (trial == np.floor(trial))
        for step, unit in np.argwhere(~good)[:1]:
            found = f"{trial[step, unit]:g} is not a number of spikes in a bin"
            mend = "give counts before smoothing or square roots"
            raise DataFileError(f"{at}, bin {step + 1}, unit {unit + 1}: {found}; {mend}.")
    return [trial.astype(int) for trial in trials]


def _spread(bins: np.ndarray, counts: np.ndarray, bin_size: float) -> np.ndarray:
    """Times of one unit's spikes: k spikes of a bin lie at (1/2, 3/2, ...) / k of it."""
    times = np.repeat(bins, counts)
    before = np.repeat(np.cumsum(counts) - counts, counts)
    return times + (np.arange(len(times)) - before + 0.5) / np.repeat(counts, counts) * bin_size


def _unit_names(row: dict, area: str, n_units: int) -> list[str]:
    """Area, electrode and sorted unit, from `M1_unit_guide`; without it area and number."""
    place = area.removesuffix(SPIKES)
    guide = row.get(f"{place}_unit_guide")
    if isinstance(guide, np.ndarray) and guide.shape == (n_units, 2) and guide.dtype.kind in "iuf":
        return [f"{place}_{electrode:g}_{unit:g}" for electrode, unit in guide]
    return [f"{place}_{i + 1}" for i in range(n_units)]


def _number(value: Any) -> float | None:
    """A single number, NaN for an empty array; None for anything else."""
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "biuf" or value.size > 1:
        return None
    return float(value.ravel()[0]) if value.size else np.nan


def _columns(rows: list[dict], names: list[str], starts: np.ndarray, bin_size: float) -> dict[str, np.ndarray]:
    """Fields with one number or word per trial; events in seconds."""
    columns: dict[str, np.ndarray] = {}
    for name in names:
        values = [row[name] for row in rows]
        numbers = [_number(value) for value in values]
        if all(isinstance(value, str) for value in values):
            columns[name] = np.array(values, str)
        elif None not in numbers and name.startswith(EVENT):
            event = name.removeprefix(EVENT).removesuffix("_time") + "_time"
            event = f"trial_{event}" if event in ("start_time", "stop_time") else event
            columns[event] = starts + (np.array(numbers, float) - 1) * bin_size
        elif None not in numbers and name not in ("bin_size", "start_time", "stop_time"):
            columns[name] = np.array(numbers, float)
    return columns


def _all_series(rows: list[dict], names: list[str], n_bins, time, where: str) -> dict[str, Series]:
    """Fields with one row per bin; those that vary in another number of rows are left out."""
    series, left_out = {}, []
    for name in names:
        values = [row[name] for row in rows]
        if not all(isinstance(v, np.ndarray) and v.ndim == 2 and v.dtype.kind in "biuf" for v in values):
            continue
        if [len(v) for v in values] != n_bins.tolist() == [v.shape[1] for v in values]:
            values = [v.T for v in values]  # stored channel by bin
        shapes = {v.shape[1] for v in values}
        if len(shapes) == 1 and [len(v) for v in values] == n_bins.tolist():
            numbers, named = tuple(map(str, range(shapes.pop()))), rows[0].get(f"{name}_names", [])
            is_named = isinstance(named, list) and [type(label) for label in named] == [str] * len(numbers)
            together = np.concatenate(values).astype(float)
            series[name] = Series(together, tuple(named) if is_named else numbers, "", timestamps=time)
        elif len({len(v) for v in values}) > 1 and min(map(len, values)) > 1:
            left_out.append(name)
    if left_out:
        why = "which have other numbers of rows than there are bins; resample them to the bins."
        warnings.warn(f"{where}: left out {', '.join(left_out)}, {why}", DataWarning, stacklevel=4)
    return series
