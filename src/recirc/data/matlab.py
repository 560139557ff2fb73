"""Recordings in MATLAB files, versions 5 to 7.3."""

import math
import warnings
from os import PathLike
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from scipy import sparse

from recirc.data.probe import HARMLESS_BYTES
from recirc.data.safe_open import DataFileError, DataWarning, load_matlab, named, reading, safe_open
from recirc.data.screening import averaged_activity
from recirc.data.session import Session
from recirc.data.tables import attribute_text
from recirc.data.trial_structs import SPIKES, fields_of, is_trial_struct, session_from_trials
from recirc.labelled import is_plausible, uniform_step
from recirc.types import Activity

AVERAGES = {"A", "times"}
NUMBERS = ("double", "single", "logical", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)))
OBJECT, MAX_ITEMS = "MATLAB_object_decode", 400_000


def read_matlab(path: str | PathLike, *, max_ratio: float = 200.0) -> Session | Activity:
    """What a lab's MATLAB file holds, if it is in one of two layouts.

    - Averages, a struct array with one element per condition and fields `A` (time by unit, spikes/s) and `times` (ms),
      become an activity with conditions "1", "2", ...
    - Single trials, a struct array with one element per trial and fields `bin_size` (s), `M1_spikes` (bin by unit,
      counts; any that end in `_spikes`), and perhaps events `idx_go_cue` (number of a bin, from 1), behavior with one
      row per bin (`vel`), and single numbers or words (`result`), become a session; see `session_from_trials`.

    Args:
        path, max_ratio: as for `safe_open`; numbers, text, cells and structs are read, and nothing is executed.

    Raises:
        DataFileError: if the file is refused, has not exactly one variable of one of these layouts, or what is needed
            of it is no plain or sparse numbers, or cannot be what it should be.

    Warns:
        DataWarning: that averages were taken for spikes/s; if variables, fields or constant units were left out, or
            arrays turned, as their lengths tell.

    Example:
        >>> import numpy as np, scipy.io
        >>> fields = [("A", object), ("times", object)]
        >>> conditions = np.array([(np.random.rand(30, 5), np.arange(30.0)) for _ in range(4)], fields)
        >>> scipy.io.savemat("averages.mat", {"Data": conditions})
        >>> with __import__("warnings").catch_warnings(action="ignore"):
        ...     read_matlab("averages.mat").rates.shape
        (4, 30, 5)
    """
    path = Path(path)
    variables = matlab_variables(path, max_ratio=max_ratio)
    with reading(path):
        if unread := [f"{name} ({value})" for name, value in variables.items() if isinstance(value, Unreadable)]:
            warnings.warn(f"{path}: left out {', '.join(unread)}.", DataWarning, stacklevel=2)
        variables = {name: [value] if isinstance(value, dict) else value for name, value in variables.items()}
        found = {name: rows for name, rows in variables.items() if fields_of(rows) >= AVERAGES or is_trial_struct(rows)}
        if not found:
            found = _nested(variables)
            for name in found if len(found) == 1 else ():
                warnings.warn(f"{path}: the recording is read from {name}.", DataWarning, stacklevel=2)
        if len(found) != 1:
            raise DataFileError(f"{path}: {_no_layout(variables, list(found))}")
        ((name, rows),) = found.items()
        where = f"{path}, variable {name}"
        rows = _readable(rows, where)
        return _averages(rows, where) if fields_of(rows) >= AVERAGES else session_from_trials(rows, where, path)


def _nested(variables: dict[str, Any]) -> dict[str, list[dict]]:
    """Fields of single structs that are in a known layout."""
    fields = {
        f"{name}.{field}": rows
        for name, value in variables.items()
        if fields_of(value) and len(value) == 1
        for field, rows in value[0].items()
    }
    return {name: rows for name, rows in fields.items() if fields_of(rows) >= AVERAGES or is_trial_struct(rows)}


class Unreadable(str):
    """What a value is that is not read."""

    __slots__ = ()


