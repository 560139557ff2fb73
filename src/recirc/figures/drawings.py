"""Which figures an analysis has, and how each is drawn from its result alone."""

import difflib
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from recirc.analyses import AnalysisResult, select
from recirc.arguments import check_kind
from recirc.compare import JPCA, soft_constant
from recirc.figures.chance import against_chance
from recirc.figures.flow import principal_components
from recirc.figures.fraction import r2_by_direction
from recirc.figures.planes import Plane, jpca_planes
from recirc.figures.style import NothingToDraw
from recirc.figures.subsets import numbers_against_size
from recirc.figures.sweeps import heat_maps, measures_by_axis
from recirc.figures.units import EpochRates, example_units, psths, target_against_output
from recirc.types import Activity


def draw(result: AnalysisResult, name: str) -> Figure:
    """Draw one figure of an analysis.

    Args:
        result: of the analysis; its `study` says which figures there are.
        name: of the figure.

    Raises:
        NothingToDraw: if the result lacks what the figure shows.
        TypeError: if it is no result.
        ValueError: if the analysis has no figure of this name.

    Example:
        >>> import numpy as np
        >>> import xarray as xr
        >>> theta, time = np.deg2rad(45 * np.arange(8))[:, None, None], 0.01 * np.arange(50)[:, None]
        >>> rates = 9 + 5 * np.cos(theta - np.arange(12)) * np.sin(9 * time + np.arange(12) ** 2)
        >>> a = recirc.Activity(rates, dt=0.01, conditions=45 * np.arange(8)).to_xarray()["rates"]
        >>> arrays = {"a": a.rename(unit="a_unit"), "b": a.rename(unit="b_unit")}
        >>> result = recirc.analyses.AnalysisResult("compare", (), arrays=xr.Dataset(arrays))
        >>> figure = recirc.figures.draw(result, "principal_components")
    """
    check_kind(AnalysisResult, "what recirc.analyses gave, an AnalysisResult", result=result)
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

    Example:
        >>> import xarray as xr
        >>> rates = xr.DataArray([1.0, 2.0], dims="time")
        >>> result = recirc.analyses.AnalysisResult("fit", (), arrays=xr.Dataset({"prediction": rates}))
        >>> array_of(result, "prediction").sizes["time"]
        2
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


def _predicted_components(result: AnalysisResult) -> Figure:
    target = array_of(result, "target_rates")
    span = target.max(("condition", "time")) - target.min(("condition", "time"))
    scale = span + result.about.get("soft_normalization", 5.0)
    predicted = (_prediction(result) / scale).expand_dims(arm=["predicted"])
    return principal_components(target / scale, predicted, name="recording")


def _outputs_while_left_out(result: AnalysisResult) -> Figure:
    target = array_of(result, "target_outputs").drop_attrs()
    own = xr.DataArray(np.arange(target.sizes["condition"]), dims="condition")
    group = result.arrays.get("group", own).drop_vars("condition", errors="ignore")  # older folders have none
    made = array_of(result, "outputs").isel(left_out=group, condition=own).mean("seed").transpose(*target.dims)
    return target_against_output(target, target.copy(data=made.values).expand_dims(arm=["network"]))


def _two_activities(result: AnalysisResult) -> Figure:
    a, b = (array_of(result, name).rename({f"{name}_unit": "unit"}).drop_vars("unit") for name in ("a", "b"))
    return principal_components(a, b.expand_dims(arm=["second"]), name="first")


class Shown(NamedTuple):
    """A network: what it is called, its rates (condition, time, network_unit), and its part of the result's table.

    Example:
        >>> import pandas as pd
        >>> rates = recirc.Activity([[[1.0], [2.0]]], dt=0.1, conditions=["0"]).to_xarray()["rates"]
        >>> Shown("tanh, seed 0", rates.rename(unit="network_unit"), pd.DataFrame()).title
        'tanh, seed 0'
    """

    title: str
    rates: xr.DataArray
    numbers: pd.DataFrame


