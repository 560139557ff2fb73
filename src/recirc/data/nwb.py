"""Sessions in NWB files (Neurodata Without Borders 2)."""

import math
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from recirc.data.names import is_called
from recirc.data.safe_open import DataFileError, DataWarning, reading, safe_open
from recirc.data.session import Series, Session, plain_column
from recirc.data.tables import (
    NUMBERS,
    attribute_text,
    needs_plugin,
    one_number,
    read_array,
    read_column,
    read_text,
    split_rows,
)  # fmt: skip

PLACES_OF_SERIES = ("processing", "acquisition", "stimulus/presentation", "analysis")
NO_TRIALS = ("epochs", "invalid_times")  # tables of intervals that are not of trials
ABOUT = {
    "identifier": "identifier", "description": "session_description", "start": "session_start_time",
    "session": "general/session_id", "institution": "general/institution",
    "subject": "general/subject/subject_id", "species": "general/subject/species",
}  # fmt: skip
SPATIAL = ("x", "y", "z")


def read_nwb(path: str | PathLike, *, max_ratio: float = 200.0) -> Session:
    """Session from an NWB 2 file: spikes, trials, and every series of numbers beside them.

    Read from HDF5 itself, as pynwb takes an index of spikes on trust and follows links to other files, are `/units`
    (spike times, observation intervals, and every column with one number or word per unit), `/intervals/trials` (every
    column; lists of unequal length become arrays), the one table of units or trials elsewhere if there is none there,
    and every time series of at most two axes in `/processing`, `/acquisition`, `/stimulus/presentation` and
    `/analysis`, with conversion and offset applied; values stay in the file, which stays open, until they are asked
    for. Series are called by the last part of their path, or by all of it where that is not unique; units by the
    column `unit_name`, otherwise by their id, and located by their electrodes.

    Args:
        path, max_ratio: as for `safe_open`.

    Returns:
        The session as it is in the file; without units or trials if the file has none.

    Raises:
        DataFileError: if `safe_open` refuses the file; it is not NWB 2; the spikes' index falls or leaves the
            data, or assigns some to no unit; spike times or trial times are not numbers; lengths disagree; or several
            tables could be the units or the trials, none of them in its place.

    Warns:
        DataWarning: of tables read elsewhere; of series left out for over two axes, no time, too few or many
            timestamps, more channels than samples, or no numbers; of columns left out for neither numbers nor text.

    Example:
        >>> h5py.File("empty.nwb", "w").attrs["nwb_version"] = "2.7.0"
        >>> read_nwb("empty.nwb").units
        ()
    """
    return session_from_nwb(safe_open(path, max_ratio=max_ratio, spare=True), Path(path))


def session_from_nwb(file: h5py.File, path: Path) -> Session:
    """As `read_nwb`, from the file opened by `safe_open`, which stays open as long as the session is used."""
    with reading(path):
        version, have = attribute_text(file, "nwb_version"), ", ".join(list(file)[:8]) or "nothing"
        if not version.startswith("2"):
            found = f"NWB version {version[:20]!r}" if version else f"HDF5 with {have}"
            raise DataFileError(f"{path}: expected NWB 2, found {found}; convert it to NWB 2.")
        series, left_out = _series(file, path)
        units, spikes, observed, columns = _units(_table(file, "units", _is_units, path), file, path)
        trials = _trials(_table(file, "intervals/trials", _is_trials, path), path, left_out)
        trials |= _invalid(file, trials)
        about = {name: value for name, entry in ABOUT.items() if (value := read_text(file, entry))}
        if not len(trials["start_time"]) and (others := _elsewhere(file, _is_trials)):
            about["intervals"] = ", ".join(others)
        session = Session(spikes, units, trials, series, observed, columns, 0.0, str(path), about)
    if left_out:
        warnings.warn(f"{path}: left out {'; '.join(left_out)}.", DataWarning, stacklevel=3)
    return session


def _table(file: h5py.File, place: str, is_it: Callable[[h5py.Group], bool], path: Path) -> h5py.Group | None:
    """The table in its place, or the one elsewhere if there is but one, with a warning."""
    if isinstance(table := file.get(place), h5py.Group):
        return table
    what, found = place.rpartition("/")[2], _elsewhere(file, is_it)
    found = [entry for entry in found if entry.rpartition("/")[2] not in NO_TRIALS]
    named = [entry for entry in found if is_called(what, entry.rpartition("/")[2])]
    if len(named or found) > 1:
        told = f"several tables could be the {what} ({', '.join(named or found)})"
        raise DataFileError(f"{path}: {told}; move or copy the right one to {place}.")
    for entry in named or found:
        warnings.warn(f"{path}: {what} are read from {entry}, as there is no {place}.", DataWarning, stacklevel=4)
        return file[entry]  # pyright: ignore[reportReturnType]
    return None


def _elsewhere(file: h5py.File, is_it: Callable[[h5py.Group], bool]) -> list[str]:
    """Paths of all groups that are such a table."""
    return [entry for entry, group in _groups(file, list(map(str, file)), lambda group: False) if is_it(group)]


