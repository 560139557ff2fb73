"""Any recording, told apart by what is in the file and not by its name."""

import dataclasses
import re
from os import PathLike
from pathlib import Path
from typing import Any

import h5py
import jax

from recirc.data.findings import BLOCKS, check_session
from recirc.data.matlab import read_matlab
from recirc.data.netcdf import read_netcdf
from recirc.data.numpy_files import read_numpy
from recirc.data.nwb import session_from_nwb
from recirc.data.prepared import Prepared
from recirc.data.preprocessing import Preprocessing
from recirc.data.probe import ONLY_ZEROS
from recirc.data.safe_open import DataFileError, named, reading, safe_open
from recirc.data.session import Session
from recirc.data.stand_in import head_of
from recirc.types import Activity

HDF5 = b"\x89HDF\r\n\x1a\n"
MATLAB, NUMPY = b"MATLAB ", (b"\x93NUMPY", b"PK\x03\x04")
USER_BLOCKS = (512, 1024, 2048, 4096)
BARE_ARRAYS = (
    "arrays without a description; write a TOML file beside it that names the axes, the step and the units, and give "
    "that (see read_numpy)."
)
FORMATS = (
    "NWB 2 (spikes, trials, behavior), netCDF-4 (rates by condition, time and unit), MATLAB 5 to 7.3 (structs of "
    "averages or of single trials), or a TOML file that describes a .npy or .npz file (see read_numpy)"
)


def read(path: str | PathLike, preprocessing: Preprocessing | None = None, *, seed: int = 0) -> Activity:
    """Average rates and behavior by condition from a file of any format.

    Averages are taken as they are; a session of spikes is aligned, binned, smoothed and averaged. The activity then
    carries standard errors, numbers of trials, covariates of conditions, times of events, and as notes what was
    guessed, left out and found. `read_prepared` gives single trials too.

    Args:
        path: the file.
        preprocessing: of a session; what it leaves open is guessed, and so is all of it by default.
        seed: of the halves of trials that reliability is told by.

    Raises:
        DataFileError, ValueError: if the file, or something in a session, is of no use; says all, and how to mend it.

    Example:
        >>> import numpy as np, recirc
        >>> made = recirc.Activity(np.eye(9)[:, :, None], dt=0.01, conditions="abcdefghi")
        >>> recirc.data.write_netcdf(made, "reach.nc")
        >>> recirc.read("reach.nc").rates.shape
        (9, 9, 1)
    """
    return read_prepared(path, preprocessing or Preprocessing(), for_fit=False, seed=seed).averages


def read_prepared(path: str | PathLike, preprocessing: Preprocessing, *, seed: int = 0, **fit: Any) -> Prepared:
    """Averages by condition from a file of any format, and of a session the trials behind them.

    Args:
        path, preprocessing, seed: as for `read`.
        **fit: what a session is for, as for `check_averages`: by default a fit in four folds.

    Raises:
        DataFileError, ValueError: as `read`.

    Example:
        >>> import numpy as np
        >>> rates = np.random.default_rng(0).uniform(0, 20, (8, 50, 9))
        >>> recirc.data.write_netcdf(recirc.Activity(rates, dt=0.01, conditions=range(0, 360, 45)), "reach.nc")
        >>> read_prepared("reach.nc", recirc.data.Preprocessing()).averages.n_trials
        8
    """
    found = read_recording(path)
    if isinstance(found, Activity):
        return Prepared(found, preprocessing)
    try:
        return prepare_session(found, preprocessing, seed=seed, **fit)
    except DataFileError:
        raise
    except ValueError as error:
        raise ValueError(f"{error} `recirc check {Path(path).name}` says all that was found.") from None


def prepare_session(session: Session, preprocessing: Preprocessing, *, seed: int = 0, **fit: Any) -> Prepared:
    """As `read_prepared`, of a session; `fit` as for `check_averages`. What is found is among the averages' notes."""
    findings, prepared = check_session(session, preprocessing, key=jax.random.key(seed), **fit)
    told = [f"{finding.what} {finding.why} {finding.mend}" for finding in findings if finding.level == BLOCKS]
    if told or prepared is None:
        raise ValueError(f"{session.source}: {' '.join(told)}")
    noted = [f"{finding.level.capitalize()}: {finding.what} {finding.why}" for finding in findings]
    notes = dict.fromkeys((*prepared.averages.notes, *noted))
    return dataclasses.replace(prepared, averages=prepared.averages.replace(notes=tuple(notes)))


def read_recording(path: str | PathLike, *, max_ratio: float = 200.0) -> Session | Activity:
    """Session or activity from a file of any format that can be read; its name does not matter.

    Spikes, trials and behavior (NWB, MATLAB) are a session; averages (netCDF, MATLAB, NumPy with TOML) an activity.

    Args:
        path, max_ratio: as for `safe_open`.

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
    if head.startswith(b"CDF"):
        return read_netcdf(path, max_ratio=max_ratio)
    if b"\x00" not in head and re.search(rb"^(\xef\xbb\xbf)?\s*[\w\"']+\s*=", head, re.M):
        return read_numpy(path, max_ratio=max_ratio)
    why = f"the format is not known; what can be read: {FORMATS}." if any(head) else ONLY_ZEROS
    raise DataFileError(f"{path}: {BARE_ARRAYS if head.startswith(NUMPY) else why}")


def _read_hdf5(path: Path, max_ratio: float) -> Session | Activity:
    file = safe_open(path, max_ratio=max_ratio, spare=True)
    with reading(path):
        if "nwb_version" in file.attrs or "nwb_version" in file:
            return session_from_nwb(file, path)
        if any("MATLAB_class" in item.attrs for item in file.values()):
            reader = read_matlab
        elif any(isinstance(item, h5py.Dataset) and len(item.attrs) for item in file.values()):
            reader = read_netcdf
        else:
            entries = ", ".join(map(str, list(file)[:8])) or "nothing"
            raise DataFileError(f"{path}: HDF5 with {entries}, which is no known layout; what can be read: {FORMATS}.")
        file.close()
    return reader(path, max_ratio=max_ratio)