def _readable(rows: list[dict], where: str) -> list[dict]:
    """Elements without the fields that hold something unreadable, and with lists of one as what is in them."""
    out: dict[str, str] = {}
    for name in rows[0]:
        for i, row in enumerate(rows):
            while isinstance(row[name], list) and len(row[name]) == 1:
                row[name] = row[name][0]
            if isinstance(row[name], Unreadable) and name not in out:
                out[name] = f"{name}{{{i + 1}}}: holds {row[name]}"
    for name, told in out.items():
        if name in AVERAGES | {"bin_size"} or name.endswith(SPIKES):
            raise DataFileError(f"{where}.{told}; save plain numbers, as with full({name}) or double({name}).")
    if out:
        warnings.warn(f"{where}: left out {'; '.join(out.values())}.", DataWarning, stacklevel=3)
    return [{name: value for name, value in row.items() if name not in out} for row in rows]


def _no_layout(variables: dict[str, Any], found: list[str]) -> str:
    if found:
        return f"several variables could be the recording ({', '.join(found)}); save one of them alone."
    have = "; ".join(f"{name} is {_kind(value)}" for name, value in list(variables.items())[:20]) or "none"
    return (
        "no variable has a known layout: expected a struct array with fields A and times (averages by condition), "
        f"or with bin_size and fields that end in _spikes (single trials). Variables: {have}."
    )


def _kind(value: Any) -> str:
    if isinstance(value, Unreadable):
        return value
    if isinstance(value, np.ndarray):
        return f"numbers of shape {_by(value.shape)}"
    if isinstance(value, str):
        return "text"
    if fields_of(value):
        return f"{len(value)} structs with fields {', '.join(list(value[0])[:12])}"
    return f"{len(value)} cells"


def _averages(rows: list[dict], where: str) -> Activity:
    rates, times = _stacked(rows, "A", where), _stacked(rows, "times", where).reshape(len(rows), -1)
    if rates.ndim == 3 and rates.shape[1] != times.shape[1] == rates.shape[2]:
        rates = rates.transpose(0, 2, 1)
        warnings.warn(f"{where}, field A: stored unit by time, as times tell, and turned.", DataWarning, stacklevel=3)
    if rates.ndim != 3 or rates.shape[1] != times.shape[1]:
        found = f"A is {_by(rates.shape[1:])} and there are {times.shape[1]} times"
        raise DataFileError(f"{where}: {found}; expected time by unit.")
    if (times != times[0]).any():
        raise DataFileError(f"{where}, field times: differs between conditions; average on one time axis.")
    with named(where):
        dt, start = uniform_step(times[0] / 1000, "field times")
    if not is_plausible(dt):
        raise DataFileError(f"{where}, field times: the step is {1000 * dt:g} if in ms; give times in milliseconds.")
    warnings.warn(f"{where}, field A: taken for spikes/s; the file does not say.", DataWarning, stacklevel=3)
    return averaged_activity(where, rates=rates, conditions=[str(i + 1) for i in range(len(rows))], dt=dt, start=start)


def _stacked(rows: list[dict], field: str, where: str) -> np.ndarray:
    """A field of every element, in one array of floats."""
    values = [row[field] for row in rows]
    for i, value in enumerate(values):
        if not isinstance(value, np.ndarray) or value.dtype.kind not in "biuf":
            raise DataFileError(f"{where}({i + 1}).{field}: expected numbers; save it again.")
        if value.shape != values[0].shape:
            found = f"{_by(value.shape)}, the first is {_by(values[0].shape)}"
            raise DataFileError(f"{where}({i + 1}).{field}: {found}; average all conditions on one time axis.")
    return np.stack(values).astype(float)


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def matlab_variables(path: Path, *, max_ratio: float) -> dict[str, Any]:
    """All variables: structs as dicts, struct arrays and cells as lists, text, numbers of two axes or more."""
    if h5py.is_hdf5(path):
        with safe_open(path, max_ratio=max_ratio) as file, reading(path):
            tree = _Hdf5Tree(file, path)
            names = [str(name) for name in file]
            return {name: tree.value(file[name], name) for name in names if not name.startswith("#")}
    variables, arrays = load_matlab(path, max_ratio=max_ratio)
    with reading(path):
        return {name: _plain(node, arrays, f"{path}, variable {name}") for name, node in variables.items()}


