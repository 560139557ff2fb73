"""Finished pieces of work, each in one file named by the hash of what it came from."""

import warnings
from pathlib import Path

from recirc.analyses.pieces import Result
from recirc.storage import read_arrays, write_arrays


def write_part(path: Path, key: str, result: Result) -> None:
    """Write one finished piece of work; raises as `recirc.storage.write_arrays`."""
    write_arrays(path, result.arrays, {"key": key, "metadata": dict(result.metadata)})


def read_part(path: Path, key: str) -> Result | None:
    """A finished piece of work, or None, with a warning, if the file is damaged or of another piece."""
    arrays, about = read_arrays(path) or ({}, None)
    if about is not None and about["key"] != key:
        warnings.warn(f"{path} belongs to another piece of work; that piece is computed again.", stacklevel=2)
        return None
    return None if about is None else Result(arrays, about["metadata"])
