"""NetCDF-4 files: firing rates by condition, time and unit, and labelled arrays of any kind."""

import functools
import io
import os
import warnings
from os import PathLike
from pathlib import Path
from typing import BinaryIO

import h5netcdf
import xarray as xr
from xarray.backends import H5NetCDFStore
from xarray.backends.common import ArrayWriter

from recirc import labelled
from recirc.data.safe_open import DAMAGE, DataFileError, DataWarning, named, reading, safe_open
from recirc.data.screening import averaged_activity
from recirc.storage import write_atomic
from recirc.types import Activity


def read_netcdf(path: str | PathLike, *, outputs: str | None = None, max_ratio: float = 200.0) -> Activity:
    """Activity from a netCDF-4 file of firing rates.

    The file is laid out as `Activity.from_xarray` wants a dataset. Equal labels are repeats of one condition.

    Args:
        path, max_ratio: as for `safe_open`.
        outputs: name of the variable with behavior, if it is neither `outputs` nor `velocity`.

    Returns:
        Rates in spikes/s, without the units that never change; they are in the warning.

    Raises:
        DataFileError: if `safe_open` refuses the file, or `Activity.from_xarray` or `check_activity` what it holds.

    Warns:
        DataWarning: if units were left out because their rate never changes, or variables that are no netCDF.

    Example:
        >>> rates = jax.random.uniform(jax.random.key(0), (2, 20, 3))
        >>> write_netcdf(Activity(rates, dt=0.01, conditions=["0", "180"]), "reach.nc")
        >>> read_netcdf("reach.nc").conditions
        ('0', '180')
    """
    with safe_open(path, max_ratio=max_ratio) as file, reading(path):
        try:
            with h5netcdf.File(file, "r", decode_vlen_strings=True) as contents:
                store = _Store(contents)
                dataset = xr.open_dataset(store, decode_times=False).load()
        except (*DAMAGE, MemoryError) as error:
            why = f"cannot be read as netCDF-4 ({error}); write it with xarray's to_netcdf, or copy it again."
            raise DataFileError(f"{path}: {why}") from error
        if store.left_out:
            told = f"left out variables that are not laid out as netCDF-4: {', '.join(store.left_out)}."
            warnings.warn(f"{path}: {told}", DataWarning, stacklevel=2)
        with named(path):
            settings = labelled.arguments_from(dataset, outputs=outputs)
        return averaged_activity(str(path), **settings)


class _Store(H5NetCDFStore):
    """The variables of a file that can be opened; those that cannot are no reason to refuse the others."""

    def get_variables(self):
        found, self.left_out, errors = {}, [], []
        for name in self.ds.variables:
            try:
                found[name] = self.open_store_variable(name, self.ds.variables[name])
            except DAMAGE as error:
                self.left_out.append(str(name))
                errors.append(error)
        if errors and not found:
            raise errors[0]
        return found


def write_netcdf(activity: Activity, path: str | PathLike) -> None:
    """Write an activity as a file that `read_netcdf` gives back; it appears whole or not at all.

    Args:
        activity, path: rates in spikes/s, none negative, and the file; an older one is replaced.

    Raises:
        StorageError: if it cannot be written; an older file is then untouched.

    Example:
        >>> write_netcdf(recirc.Activity([[[1.0], [2.0]] * 3] * 2, dt=0.01, conditions=["a", "b"]), "reach.nc")
        >>> recirc.data.read_netcdf("reach.nc").conditions
        ('a', 'b')
    """
    write_dataset(activity.to_xarray(), path)


