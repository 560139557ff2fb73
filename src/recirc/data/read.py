"""Any recording, told apart by what is in the file and not by its name."""

import re
from os import PathLike
from pathlib import Path

import h5py

from recirc.data.matlab import read_matlab
from recirc.data.netcdf import read_netcdf
from recirc.data.numpy_files import read_numpy
from recirc.data.nwb import session_from_nwb
from recirc.data.probe import ONLY_ZEROS, head_of
from recirc.data.safe_open import DataFileError, named, open_hdf5, reading
from recirc.data.session import Session
from recirc.types import Activity

HDF5 = b"\x89HDF\r\n\x1a\n"
MATLAB = b"MATLAB "
USER_BLOCKS = (512, 1024, 2048, 4096)
FORMATS = (
    "NWB 2 (spikes, trials, behavior), netCDF-4 (rates by condition, time and unit), MATLAB 5 to 7.3 (structs of "
    "averages or of single trials), or a TOML file that describes a .npy or .npz file (see read_numpy)"
)


def read_recording(path: str | PathLike, *, max_ratio: float = 200.0) -> Session | Activity:
    """Session or activity from a file of any format that can be read; its name does not matter.

    Spikes, trials and behavior (NWB, MATLAB single trials) are a session. Averages (netCDF, MATLAB averages,
    NumPy with a TOML file) are an activity.

    Args:
        path: the file.
        max_ratio: as for `safe_open`.

    Raises:
        DataFileError: if the format is none of these, or its reader refuses the file.

    Example:
        >>> read_recording("no_such_file.nwb")
        Traceback (most recent call last):
        recirc.data.probe.DataFileError: no_such_file.nwb: there is no such file; check the path.
    """
    path = Path(path)
    with named(path):
        head = head_of(path)
    if head.startswith(MATLAB):
        return read_matlab(path, max_ratio=max_ratio)
    if HDF5 in (head[:8], *(head[at : at + 8] for at in USER_BLOCKS)):
        return _read_hdf5(path, max_ratio)
    if head.startswith((b"\x93NUMPY", b"PK\x03\x04")):
        raise DataFileError(
            f"{path}: arrays without a description; write a TOML file beside it that names the axes, the step and "
            "the units, and give that (see read_numpy)."
        )
    if head.startswith(b"CDF"):
        return read_netcdf(path, max_ratio=max_ratio)
    if b"\x00" not in head and re.search(rb"^\s*\w+\s*=", head, re.M):
        return read_numpy(path, max_ratio=max_ratio)
    if not any(head):
        raise DataFileError(f"{path}: {ONLY_ZEROS}")
    raise DataFileError(f"{path}: the format is not known; what can be read: {FORMATS}.")


def _read_hdf5(path: Path, max_ratio: float) -> Session | Activity:
    file = open_hdf5(path, max_ratio=max_ratio)
    with reading(path):
        if "nwb_version" in file.attrs or "nwb_version" in file:
            return session_from_nwb(file, path)
        is_matlab = any("MATLAB_class" in item.attrs for item in file.values())
        is_netcdf = any(isinstance(item, h5py.Dataset) and len(item.attrs) for item in file.values())
        entries = ", ".join(map(str, list(file)[:8])) or "nothing"
    file.close()
    if is_matlab:
        return read_matlab(path, max_ratio=max_ratio)
    if is_netcdf:
        return read_netcdf(path, max_ratio=max_ratio)
    raise DataFileError(f"{path}: HDF5 with {entries}, which is no known layout; what can be read: {FORMATS}.")
