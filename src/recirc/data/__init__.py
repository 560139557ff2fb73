"""Data: recordings become activities and trials; one format per file, every file through `safe_open`."""

from recirc.data.directions import directions
from recirc.data.hints import hints_from, spline_tail
from recirc.data.matlab import read_matlab
from recirc.data.netcdf import read_netcdf, write_netcdf
from recirc.data.numpy_files import read_numpy
from recirc.data.nwb import read_nwb
from recirc.data.pynapple import from_pynapple
from recirc.data.read import read_recording
from recirc.data.safe_open import DataFileError, DataWarning, safe_open
from recirc.data.session import Series, Session

__all__ = [
    "DataFileError",
    "DataWarning",
    "Series",
    "Session",
    "directions",
    "from_pynapple",
    "hints_from",
    "read_matlab",
    "read_netcdf",
    "read_numpy",
    "read_nwb",
    "read_recording",
    "safe_open",
    "spline_tail",
    "write_netcdf",
]