def _is_units(group: h5py.Group) -> bool:
    return {"id", "spike_times", "spike_times_index"} <= set(group)


def _is_trials(group: h5py.Group) -> bool:
    return {"start_time", "stop_time"} <= set(group)


def _units(table: h5py.Group | None, file: h5py.File, path: Path):
    """Names, spike times, observation intervals and the other columns."""
    if table is None:
        return (), (), None, {}
    ids = read_array(table, "id")
    ids = None if ids is None or ids.size not in ids.shape else ids.ravel()
    n_units = 0 if ids is None else len(ids)
    spikes = _rows(table, "spike_times", n_units, path) or tuple(np.empty(0) for _ in range(n_units))
    observed = _rows(table, "obs_intervals", n_units, path, width=2)
    arrays = {name: read_array(table, name) for name in _column_names(table) if f"{name}_index" not in table}
    arrays = {name: plain_column(column, n_units) for name, column in arrays.items() if column is not None}
    columns = {name: column for name, column in arrays.items() if column.ndim == 1}
    given = columns.pop("unit_name", ids)
    if "location" not in columns and (places := _electrode_locations(file, table, n_units)) is not None:
        columns["location"] = places
    names = () if given is None else tuple(str(name) for name in given)
    return names, spikes, observed, columns


def _rows(table: h5py.Group, name: str, n_units: int, path: Path, width: int | None = None):
    """One array of numbers per unit, or None if the table has no such column."""
    if name not in table:
        return None
    where = f"{path}, entry {table.name}/{name}"
    values = read_array(table, name)
    if values is not None and not width:
        values = plain_column(values, values.size if values.size in values.shape else 0)
    if values is None or values.dtype.kind not in NUMBERS or values.shape[1:] != ((width,) if width else ()):
        raise DataFileError(f"{where}: expected numbers, one{' pair' if width else ''} each; write the table again.")
    if f"{name}_index" not in table:
        raise DataFileError(f"{where}: no {name}_index says which unit each belongs to; write the table again.")
    rows = split_rows(table, name, values.astype(float))
    if len(rows) != n_units:
        raise DataFileError(f"{where}_index: {len(rows)} rows for {n_units} unit ids; write the table again.")
    return tuple(rows)


def _column_names(table: h5py.Group, leave_out=("id", "spike_times", "obs_intervals")) -> list[str]:
    """Columns in the order that the table gives, those that it does not list last."""
    listed = () if isinstance(found := table.attrs.get("colnames", []), h5py.Empty) else np.ravel(found)
    names = dict.fromkeys([*map(str, listed), *map(str, table)])
    return [name for name in names if name in table and name not in leave_out and not name.endswith("_index")]


def _electrode_locations(file: h5py.File, table: h5py.Group, n_units: int) -> np.ndarray | None:
    """Where the first electrode of every unit lies."""
    places = file.get("general/extracellular_ephys/electrodes")
    if not isinstance(places, h5py.Group) or "electrodes" not in table:
        return None
    rows, locations = read_column(table, "electrodes"), read_array(places, "location")
    if rows is None or locations is None or len(rows) != n_units:
        return None
    first = [int(np.ravel(row)[0]) if np.size(row) else -1 for row in rows]
    return np.array([str(locations[i]) if 0 <= i < len(locations) else "" for i in first], str)


def _trials(table: h5py.Group | None, path: Path, left_out: list[str]) -> dict[str, np.ndarray]:
    """Columns of the table of trials, empty if there is none; what cannot be used is added to what is left out."""
    if table is None:
        return {"start_time": np.empty(0), "stop_time": np.empty(0)}
    found = {name: read_column(table, name) for name in _column_names(table, leave_out=())}
    columns = {name: column for name, column in found.items() if column is not None}
    left_out += [f"{table.name}/{name} (neither numbers nor text)" for name in found if name not in columns]
    n_rows = columns["start_time"].size if "start_time" in columns else 0
    columns = {name: plain_column(column, n_rows) for name, column in columns.items()}
    where = f"{path}, entry {table.name}"
    for name in ("start_time", "stop_time"):
        if name not in columns or columns[name].ndim != 1 or columns[name].dtype.kind not in NUMBERS:
            have = ", ".join(columns) or "none"
            raise DataFileError(f"{where}: no column {name} of numbers; the table has {have}; add it.")
    n_trials = len(columns["start_time"])
    for name, column in columns.items():
        if column.ndim == 0 or len(column) != n_trials:
            n_rows = len(column) if column.ndim else "no"
            raise DataFileError(f"{where}/{name}: {n_rows} rows, but there are {n_trials} trials; write it again.")
    return {name: column.astype(float) if column.dtype.kind == "f" else column for name, column in columns.items()}


