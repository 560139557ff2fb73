"""Row 4: an array file that the disk does not take whole."""

import os
import subprocess
import sys

FULL = """
import sys
from pathlib import Path
import numpy as np
import xarray as xr
from dask.array import from_array
from recirc.data.netcdf import write_dataset
from recirc.storage import StorageError
from small_disks import small_files

arrays = from_array(np.random.default_rng(0).normal(size=(20, 30, 30)), (1, 30, 30))
dataset = xr.Dataset({"recurrent": (("network", "to", "from"), arrays, {"units": "1"})})
path = Path(sys.argv[1])
write_dataset(dataset, path / "whole.nc")
whole = (path / "whole.nc").stat().st_size
for n_bytes in [*range(0, whole - 9_000, 20_000), *range(whole - 9_000, whole, 300)]:
    try:
        with small_files(n_bytes):
            write_dataset(dataset, path / "torn.nc")
        raise SystemExit(f"{n_bytes} bytes were enough")
    except StorageError as error:
        assert str(error).startswith("no space left writing"), error
print("named", [each.name for each in path.iterdir()])
"""


def test_an_array_file_that_no_disk_takes_whole_is_named_wherever_it_ends(tmp_path):
    """HDF5, which ends the process when a file refuses anything, never hears of it."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, "-c", FULL, tmp_path], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "named ['whole.nc']\n"), done.stderr[-2000:]
