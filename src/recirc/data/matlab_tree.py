"""Variables of MATLAB files as plain Python: structs are dicts, cells are lists, text is str, numbers are arrays.

A struct array is a list of dicts. Numbers keep MATLAB's two or more axes. Nothing in a file is executed.
"""

from pathlib import Path
from typing import Any

import h5py
import numpy as np

from recirc.data.safe_open import DataFileError, load_matlab, reading, safe_open

NUMBERS = ("double", "single", "logical", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)))
MAX_ITEMS = 400_000
HARMLESS_BYTES = 64 * 2**20
UNREADABLE = "holds {what}, which only MATLAB can run; save the plain variables alone: save('new.mat', 'Data')."


def matlab_variables(path: Path, *, max_ratio: float) -> dict[str, Any]:
    """All variables of a MATLAB file of version 5 or 7.3, told apart by content.

    Raises:
        DataFileError: if `safe_open` or `load_matlab` refuses the file, or it holds MATLAB objects, function
            handles, or sparse matrices.
    """
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
        raise DataFileError(f"{where}: {UNREADABLE.format(what=value)}")
    if kind == "array":
        return arrays[value]
    if kind == "text":
        return value
    if kind == "cell":
        return [_plain(item, arrays, f"{where}{{{i + 1}}}") for i, item in enumerate(value)]
    rows = [{name: _plain(item, arrays, f"{where}.{name}") for name, item in row.items()} for row in value]
    return rows[0] if len(rows) == 1 else rows


class _Hdf5Tree:
    """Version 7.3, an HDF5 file in which cells and struct arrays are references to what is under `#refs#`.

    One thing may be referred to many times, so what has been unfolded is counted.
    """

    def __init__(self, file: h5py.File, path: Path):
        self.file, self.path = file, path
        self.n_items = self.n_bytes = 0
        self.allowed = max(HARMLESS_BYTES, 200 * path.stat().st_size)

    def value(self, item: Any, where: str) -> Any:
        """The value of a dataset or group, unfolded."""
        self.n_items += 1
        if self.n_items > MAX_ITEMS or self.n_bytes > self.allowed:
            raise DataFileError(f"{self.path}, variable {where}: unfolds without end; save it again in MATLAB.")
        about = dict(item.attrs)
        kind = about.get("MATLAB_class", b"")
        kind = kind.decode(errors="replace") if isinstance(kind, bytes) else str(kind)
        if "MATLAB_sparse" in about:
            raise DataFileError(f"{self.path}, variable {where}: {UNREADABLE.format(what='a sparse matrix')}")
        if isinstance(item, h5py.Group):
            return self._struct(item, kind, where)
        if kind not in (*NUMBERS, "char", "cell", "struct") or "MATLAB_object_decode" in about:
            what = "a function handle" if kind == "function_handle" else f"an object ({kind[:30] or 'no class'})"
            raise DataFileError(f"{self.path}, variable {where}: {UNREADABLE.format(what=what)}")
        if about.get("MATLAB_empty", 0):
            return {"cell": [], "struct": [], "char": ""}.get(kind, np.empty((0, 0)))
        if kind == "cell":
            return self._cells(item, where)
        if kind == "struct" or item.dtype.kind not in "biuf":
            raise DataFileError(f"{self.path}, variable {where}: not laid out as MATLAB does; save it again.")
        self.n_bytes += item.size * item.dtype.itemsize
        if self.n_bytes > self.allowed:
            return self.value(item, where)
        return _text(item[()].T) if kind == "char" else item[()].T

    def _cells(self, item: Any, where: str) -> list:
        references = np.ravel(item[()])
        return [self.value(self.file[target], f"{where}{{{i + 1}}}") for i, target in enumerate(references)]

    def _struct(self, group: h5py.Group, kind: str, where: str) -> Any:
        if kind != "struct" or "MATLAB_object_decode" in group.attrs:
            what = f"an object ({kind[:30] or 'no class'})"
            raise DataFileError(f"{self.path}, variable {where}: {UNREADABLE.format(what=what)}")
        fields = {name: group[name] for name in map(str, group)}
        is_array = {name: isinstance(f, h5py.Dataset) and "MATLAB_class" not in f.attrs for name, f in fields.items()}
        if not fields or not all(is_array.values()):
            return {name: self.value(field, f"{where}.{name}") for name, field in fields.items()}
        columns = {name: self._cells(field, f"{where}.{name}") for name, field in fields.items()}
        if len({len(column) for column in columns.values()}) > 1:
            raise DataFileError(f"{self.path}, variable {where}: fields of unequal length; save it again in MATLAB.")
        return [dict(zip(columns, row)) for row in zip(*columns.values())]


def _text(codes: np.ndarray) -> str | list[str]:
    """Character codes (row, column) as text, a list where there are several rows."""
    rows = ["".join(map(chr, row)) for row in np.atleast_2d(codes).astype(int).tolist()]
    return rows[0] if len(rows) == 1 else rows
