"""Firing rates by condition, time and unit in a netCDF file."""

import difflib
import io
import os
import tempfile
from os import PathLike
from pathlib import Path

import h5netcdf
import numpy as np
import xarray as xr
from xarray.backends import H5NetCDFStore

from recirc.data.averages import averaged_activity, is_plausible, uniform_step
from recirc.data.safe_open import DAMAGE, DataFileError, reading, safe_open
from recirc.types import Activity

DIMENSIONS = ("condition", "time", "unit")
RATE_UNITS = ("spikes/s", "spike/s", "spikes s-1", "spikes/second", "hz", "1/s", "s-1", "s^-1")
TIME_UNITS = {"s": 1.0, "sec": 1.0, "second": 1.0, "ms": 1e-3, "msec": 1e-3, "millisecond": 1e-3}
ANGLE_UNITS = {"degree": 1.0, "deg": 1.0, "°": 1.0, "radian": 180 / np.pi, "rad": 180 / np.pi}
BEHAVIORS = ("outputs", "velocity")


def read_netcdf(path: str | PathLike, *, outputs: str | None = None, max_ratio: float = 200.0) -> Activity:
    """Activity from a netCDF-4 file of firing rates.

    The file holds one variable with dimensions condition, time and unit (in any order), with attribute
    `units` "spikes/s" (or "Hz", "1/s"); a coordinate `time`, uniform, with `units` "s" or "ms", the end of
    each time bin; names of units in a coordinate `unit`; condition labels in a coordinate along `condition`:
    one with `units` "degree" or "radian" gives angles in degrees, otherwise the coordinate `condition` is
    taken as it is. Equal labels are repeats of one condition. What the animal did may be there too, as a
    variable `outputs` or `velocity` with dimensions condition, time and one more.

    Args:
        path: the file.
        outputs: name of the variable with behavior, if it is neither `outputs` nor `velocity`.
        max_ratio: as for `safe_open`.

    Returns:
        Rates in spikes/s, without the units that never change; they are in the warning.

    Raises:
        DataFileError: if `safe_open` refuses the file; a dimension, coordinate or `units` attribute is
            missing or not understood; rates are negative or not finite; unit names repeat; time is not
            uniform, or its step not plausible; there are fewer than two conditions or five time samples; no
            unit ever changes.

    Warns:
        DataWarning: if units were left out because their rate never changes.

    Example:
        >>> import os, tempfile, jax, recirc
        >>> rates = jax.random.uniform(jax.random.key(0), (2, 20, 3))
        >>> activity = recirc.Activity(rates, dt=0.01, conditions=["0", "180"])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_netcdf(activity, os.path.join(folder, "reach.nc"))
        ...     read_netcdf(os.path.join(folder, "reach.nc")).conditions
        ('0', '180')
    """
    path = Path(path)
    dataset = _load(path, max_ratio)
    with reading(path):
        rates = _rates(dataset, path)
        dt, start = _time_axis(dataset, path)
        conditions = _condition_labels(dataset, path)
        return averaged_activity(
            rates,
            where=str(path),
            conditions=conditions,
            units=[str(name) for name in dataset["unit"].values],
            dt=dt,
            start=start,
            outputs=_outputs(dataset, outputs, path),
        )


def write_netcdf(activity: Activity, path: str | PathLike) -> None:
    """Write an activity in spikes/s as a file that `read_netcdf` gives back.

    The file appears whole or not at all.

    Args:
        activity: rates in spikes/s, none negative.
        path: the file; an older one is replaced.

    Raises:
        OSError: if it cannot be written; an older file is then untouched.
    """
    coordinates = {
        "condition": ("condition", np.array(activity.conditions, object), {"long_name": "condition label"}),
        "time": ("time", activity.time, {"units": "s", "long_name": "end of the time bin"}),
        "unit": ("unit", np.array(activity.units, object)),
    }
    variables: dict[str, tuple] = {"rates": (DIMENSIONS, np.asarray(activity.rates), {"units": "spikes/s"})}
    if activity.outputs is not None and activity.outputs.shape[2]:
        variables["outputs"] = (("condition", "time", "output"), np.asarray(activity.outputs), {})
    buffer = io.BytesIO()
    with h5netcdf.File(buffer, "w") as file:
        xr.Dataset(variables, coordinates).dump_to_store(H5NetCDFStore(file))
    path = Path(path)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".writing-", delete=False) as temporary:
        try:
            temporary.write(buffer.getvalue())
            temporary.flush()
            os.fsync(temporary.fileno())
            os.replace(temporary.name, path)
        except OSError:
            os.unlink(temporary.name)
            raise


def _load(path: Path, max_ratio: float) -> xr.Dataset:
    with safe_open(path, max_ratio=max_ratio) as file:
        try:
            with h5netcdf.File(file, "r", decode_vlen_strings=True) as contents:
                return xr.open_dataset(H5NetCDFStore(contents), decode_times=False).load()
        except (*DAMAGE, MemoryError) as error:
            raise DataFileError(
                f"{path}: cannot be read as netCDF-4 ({error}); write it with xarray's to_netcdf, or copy it again."
            ) from error


