"""Labelled arrays as netCDF-4 files."""

import io
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import xarray


def netcdf_bytes(dataset: "xarray.Dataset") -> bytes:
    """A netCDF-4 file in memory, so that a full disk is met by our own writer and not inside HDF5.

    Raises:
        ValueError: if a variable has no `units` attribute.
    """
    import h5netcdf
    from xarray.backends import H5NetCDFStore

    bare = [str(name) for name, variable in dataset.data_vars.items() if "units" not in variable.attrs]
    if bare:
        raise ValueError(f"variable {bare[0]} has no units; set .attrs['units'], to '1' for a pure number.")
    buffer = io.BytesIO()
    store = H5NetCDFStore(h5netcdf.File(buffer, "w"))
    dataset.dump_to_store(store)
    store.close()
    return buffer.getvalue()


def read_dataset(path: str | Path) -> "xarray.Dataset":
    """Labelled arrays from a netCDF-4 file, all in memory.

    Raises:
        DataFileError: as `recirc.data.safe_open`.
    """
    import xarray

    from recirc.data.safe_open import safe_open

    with safe_open(path):
        return xarray.load_dataset(path, engine="h5netcdf")
