"""Which figures an analysis has, and how each is drawn from its result alone."""

import difflib
from collections.abc import Callable

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from recirc.analyses.result import AnalysisResult
from recirc.figures.directions import r2_by_direction
from recirc.figures.muscles import target_against_output
from recirc.figures.trajectories import principal_components
from recirc.figures.units import example_units


class NothingToDraw(ValueError):
    """The result lacks what the figure shows."""


def draw(result: AnalysisResult, name: str) -> Figure:
    """Draw one figure of an analysis.

    Args:
        result: of the analysis; its `study` says which figures there are.
        name: of the figure.

    Raises:
        NothingToDraw: if the result lacks what the figure shows.
        ValueError: if the analysis has no figure of this name.
    """
    ways = DRAWINGS.get(result.study, {})
    if name not in ways:
        near = difflib.get_close_matches(name, ways, 1)
        meant = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"{result.study} has no figure {name!r}.{meant} It has: {', '.join(ways) or 'none'}.")
    return ways[name](result)


def array_of(result: AnalysisResult, name: str) -> xr.DataArray:
    """A labelled array of a result.

    Raises:
        NothingToDraw: if there is none of this name.
    """
    if name not in result.arrays:
        raise NothingToDraw(f"the result of {result.study} holds no {name!r} to draw.")
    return result.arrays[name]


def _prediction(result: AnalysisResult) -> xr.DataArray:
    """What the networks of all seeds made together of the directions that they did not see."""
    ensemble = array_of(result, "prediction").mean("seed", keep_attrs=True)
    if not np.isfinite(ensemble.values).all():
        raise NothingToDraw("no network gave a finite prediction in some direction.")
    return ensemble


def _predicted_units(result: AnalysisResult) -> Figure:
    names = ("recorded", "predicted")
    return example_units(array_of(result, "target_rates"), _prediction(result), n_each=6, names=names)


def _predicted_components(result: AnalysisResult) -> Figure:
    target = array_of(result, "target_rates")
    scale = target.max(("condition", "time")) - target.min(("condition", "time"))
    scale = scale + result.about.get("soft_normalization", 5.0)
    predicted = (_prediction(result) / scale).expand_dims(arm=["predicted"])
    return principal_components(target / scale, predicted, name="recording")


def _outputs_while_left_out(result: AnalysisResult) -> Figure:
    target = array_of(result, "target_outputs").drop_attrs()
    own = xr.DataArray(np.arange(target.sizes["condition"]), dims="condition")
    made = array_of(result, "outputs").isel(left_out=own, condition=own).mean("seed").transpose(*target.dims)
    return target_against_output(target, target.copy(data=made.values).expand_dims(arm=["network"]))


def _two_activities(result: AnalysisResult) -> Figure:
    a, b = (array_of(result, name).rename({f"{name}_unit": "unit"}).drop_vars("unit") for name in ("a", "b"))
    return principal_components(a, b.expand_dims(arm=["second"]), name="first")


DRAWINGS: dict[str, dict[str, Callable[[AnalysisResult], Figure]]] = {
    "fit": {
        "r2_by_direction": lambda result: r2_by_direction(result.table),
        "example_units": _predicted_units,
        "principal_components": _predicted_components,
        "outputs": _outputs_while_left_out,
    },
    "compare": {"principal_components": _two_activities},
}
