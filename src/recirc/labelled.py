"""Labelled arrays (xarray) to and from what an activity is made of, with a sentence for whatever does not fit."""

import difflib
from typing import Any

import numpy as np
import xarray as xr

from recirc.arguments import check_kind, label

DIMENSIONS = ("condition", "time", "unit")
RATE_UNITS = ("spikes/s", "spike/s", "spikes s-1", "spikes/second", "hz", "1/s", "s-1", "s^-1")
TIME_UNITS = {"s": 1.0, "sec": 1.0, "second": 1.0, "ms": 1e-3, "msec": 1e-3, "millisecond": 1e-3}
ANGLE_UNITS = {"degree": 1.0, "deg": 1.0, "°": 1.0, "radian": 180 / np.pi, "rad": 180 / np.pi}
BEHAVIORS = ("outputs", "velocity")
TAKEN = (*DIMENSIONS, "output", "event", "rates", "outputs", "velocity", "standard_error", "trial_counts", "events")
FEWEST_SAMPLES = 5


def dataset_of(activity: Any) -> xr.Dataset:
    """What `Activity.to_xarray` gives."""
    if clash := [name for name in activity.covariates if name in TAKEN]:
        raise ValueError(f"a covariate is called {clash[0]!r}, which is the name of another part; rename it.")
    coordinates: dict[str, tuple] = {
        "condition": ("condition", np.array(activity.conditions, object), {"long_name": "condition label"}),
        "time": ("time", activity.time, {"units": "s", "long_name": "end of the time bin"}),
        "unit": ("unit", np.array(activity.units, object)),
    }
    for name, values in activity.covariates.items():
        axes = [f"{name}_{axis}" for axis in range(1, values.ndim)]
        if values.shape[1:2] == activity.rates.shape[1:2]:
            axes[0] = "time"
        coordinates[name] = (("condition", *axes), values)
    variables: dict[str, tuple] = {"rates": (DIMENSIONS, np.asarray(activity.rates), {"units": "spikes/s"})}
    if activity.outputs is not None and activity.outputs.shape[2]:
        variables["outputs"] = ((*DIMENSIONS[:2], "output"), np.asarray(activity.outputs), {"units": "unknown"})
    if activity.standard_error is not None:
        variables["standard_error"] = (DIMENSIONS, np.asarray(activity.standard_error), {"units": "spikes/s"})
    if activity.trial_counts:
        variables["trial_counts"] = ("condition", np.array(activity.trial_counts), {"units": "1"})
    if activity.events:
        coordinates["event"] = ("event", np.array(list(activity.events), object))
        variables["events"] = ("event", np.array(list(activity.events.values()), float), {"units": "s"})
    return xr.Dataset(variables, coordinates, {"notes": list(activity.notes)} if activity.notes else None)


def arguments_from(dataset: xr.Dataset, *, outputs: str | None = None) -> dict[str, Any]:
    """Arguments of the constructor of an activity, its rates in spikes/s; all as `Activity.from_xarray` says."""
    check_kind(xr.Dataset, "a Dataset, such as array.to_dataset(name='rates')", dataset=dataset)
    rates = _rates(dataset)
    dt, start = _time_axis(dataset)
    found: dict[str, Any] = {"rates": rates, "dt": dt, "start": start, "conditions": _condition_labels(dataset)}
    found |= {"units": [str(name) for name in dataset["unit"].values], "outputs": _outputs(dataset, outputs)}
    dims = {str(name): tuple(map(str, variable.dims)) for name, variable in dataset.variables.items()}
    if set(dims.get("standard_error", ())) == set(DIMENSIONS):
        found["standard_error"] = _numbers(dataset["standard_error"].transpose(*DIMENSIONS), "variable standard_error")
    if dims.get("trial_counts") == ("condition",):
        found["trial_counts"] = dataset["trial_counts"].values.tolist()
    if dims.get("events") == ("event",):
        found["events"] = dict(zip(map(str, dataset["event"].values), dataset["events"].values.tolist()))
    found["covariates"] = {
        name: dataset[name].values
        for name, (first, *others) in ((name, axes) for name, axes in dims.items() if axes)
        if first == "condition" and name not in TAKEN
        if all(axis.startswith(f"{name}_") for axis in others[others[:1] == ["time"] :])
    }
    found["notes"] = [str(note) for note in np.atleast_1d(dataset.attrs.get("notes", []))]
    return found