def write_dataset(dataset: xr.Dataset, path: str | PathLike) -> None:
    """Write labelled arrays as netCDF-4, whole or not at all; arrays of Dask are computed block by block.

    Raises:
        ValueError: if a variable has no attribute `units`.
        StorageError: if the file cannot be written.

    Example:
        >>> import xarray as xr
        >>> write_dataset(xr.Dataset({"rates": ("time", [1.0, 2.0], {"units": "1"})}), "rates.nc")
        >>> recirc.data.read_dataset("rates.nc")["rates"].values
        array([1., 2.])
    """
    if bare := [str(name) for name, variable in dataset.data_vars.items() if "units" not in variable.attrs]:
        raise ValueError(f"variable {bare[0]} has no units; set .attrs['units'], to '1' for a pure number.")
    write_atomic(Path(path), functools.partial(_dump, dataset))


def _dump(dataset: xr.Dataset, stream: BinaryIO) -> None:
    bearing, writer = _Bearing(stream.fileno()), ArrayWriter()
    try:
        with h5netcdf.File(bearing, "w") as file:
            dataset.dump_to_store(H5NetCDFStore(file), writer=writer)
            for source, target in zip(writer.sources, writer.targets):  # one by one: equal datasets are equal bytes
                source.store(_Until(target, bearing), lock=False, scheduler="synchronous")
    finally:
        if bearing.error is not None:
            raise bearing.error


class _Until:
    """What blocks of an array are written to, as long as the disk takes them."""

    def __init__(self, target, bearing: "_Bearing"):
        self.target, self.bearing = target, bearing

    def __setitem__(self, where, block) -> None:
        self.target[where] = block
        if self.bearing.error is not None:
            raise self.bearing.error


class _Bearing(io.RawIOBase):
    """A file that takes everything and says afterwards what could not be written, as HDF5 bears no full disk.

    No method raises, and what the disk did not take is read from memory: HDF5 reads what it wrote, and one that is
    refused anything ends the process.
    """

    def __init__(self, descriptor: int):
        self.descriptor, self.position, self.size = descriptor, 0, 0
        self.error: OSError | None = None
        self.kept: list[tuple[int, bytes]] = []  # what was written since the error, and where

    def write(self, data) -> int:
        view, start = memoryview(data).cast("B"), self.position
        self.position += len(view)
        self.size = max(self.size, self.position)
        try:
            while self.error is None and len(view):
                n_bytes = os.pwrite(self.descriptor, view, start)
                view, start = view[n_bytes:], start + n_bytes
        except OSError as error:
            self.error = error
        if len(view):
            self.kept.append((start, bytes(view)))
        return memoryview(data).nbytes

    def readinto(self, buffer) -> int:
        view, start = memoryview(buffer).cast("B"), self.position
        found = bytearray(len(view))
        try:
            there = os.pread(self.descriptor, len(view), start)
            found[: len(there)] = there
        except OSError as error:
            self.error = self.error or error
        for place, data in self.kept:
            first, last = max(start, place), min(start + len(found), place + len(data))
            if first < last:
                found[first - start : last - start] = data[first - place : last - place]
        view[:] = found
        self.position += len(view)
        return len(view)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self.position = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self.position, os.SEEK_END: self.size}[whence]
        return self.position

    def tell(self) -> int:
        return self.position

    def truncate(self, size: int | None = None) -> int:
        self.size = self.position if size is None else size
        try:
            os.truncate(self.descriptor, self.size)
        except OSError as error:
            self.error = self.error or error
        return self.size

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True


def read_dataset(path: str | PathLike, *, lazily: bool = False) -> xr.Dataset:
    """Labelled arrays from a netCDF-4 file, all in memory; DataFileError as of `safe_open`.

    Args:
        path: of the file.
        lazily: leave arrays in the file, which stays open, until they are asked for.

    Example:
        >>> recirc.data.write_netcdf(recirc.Activity([[[1.0], [2.0]]] * 2, dt=0.01, conditions=["a", "b"]), "reach.nc")
        >>> dict(read_dataset("reach.nc").sizes)
        {'condition': 2, 'time': 2, 'unit': 1}
    """
    with safe_open(path):
        return (xr.open_dataset if lazily else xr.load_dataset)(path, engine="h5netcdf")
