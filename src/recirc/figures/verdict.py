"""Units and rotations of networks beside those of what they are compared with."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from recirc.analyses import AnalysisResult, select
from recirc.compare import JPCA, soft_constant
from recirc.figures.drawings import DRAWINGS
from recirc.figures.planes import Plane, jpca_planes
from recirc.figures.units import EpochRates, psths
from recirc.types import Activity


class Shown(NamedTuple):
    """A network: what it is called, its rates (condition, time, network_unit), and its part of the result's table."""

    title: str
    rates: xr.DataArray
    numbers: pd.DataFrame


def units_beside(
    result: AnalysisResult, networks: Sequence[Shown], *, zero: str = "time 0", go: float | None = None
) -> Figure:
    """Units of the reference, and those of networks at the same ranks of movement tuning; as `psths`."""
    preparation, movement = (tuple(result.about["config"][name]) for name in ("preparation", "movement"))
    panels = [EpochRates("reference", result.arrays["target_rates"], preparation, movement)]
    for title, rates, _ in networks:
        own = rates.reset_coords(drop=True).rename(network_unit="unit")
        own = own.assign_coords(unit=[str(i) for i in range(own.sizes["unit"])])
        panels.append(EpochRates(title, own, preparation, movement, go=go))
    return psths(panels, zero=zero)


def rotations_beside(result: AnalysisResult, networks: Sequence[Shown]) -> Figure:
    """The plane of the fastest rotation in the reference and in networks, each with its numbers; as `jpca_planes`."""
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
        caption = (
            f"R² skew {found.r2_skew:.2f}, ratio {ratio:.2f} (p {chance:.2g}), {found.frequency_hz[0]:.1f} Hz, "
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


DRAWINGS["verdict"] = {
    "units": lambda result: units_beside(result, _network(result)),
    "rotations": lambda result: rotations_beside(result, _network(result)),
}
