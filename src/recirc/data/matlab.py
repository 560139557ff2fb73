"""Recordings in MATLAB files, versions 5 to 7.3."""

import warnings
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from recirc.data.averages import averaged_activity
from recirc.data.matlab_tree import matlab_variables
from recirc.data.safe_open import DataFileError, DataWarning, named, reading
from recirc.data.session import Session
from recirc.data.trial_structs import fields_of, is_trial_struct, session_from_trials
from recirc.labelled import is_plausible, uniform_step
from recirc.types import Activity

AVERAGES = {"A", "times"}


def read_matlab(path: str | PathLike, *, max_ratio: float = 200.0) -> Session | Activity:
    """What a lab's MATLAB file holds, if it is in one of two layouts.

    - Averages: a struct array with one element per condition (`Data`, say), with fields `A` (time by unit, spikes/s)
      and `times` (ms). It becomes an activity with conditions "1", "2", ...
    - Single trials: a struct array with one element per trial, with fields `bin_size` (s) and `M1_spikes` (bin by
      unit, counts; any name that ends in `_spikes`, several if there are several areas), and if there are any,
      events `idx_go_cue` (number of a bin, from 1), behavior with one row per bin (`pos`, `vel`, `emg`), and
      single numbers or words (`target_direction`, `result`). It becomes a session; see `session_from_trials`.

    Args:
        path: the file; numbers, text, cells and structs are read, and nothing is executed.
        max_ratio: as for `safe_open`.

    Raises:
        DataFileError: if the file is refused, holds objects, function handles or sparse matrices, none or
            several of its variables have one of the layouts, or their values cannot be what they should be.

    Warns:
        DataWarning: that averages were taken for spikes/s; if fields or constant units were left out.
    """
    path = Path(path)
    variables = matlab_variables(path, max_ratio=max_ratio)
    with reading(path):
        variables = {name: [value] if isinstance(value, dict) else value for name, value in variables.items()}
        found = {name: rows for name, rows in variables.items() if fields_of(rows) >= AVERAGES or is_trial_struct(rows)}
        if len(found) != 1:
            raise DataFileError(f"{path}: {_no_layout(variables, list(found))}")
        ((name, rows),) = found.items()
        where = f"{path}, variable {name}"
        return _averages(rows, where) if fields_of(rows) >= AVERAGES else session_from_trials(rows, where, path)


def _no_layout(variables: dict[str, Any], found: list[str]) -> str:
    if found:
        return f"several variables could be the recording ({', '.join(found)}); save one of them alone."
    have = "; ".join(f"{name} is {_kind(value)}" for name, value in list(variables.items())[:20]) or "none"
    return (
        "no variable has a known layout: expected a struct array with fields A and times (averages by condition), "
        f"or with bin_size and fields that end in _spikes (single trials). Variables: {have}."
    )


def _kind(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"numbers of shape {' x '.join(map(str, value.shape))}"
    if isinstance(value, str):
        return "text"
    if fields_of(value):
        return f"{len(value)} structs with fields {', '.join(list(value[0])[:12])}"
    return f"{len(value)} cells"


def _averages(rows: list[dict], where: str) -> Activity:
    rates, times = _stacked(rows, "A", where), _stacked(rows, "times", where).reshape(len(rows), -1)
    if rates.ndim != 3 or rates.shape[1] != times.shape[1]:
        raise DataFileError(
            f"{where}: A is {' x '.join(map(str, rates.shape[1:]))} and there are {times.shape[1]} times; "
            "expected time by unit."
        )
    if (times != times[0]).any():
        raise DataFileError(f"{where}, field times: differs between conditions; average on one time axis.")
    with named(where):
        dt, start = uniform_step(times[0] / 1000, "field times")
    if not is_plausible(dt):
        raise DataFileError(
            f"{where}, field times: the step is {1000 * dt:g} if it is in ms; give times in milliseconds."
        )
    warnings.warn(f"{where}, field A: taken for spikes/s; the file does not say.", DataWarning, stacklevel=3)
    return averaged_activity(where, rates=rates, conditions=[str(i + 1) for i in range(len(rows))], dt=dt, start=start)


def _stacked(rows: list[dict], field: str, where: str) -> np.ndarray:
    """A field of every element, in one array of floats."""
    values = [row[field] for row in rows]
    for i, value in enumerate(values):
        if not isinstance(value, np.ndarray) or value.dtype.kind not in "biuf":
            raise DataFileError(f"{where}({i + 1}).{field}: expected numbers; save it again.")
        if value.shape != values[0].shape:
            raise DataFileError(
                f"{where}({i + 1}).{field}: {' x '.join(map(str, value.shape))}, the first is "
                f"{' x '.join(map(str, values[0].shape))}; average all conditions on one time axis."
            )
    return np.stack(values).astype(float)
