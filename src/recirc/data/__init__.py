"""Data: recordings become activities and trials; one format per file, every file through `safe_open`."""

from recirc.data.averages import check_activity
from recirc.data.conditions import condition_averages, condition_labels
from recirc.data.directions import condition_angles, directions
from recirc.data.findings import Finding, check_averages, check_session, fewest_units
from recirc.data.hints import hints_from, spline_tail
from recirc.data.matlab import read_matlab
from recirc.data.netcdf import read_dataset, read_netcdf, write_netcdf
from recirc.data.numpy_files import read_numpy
from recirc.data.nwb import read_nwb
from recirc.data.prepared import Prepared
from recirc.data.preprocessing import Preprocessing
from recirc.data.pynapple import from_pynapple
from recirc.data.read import read_prepared, read_recording
from recirc.data.reliability import r2_ceiling, split_half_reliability
from recirc.data.safe_open import DataFileError, DataWarning, safe_open
from recirc.data.session import Series, Session
from recirc.data.spikes import bin_counts, smooth

__all__ = [
    "DataFileError",
    "DataWarning",
    "Finding",
    "Prepared",
    "Preprocessing",
    "Series",
    "Session",
    "bin_counts",
    "check_activity",
    "check_averages",
    "check_session",
    "condition_angles",
    "condition_averages",
    "condition_labels",
    "directions",
    "fewest_units",
    "from_pynapple",
    "hints_from",
    "r2_ceiling",
    "read_dataset",
    "read_matlab",
    "read_netcdf",
    "read_numpy",
    "read_nwb",
    "read_prepared",
    "read_recording",
    "safe_open",
    "smooth",
    "spline_tail",
    "split_half_reliability",
    "write_netcdf",
]
