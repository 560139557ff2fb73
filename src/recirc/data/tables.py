"""Tables and text of NWB files: columns, lists per row, and the names behind references."""

import itertools
from typing import Any

import h5py
import numpy as np

from recirc.data.probe import BUILT_IN_FILTERS
from recirc.data.safe_open import DataFileError

NUMBERS = "biuf"


def read_column(table: h5py.Group, name: str) -> np.ndarray | None:
    """A column, one entry per row; None where it is neither numbers nor text.

    Where rows have lists of unequal length (the table has `<name>_index`), the entries are arrays; see `split_rows`.
    """
    values = read_array(table, name)
    if values is None or f"{name}_index" not in table:
        return values
    if f"{name}_index_index" in table:
        return None
    parts = split_rows(table, name, values)
    column = np.empty(len(parts), object)
    for row, part in enumerate(parts):
        column[row] = part
    return column


def split_rows(table: h5py.Group, name: str, values: np.ndarray) -> list[np.ndarray]:
    """Rows of a column of lists: row i ends where `<name>_index` says, and starts where row i - 1 ends.

    Raises:
        DataFileError: if the index is not of whole numbers, falls, or leaves the data.
    """
    where = f"{table.file.filename}, entry {table.name}/{name}_index"
    ends = read_array(table, f"{name}_index")
    ends = ends.ravel() if ends is not None and ends.size in ends.shape else ends
    if ends is None or ends.ndim != 1 or ends.dtype.kind not in "iu":
        raise DataFileError(f"{where}: expected one whole number per row; write the table again.")
    falls, beyond = np.flatnonzero(ends[1:] < ends[:-1]), np.flatnonzero((ends > len(values)) | (ends < 0))
    last, problem = int(ends[-1]) if len(ends) else 0, ""
    if falls.size:
        row = int(falls[0]) + 1
        before = f"the row before it at {ends[row - 1]}, so that rows would share values"
        problem = f"not rising: row {row} ends at {ends[row]} and {before}"
    elif beyond.size:
        problem = f"row {beyond[0]} ends at {ends[beyond[0]]}, but {name} has {len(values)} values"
    elif len(values) > last:
        problem = f"the last row ends at {last}, but {name} has {len(values)} values"
    if problem:
        raise DataFileError(f"{where}: {problem}; write the table again.")
    return [values[start:stop] for start, stop in itertools.pairwise([0, *map(int, ends)])]


def read_array(group: h5py.Group, name: str) -> np.ndarray | None:
    """Numbers or text of a dataset, references as the name of what they lead to; None for anything else."""
    dataset = group.get(name)
    if not isinstance(dataset, h5py.Dataset) or dataset.shape is None or needs_plugin(dataset):
        return None
    if dataset.dtype.kind in NUMBERS:
        return np.asarray(dataset[()])
    if h5py.check_string_dtype(dataset.dtype):
        return np.asarray(dataset.asstr(errors="replace")[()], str)
    if h5py.check_ref_dtype(dataset.dtype) is h5py.Reference:
        paths = [str(group.file[target].name or "") if target else "" for target in np.ravel(dataset[()])]
        return np.array([path.rpartition("/")[2] for path in paths], str).reshape(dataset.shape)
    return None


def needs_plugin(dataset: h5py.Dataset) -> bool:
    """Whether values pass through a filter that HDF5 does not have itself; what such a filter is, is never run."""
    creation = dataset.id.get_create_plist()
    return any(creation.get_filter(i)[0] not in BUILT_IN_FILTERS for i in range(creation.get_nfilters()))


def read_text(group: h5py.Group, name: str) -> str:
    """Text in a scalar dataset, at most 1,000 characters; empty if there is none."""
    values = read_array(group, name)
    return str(values.ravel()[0])[:1000] if values is not None and values.size == 1 else ""


def attribute_text(item: h5py.Group | h5py.Dataset, name: str) -> str:
    """Text of an attribute, which may be an array of one; empty if there is none."""
    value = item.attrs.get(name, "")
    if isinstance(value, h5py.Empty) or np.size(value) != 1:
        return ""
    value = np.ravel(value)[0] if isinstance(value, np.ndarray) else value
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def one_number(value: Any, default: float) -> float:
    """The number, which may be an array of one; the default for anything else."""
    values = np.asarray(0 if isinstance(value, h5py.Empty) else value)
    return float(values.ravel()[0]) if values.size == 1 and values.dtype.kind in NUMBERS else default