def _plain(node: dict[str, Any], arrays: list[np.ndarray], where: str) -> Any:
    """A node of `matlab5.take_apart`, made plain."""
    ((kind, value),) = node.items()
    if kind == "unreadable":
        return Unreadable(value)
    if kind == "array":
        return arrays[value]
    if kind == "text":
        return value
    if kind == "cell":
        return [_plain(item, arrays, f"{where}{{{i + 1}}}") for i, item in enumerate(value)]
    rows = [{name: _plain(item, arrays, f"{where}.{name}") for name, item in row.items()} for row in value]
    return rows[0] if len(rows) == 1 else rows


class _Hdf5Tree:
    """Version 7.3: HDF5 with references for cells and struct arrays; as these may repeat, what unfolds is counted."""

    def __init__(self, file: h5py.File, path: Path):
        self.file, self.path = file, path
        self.n_items = self.n_bytes = 0
        self.allowed = max(HARMLESS_BYTES, 200 * path.stat().st_size)

    def value(self, item: Any, where: str) -> Any:
        """The value of a dataset or group, unfolded."""
        self.n_items += 1
        if self.n_items > MAX_ITEMS or self.n_bytes > self.allowed:
            raise self._refusal(where, "unfolds without end; save it again in MATLAB.")
        about, kind = dict(item.attrs), attribute_text(item, "MATLAB_class")
        if "MATLAB_sparse" in about:
            return self._sparse(item, int(np.ravel(about["MATLAB_sparse"])[0]))
        is_group = isinstance(item, h5py.Group)
        if kind not in (("struct",) if is_group else (*NUMBERS, "char", "cell", "struct")) or OBJECT in about:
            what = f"an object ({kind[:30] or 'no class'})"
            return Unreadable("a function handle" if kind == "function_handle" and not is_group else what)
        if is_group:
            return self._struct(item, where)
        if about.get("MATLAB_empty", 0):
            return {"cell": [], "struct": [], "char": ""}.get(kind, np.empty((0, 0)))
        if kind == "cell":
            return self._cells(item, where)
        if item.dtype.names == ("real", "imag"):
            return Unreadable("complex numbers")
        if kind == "struct" or item.dtype.kind not in "biuf" or (kind == "char" and item.ndim > 2):
            return Unreadable(f"a {kind} of type {item.dtype} and {item.ndim} axes")
        self.n_bytes += item.size * item.dtype.itemsize
        if self.n_bytes > self.allowed:
            return self.value(item, where)
        return _text(item[()].T) if kind == "char" else item[()].T

    def _sparse(self, group: Any, n_rows: int) -> Any:
        """A sparse matrix filled in: values, their rows, and where each column begins."""
        empty = np.zeros(0)
        values, rows, begins = (
            np.asarray(group[name][()]) if name in group else empty for name in ("data", "ir", "jc")
        )
        shape = (n_rows, max(len(begins) - 1, 0))
        self.n_bytes += 8 * math.prod(shape)
        if self.n_bytes > self.allowed or values.dtype.kind not in "biuf":
            return Unreadable(f"a sparse matrix of {shape[0]:,} x {shape[1]:,}")
        return sparse.csc_matrix((values, rows.astype(int), begins.astype(int)), shape=shape).toarray()

    def _cells(self, item: Any, where: str) -> list:
        return [self.value(self.file[target], f"{where}{{{i + 1}}}") for i, target in enumerate(np.ravel(item[()]))]

    def _refusal(self, where: str, why: str) -> DataFileError:
        return DataFileError(f"{self.path}, variable {where}: {why}")

    def _struct(self, group: h5py.Group, where: str) -> Any:
        fields = {name: group[name] for name in map(str, group)}
        is_array = [isinstance(field, h5py.Dataset) and "MATLAB_class" not in field.attrs for field in fields.values()]
        if not fields or not all(is_array):
            return {name: self.value(field, f"{where}.{name}") for name, field in fields.items()}
        columns = {name: self._cells(field, f"{where}.{name}") for name, field in fields.items()}
        if len({len(column) for column in columns.values()}) > 1:
            raise self._refusal(where, "fields of unequal length; save it again in MATLAB.")
        return [dict(zip(columns, row)) for row in zip(*columns.values())]


def _text(codes: np.ndarray) -> str | list[str]:
    """Character codes (row, column) as text, a list where there are several rows."""
    rows = ["".join(map(chr, row)) for row in np.atleast_2d(codes).astype(int).tolist()]
    return rows[0] if len(rows) == 1 else rows