def uniform_step(time: np.ndarray, where: str, *, digits: int = 12) -> tuple[float, float]:
    """Step and start, seconds, of a time axis that gives the end of every bin; ValueError if steps are not equal."""
    check_samples(time.size, where)
    dt = float(f"{(time[-1] - time[0]) / (time.size - 1):.{digits}g}")
    wrong = np.flatnonzero(~(np.abs(np.diff(time) - dt) < 1e-3 * abs(dt)))
    if dt <= 0 or wrong.size:
        i = int(wrong[0]) if wrong.size else 0
        found = f"samples {i} and {i + 1} are at {time[i]:g} and {time[i + 1]:g} s, the mean step is {dt:g} s"
        raise ValueError(f"{where}: time is not uniform and rising; {found}; resample to a uniform axis first.")
    return dt, round(float(time[0]), digits) - dt


def check_samples(n_samples: int, where: str) -> None:
    """Raise ValueError if there are fewer than five samples."""
    if n_samples < FEWEST_SAMPLES:
        raise ValueError(f"{where}: {n_samples} time samples; at least {FEWEST_SAMPLES} are needed.")


def is_plausible(dt: float) -> bool:
    """Whether a step, taken in seconds, is one of neural data."""
    return 1e-4 <= dt <= 0.5


def _rates(dataset: xr.Dataset) -> np.ndarray:
    """The rates, (condition, time, unit), from the one variable with these dimensions."""
    whole = [str(name) for name, variable in dataset.data_vars.items() if set(variable.dims) == set(DIMENSIONS)]
    if not (names := [name for name in whole if name != "standard_error"]):
        raise ValueError(_missing_dimensions(dataset))
    if len(names) > 1 and "rates" not in names:
        raise ValueError(f"several variables could be the rates ({', '.join(names)}); name one 'rates'.")
    name, divide = "rates" if "rates" in names else names[0], "by the bin width in seconds"
    where, mend = f"variable {name}", f'set dataset["{name}"].attrs["units"] = "spikes/s"'
    given = str(dataset[name].attrs.get("units", "")).strip()
    if not given:
        told = f"if the values are spikes per second, {mend}; if they are counts per bin, divide them {divide} first."
        raise ValueError(f"{where}: no units attribute; {told}")
    if "count" in given.lower() or "bin" in given.lower():
        raise ValueError(f"{where}: units are {given!r}, expected spikes/s; divide the values {divide} and {mend}.")
    if given.lower() not in RATE_UNITS:
        raise ValueError(f"{where}: units are {given!r}, expected spikes/s, Hz or 1/s; convert the values and {mend}.")
    return _numbers(dataset[name].transpose(*DIMENSIONS), where)


def _missing_dimensions(dataset: xr.Dataset) -> str:
    present, needed = [str(name) for name in dataset.dims], ", ".join(DIMENSIONS)
    others = [name for name in present if name not in DIMENSIONS]
    hints = []
    for name in (name for name in DIMENSIONS if name not in present):
        near = difflib.get_close_matches(name, others, n=1, cutoff=0.5)
        hints.append(f"{name!r} (did you mean {near[0]!r}? rename it)" if near else repr(name))
    if hints:
        have = f"the dataset has {', '.join(present) or 'none'}"
        return f"no dimension is called {' or '.join(hints)}; {have}; rates need the dimensions {needed}."
    shapes = "; ".join(f"{name} has {', '.join(map(str, v.dims))}" for name, v in dataset.data_vars.items())
    return f"no variable has the dimensions {needed} together ({shapes}); add it."