def _rates(dataset: xr.Dataset, path: Path) -> np.ndarray:
    """The rates, (condition, time, unit), from the one variable with these dimensions."""
    names = [str(name) for name, variable in dataset.data_vars.items() if set(variable.dims) == set(DIMENSIONS)]
    if not names:
        raise DataFileError(f"{path}: {_missing_dimensions(dataset)}")
    if len(names) > 1 and "rates" not in names:
        raise DataFileError(f"{path}: several variables could be the rates ({', '.join(names)}); name one 'rates'.")
    name = "rates" if "rates" in names else names[0]
    given = str(dataset[name].attrs.get("units", "")).strip()
    mend = f"""set dataset["{name}"].attrs["units"] = "spikes/s" """.strip()
    if not given:
        raise DataFileError(
            f"{path}, variable {name}: no units attribute; if the values are spikes per second, {mend}; "
            "if they are counts per bin, divide them by the bin width in seconds first."
        )
    if "count" in given.lower() or "bin" in given.lower():
        raise DataFileError(
            f"{path}, variable {name}: units are {given!r}, expected spikes/s; divide the values by the "
            "bin width "
            f"in seconds and {mend}."
        )
    if given.lower() not in RATE_UNITS:
        raise DataFileError(
            f"{path}, variable {name}: units are {given!r}, expected spikes/s, Hz or 1/s; convert the "
            f"values and {mend}."
        )
    return np.asarray(dataset[name].transpose(*DIMENSIONS).values, float)


def _missing_dimensions(dataset: xr.Dataset) -> str:
    present = [str(name) for name in dataset.dims]
    missing = [name for name in DIMENSIONS if name not in present]
    if not missing:
        shapes = "; ".join(f"{name} has {', '.join(map(str, v.dims))}" for name, v in dataset.data_vars.items())
        return f"no variable has the dimensions {', '.join(DIMENSIONS)} together ({shapes}); add it."
    others = [name for name in present if name not in DIMENSIONS]
    hints = []
    for name in missing:
        near = difflib.get_close_matches(name, others, n=1, cutoff=0.5)
        hints.append(f"{name!r}" + (f" (did you mean {near[0]!r}? rename it)" if near else ""))
    return (
        f"no dimension is called {' or '.join(hints)}; the file has {', '.join(present) or 'none'}; rates "
        "need "
        f"the dimensions {', '.join(DIMENSIONS)}."
    )


def _time_axis(dataset: xr.Dataset, path: Path) -> tuple[float, float]:
    """Step and start, seconds."""
    if "time" not in dataset.coords:
        raise DataFileError(f"{path}: no coordinate time; add the time of every sample, with units 's' or 'ms'.")
    coordinate = dataset["time"]
    given = str(coordinate.attrs.get("units", "")).strip().lower()
    scale = TIME_UNITS.get(given, TIME_UNITS.get(given.removesuffix("s")))
    if scale is None:
        raise DataFileError(f"{path}, coordinate time: units are {given or 'missing'!r}; set them to 's' or 'ms'.")
    time = np.asarray(coordinate.values, float) * scale
    digits = 6 if coordinate.dtype == np.float32 else 12
    dt, start = uniform_step(time, f"{path}, coordinate time", digits=digits)
    if not is_plausible(dt):
        looks = "milliseconds" if dt > 0.5 else "seconds"
        raise DataFileError(
            f"{path}, coordinate time: with units {given!r} the step is {dt:g} s; the values look like "
            f"{looks}; "
            "correct the units attribute."
        )
    return dt, start


def _condition_labels(dataset: xr.Dataset, path: Path) -> list[str]:
    """Angles in degrees where a coordinate has such units, otherwise the coordinate `condition` as it is."""
    along = [str(name) for name, variable in dataset.variables.items() if variable.dims == ("condition",)]
    angular = {name: _degrees_per_unit(dataset[name].attrs.get("units")) for name in along}
    angular = {name: factor for name, factor in angular.items() if factor is not None}
    preferred = [name for name in ("condition", "direction") if name in angular] or list(angular)
    if len(preferred) > 1 and not {"condition", "direction"} & set(preferred):
        raise DataFileError(f"{path}: several angles by condition ({', '.join(preferred)}); name one 'direction'.")
    if preferred:
        name = preferred[0]
        angles = np.asarray(dataset[name].values, float) * angular[name]
        if not np.isfinite(angles).all():
            raise DataFileError(f"{path}, coordinate {name}: angles that are not finite; fill them in.")
        return [f"{np.round(angle, 6) % 360:.9g}" for angle in angles]
    values = dataset["condition"].values
    is_number = np.issubdtype(values.dtype, np.number)
    return [f"{value:.9g}" if is_number else str(value) for value in values]


def _degrees_per_unit(units: object) -> float | None:
    name = str(units or "").strip().lower()
    return ANGLE_UNITS.get(name, ANGLE_UNITS.get(name.removesuffix("s")))


def _outputs(dataset: xr.Dataset, asked: str | None, path: Path) -> np.ndarray | None:
    """Behavior, (condition, time, output), or None where there is none."""
    names = [name for name in ([asked] if asked else BEHAVIORS) if name in dataset.data_vars]
    if not names:
        if asked:
            have = ", ".join(str(name) for name in dataset.data_vars)
            raise DataFileError(f"{path}: no variable is called {asked!r}; the file has {have}.")
        return None
    if len(names) > 1:
        raise DataFileError(f"{path}: both {' and '.join(names)} are there; say which with outputs=.")
    variable = dataset[names[0]]
    channels = [name for name in variable.dims if name not in DIMENSIONS]
    if variable.ndim != 3 or len(channels) != 1 or set(variable.dims) - set(channels) != {"condition", "time"}:
        raise DataFileError(
            f"{path}, variable {names[0]}: dimensions are {', '.join(map(str, variable.dims))}; expected "
            "condition, "
            "time and one of its own, on the clock of the rates; resample it to their time axis."
        )
    values = np.asarray(variable.transpose("condition", "time", channels[0]).values, float)
    if not np.isfinite(values).all():
        condition, time, channel = (int(i) for i in np.argwhere(~np.isfinite(values))[0])
        raise DataFileError(
            f"{path}, variable {names[0]}: not finite, first at condition {condition}, time index {time}, "
            "channel "
            f"{channel}; repair it first."
        )
    return values
