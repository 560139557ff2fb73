"""Data: recordings become activities and trials; one format per file, every file through `safe_open`."""

from recirc.data.directions import directions
from recirc.data.hints import hints_from, spline_tail
from recirc.data.netcdf import read_netcdf, write_netcdf
from recirc.data.safe_open import DataFileError, DataWarning, safe_open
from recirc.data.session import Series, Session

__all__ = [
    "DataFileError",
    "DataWarning",
    "Series",
    "Session",
    "directions",
    "hints_from",
    "read_netcdf",
    "safe_open",
    "spline_tail",
    "write_netcdf",
]