def _time_axis(dataset: xr.Dataset) -> tuple[float, float]:
    """Step and start, seconds."""
    if "time" not in dataset.coords:
        raise ValueError("no coordinate time; add the time of every sample, with units 's' or 'ms'.")
    coordinate, where = dataset["time"], "coordinate time"
    given, scale = _unit_of(coordinate, TIME_UNITS)
    if scale is None:
        raise ValueError(f"{where}: units are {given or 'missing'!r}; set them to 's' or 'ms'.")
    time = _numbers(coordinate, where) * scale
    dt, start = uniform_step(time, where, digits=6 if coordinate.dtype == np.float32 else 12)
    if not is_plausible(dt):
        looks = f"the values look like {'milliseconds' if dt > 0.5 else 'seconds'}"
        raise ValueError(f"{where}: with units {given!r} the step is {dt:g} s; {looks}; correct the units attribute.")
    return dt, start


def _unit_of(array: xr.DataArray, units: dict[str, float]) -> tuple[str, float | None]:
    """The unit that an array says it has, and its size if it is one of these, in the plural too."""
    given = str(array.attrs.get("units") or "").strip().lower()
    return given, units.get(given, units.get(given.removesuffix("s")))


def _condition_labels(dataset: xr.Dataset) -> list[str]:
    """Angles in degrees where a coordinate has such units, otherwise the coordinate `condition` as it is."""
    along = [str(name) for name, variable in dataset.variables.items() if variable.dims == ("condition",)]
    sizes = {name: _unit_of(dataset[name], ANGLE_UNITS)[1] for name in along}
    angular = {name: size for name, size in sizes.items() if size is not None}
    preferred = [name for name in ("condition", "direction") if name in angular] or list(angular)
    if len(preferred) > 1 and not {"condition", "direction"} & set(preferred):
        raise ValueError(f"several angles by condition ({', '.join(preferred)}); name one 'direction'.")
    if preferred:
        name = preferred[0]
        angles = _numbers(dataset[name], f"coordinate {name}") * angular[name]
        if not np.isfinite(angles).all():
            raise ValueError(f"coordinate {name}: angles that are not finite; fill them in.")
        return [f"{np.round(angle, 6) % 360:.9g}" for angle in angles]
    return [label(value) for value in dataset["condition"].values]


def _outputs(dataset: xr.Dataset, asked: str | None) -> np.ndarray | None:
    """Behavior, (condition, time, output), or None where there is none."""
    names = [name for name in ([asked] if asked else BEHAVIORS) if name in dataset.data_vars]
    if asked and not names:
        raise ValueError(f"no variable is called {asked!r}; the dataset has {', '.join(map(str, dataset.data_vars))}.")
    if not names:
        return None
    if len(names) > 1:
        raise ValueError(f"both {' and '.join(names)} are there; say which with outputs=.")
    variable, where = dataset[names[0]], f"variable {names[0]}"
    channels = [name for name in variable.dims if name not in DIMENSIONS]
    if variable.ndim != 3 or len(channels) != 1 or "unit" in variable.dims:
        expected = "expected condition, time and one of its own, on the clock of the rates"
        have = ", ".join(map(str, variable.dims))
        raise ValueError(f"{where}: dimensions are {have}; {expected}; resample it to their time axis.")
    values = _numbers(variable.transpose("condition", "time", channels[0]), where)
    check_behavior(values, where)
    return values


def check_behavior(values: np.ndarray, where: str) -> None:
    """Raise ValueError unless behavior, (condition, time, output), is finite."""
    for condition, time, channel in np.argwhere(~np.isfinite(values))[:1]:
        first = f"first at condition {condition}, time index {time}, channel {channel}"
        raise ValueError(f"{where}: not finite, {first}; repair it first.")


def _numbers(array: xr.DataArray, where: str) -> np.ndarray:
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{where}: values of type {array.dtype}, expected numbers.")
    return np.asarray(array.values, float)