def _invalid(file: h5py.File, trials: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Whether trials overlap one of `/intervals/invalid_times`, where there are such."""
    table = file.get("intervals/invalid_times")
    if not isinstance(table, h5py.Group) or not _is_trials(table) or "invalid" in trials:
        return {}
    start, stop = (np.ravel(table[name][()]) for name in ("start_time", "stop_time"))  # pyright: ignore
    begin, end = (np.ravel(trials[name])[:, None] for name in ("start_time", "stop_time"))
    return {"invalid": ((begin < stop) & (end > start)).any(axis=1)}


def _series(file: h5py.File, path: Path) -> tuple[dict[str, Series], list[str]]:
    """All series by name, and what was left out and why."""
    by_path, left_out = {}, []
    for entry, group in _groups_with_data(file):
        try:
            by_path[entry] = _one_series(group, path)
        except ValueError as error:
            left_out.append(f"{entry} ({str(error).rstrip('.')})")
    last = [entry.rpartition("/")[2] for entry in by_path]
    names = [short if last.count(short) == 1 else entry for short, entry in zip(last, by_path)]
    return dict(zip(names, by_path.values())), left_out


def _groups_with_data(file: h5py.File) -> Iterator[tuple[str, h5py.Group]]:
    def is_series(group: h5py.Group) -> bool:
        return isinstance(group.get("data"), h5py.Dataset) and ("timestamps" in group or "starting_time" in group)

    return ((entry, group) for entry, group in _groups(file, PLACES_OF_SERIES, is_series) if is_series(group))


def _groups(file: h5py.File, places: Sequence[str], ends: Callable[[h5py.Group], bool]):
    """All groups in some places by their path, each once, and nothing below those at which it ends."""
    waiting = [place for place in places[::-1] if isinstance(file.get(place), h5py.Group)]
    seen = set()
    while waiting:
        entry = waiting.pop()
        group: Any = file[entry]
        if group in seen:
            continue
        seen.add(group)
        yield entry, group
        if not ends(group):
            below = [f"{entry}/{name}" for name in group]
            waiting.extend(name for name in below[::-1] if isinstance(file.get(name), h5py.Group))


def _one_series(group: h5py.Group, path: Path) -> Series:
    data: Any = group["data"]
    if needs_plugin(data):
        raise ValueError("compressed with a filter that needs a plugin; save it again with gzip")
    if data.dtype.kind not in "iuf" or data.shape is None or len(data.shape) not in (1, 2):
        raise ValueError(f"values of type {data.dtype} and shape {data.shape}")
    times: Any = group["timestamps" if "timestamps" in group else "starting_time"]
    n_times = math.prod(times.shape) if "timestamps" in group else 0
    n_samples, n_channels = (*data.shape, 1)[:2]
    turned = len(data.shape) == 2 and n_times == n_channels != n_samples
    if turned:
        n_samples, n_channels = n_channels, n_samples
    elif n_channels > n_samples:
        mend = "it looks transposed; store samples along the first axis"
        raise ValueError(f"{n_samples:,} samples of {n_channels:,} channels: {mend}")
    scale: float | np.ndarray = one_number(data.attrs.get("conversion", 1.0), np.nan)
    per_channel = read_array(group, "channel_conversion")
    if per_channel is not None and per_channel.size == n_channels:
        scale = scale * per_channel.ravel().astype(float)
    if "timestamps" in group:
        shape = (n_times,) if n_times in times.shape else tuple(times.shape)
        clock: dict[str, Any] = {"timestamps": _Stored(times, shape, path, turned=times.shape[0] != n_times)}
    else:
        clock = {"start": one_number(times[()], np.nan), "rate": one_number(times.attrs.get("rate", np.nan), np.nan)}
    offset = one_number(data.attrs.get("offset", 0.0), np.nan)
    if not np.isfinite(np.hstack([scale, offset, clock.get("start", 0.0)])).all():
        raise ValueError("conversion, offset or starting_time is no number")
    values = _Stored(data, (n_samples, n_channels), path, scale, offset, turned=turned)
    return Series(values, _channels(group, n_channels), attribute_text(data, "unit"), **clock)


def _channels(group: h5py.Group, n_channels: int) -> tuple[str, ...]:
    """Names from a comment "columns=[a,b]", x, y, z of a spatial series, otherwise numbers."""
    for name in ("comments", "description"):
        found = re.search(r"columns\s*=\s*\[([^\]]*)\]", attribute_text(group, name)[:1000])
        named = [part.strip(" '\"") for part in found[1].split(",")] if found else []
        if len(named) == n_channels and len(set(named)) == n_channels:
            return tuple(named)
    if attribute_text(group, "neurodata_type") == "SpatialSeries" and n_channels <= len(SPATIAL):
        return SPATIAL[:n_channels]
    return tuple(map(str, range(n_channels)))


class _Stored:
    """Values that stay in the file until a slice of them is asked for; then scale * value + offset."""

    def __init__(
        self, dataset: Any, shape: tuple[int, ...], path: Path, scale: Any = 1.0, offset: float = 0.0, *, turned: bool
    ):
        self.dataset, self.shape, self.path, self.scale, self.offset = dataset, shape, path, scale, offset
        self.turned = turned  # samples lie along the second axis

    def __getitem__(self, index: slice) -> np.ndarray:
        with reading(self.path):
            values = np.asarray(self.dataset[:, index].T if self.turned else self.dataset[index], float)
        return values.reshape(-1, *self.shape[1:]) * self.scale + self.offset