def units_beside(
    result: AnalysisResult, networks: Sequence[Shown], *, zero: str = "time 0", go: float | None = None
) -> Figure:
    """Units of the reference, and those of networks at the same ranks of movement tuning; as `psths`.

    Example:
        >>> import numpy as np
        >>> theta, time = np.deg2rad(45 * np.arange(8))[:, None, None], 0.01 * np.arange(-40, 50)[:, None]
        >>> rates = 9 + 5 * np.exp(-(((time - np.linspace(-0.3, 0.4, 12)) / 0.1) ** 2)) * np.cos(theta - np.arange(12))
        >>> arrays = recirc.Activity(rates, dt=0.01, start=-0.4, conditions=45 * np.arange(8)).to_xarray()
        >>> about = {"config": {"preparation": (-0.4, -0.1), "movement": (0.0, 0.4)}}
        >>> target = arrays.rename(rates="target_rates")
        >>> result = recirc.analyses.AnalysisResult("verdict", (), arrays=target, about=about)
        >>> network = recirc.figures.Shown("network", (arrays["rates"] / 10).rename(unit="network_unit"), result.table)
        >>> figure = recirc.figures.units_beside(result, [network])
    """
    preparation, movement = (tuple(result.about["config"][name]) for name in ("preparation", "movement"))
    panels = [EpochRates("reference", result.arrays["target_rates"], preparation, movement)]
    for title, rates, _ in networks:
        own = rates.reset_coords(drop=True).rename(network_unit="unit")
        own = own.assign_coords(unit=[str(i) for i in range(own.sizes["unit"])])
        panels.append(EpochRates(title, own, preparation, movement, go=go))
    return psths(panels, zero=zero)


def rotations_beside(result: AnalysisResult, networks: Sequence[Shown]) -> Figure:
    """The plane of the fastest rotation in the reference and in networks, each with its numbers; as `jpca_planes`.

    Example:
        >>> import numpy as np
        >>> theta, time = np.deg2rad(45 * np.arange(8))[:, None, None], 0.01 * np.arange(-10, 50)[:, None]
        >>> rates = 20 + 5 * np.cos(theta - np.arange(12) + (6 + np.arange(12)) * time) * (1 + time)
        >>> arrays = recirc.Activity(rates, dt=0.01, start=-0.1, conditions=45 * np.arange(8)).to_xarray()
        >>> about = {"config": {"rotation": (0.0, 0.4), "soft": 5.0}}
        >>> target = arrays.rename(rates="target_rates")
        >>> result = recirc.analyses.AnalysisResult("verdict", (), arrays=target, about=about)
        >>> network = recirc.figures.Shown("network", arrays["rates"].rename(unit="network_unit"), result.table)
        >>> figure = recirc.figures.rotations_beside(result, [network])
    """
    (start, stop), soft = result.about["config"]["rotation"], result.about["config"]["soft"]
    theirs = _activity(result.arrays["target_rates"])
    planes = []
    for title, a, numbers in (
        ("reference", theirs, select(result.table, arm="reference")),
        *((title, _activity(rates), numbers) for title, rates, numbers in networks),
    ):
        found = JPCA(soft=soft_constant(a, theirs, soft), start=start, stop=stop).fit(a)
        row = select(numbers, "jpca_ratio").reindex(columns=["value", "null_p"]).to_numpy()
        ratio, chance = row[0] if len(row) else (np.nan, np.nan)
        of_chance = f"ratio {ratio:.2f} (p {chance:.2g}), " if np.isfinite(ratio) else ""
        caption = (
            f"R² skew {found.r2_skew:.2f}, {of_chance}{found.frequency_hz[0]:.1f} Hz, "
            f"{found.variance[0]:.0%} of variance, {found.start:.2f} to {found.stop:.2f} s"
        )
        planes.append(Plane(title, found.project(a)[:, :, :2], a.conditions, caption))
    return jpca_planes(planes)


def _activity(rates: xr.DataArray) -> Activity:
    """The units that change; silent ones are counted in the scores."""
    time, values = rates["time"].values, rates.values.astype(float)
    dt = float(np.median(np.diff(time)))
    values = values[:, :, np.ptp(values, axis=(0, 1)) > 0]
    return Activity(values, dt=dt, conditions=rates["condition"].values.tolist(), start=float(time[0]) - dt)


def _network(result: AnalysisResult) -> list[Shown]:
    return [Shown("network", result.arrays["rates"], select(result.table, arm="network"))]


DRAWINGS: dict[str, dict[str, Callable[[AnalysisResult], Figure]]] = {
    "fit": {
        "r2_by_direction": lambda result: r2_by_direction(result.table),
        "example_units": lambda result: example_units(
            array_of(result, "target_rates"), _prediction(result), n_each=6, names=("recorded", "predicted")
        ),
        "principal_components": _predicted_components,
        "outputs": _outputs_while_left_out,
        "subsets": lambda result: numbers_against_size(
            array_of(result, "subset_numbers"), result.table, longest=result.about.get("trial_s")
        ),
    },
    "compare": {
        "against_chance": lambda result: against_chance(
            result.table, [claim.claim.partition(":")[0] for claim in result.claims if claim.supported]
        ),
        "principal_components": _two_activities,
    },
    "sweep": {"measures_by_axis": measures_by_axis, "heat_maps": heat_maps},
    "verdict": {
        "units": lambda result: units_beside(result, _network(result)),
        "rotations": lambda result: rotations_beside(result, _network(result)),
    },
}
