"""Single units of a circuit and what a network says they do."""

from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from recirc.figures.style import (
    INK,
    angles,
    direction_color,
    direction_wheel,
    panels,
    shorten,
    styled,
    time_label,
)


@styled
def example_units(
    circuit: xr.DataArray,
    prediction: xr.DataArray,
    *,
    recorded: Sequence[str] = (),
    n_each: int = 3,
    names: tuple[str, str] = ("circuit", "network"),
) -> Figure:
    """Rates of example units, one line per condition: the circuit above, the network's prediction below.

    Units are chosen by rank of R², the same for every group, so that bad ones show too: of 3, one near the
    best, the median and one near the worst.

    Args:
        circuit: (condition, time, unit), with coordinates `condition`, `time`, `unit` and attribute `units`.
        prediction: the same of the network's linear map, same order.
        recorded: names of the units that training saw; the others form a group of their own.
        n_each: how many of each group.
        names: what to call the two rows.
    """
    seen = np.isin(circuit["unit"].values.astype(str), np.asarray(list(recorded), str))
    r2 = _r2(circuit.values, prediction.values)
    groups = [("recorded", _spread(r2, seen, n_each)), ("not recorded", _spread(r2, ~seen, n_each))]
    columns = [(group, unit, rank == 0) for group, units in groups for rank, unit in enumerate(units)]
    ratios = [*np.ones(len(columns)), 0.55]
    figure, grid = panels(
        2, len(ratios), height=2.5, sharex=True, sharey="col", gridspec_kw={"width_ratios": ratios}
    )
    degrees = angles(circuit["condition"].values)
    for column, (group, unit, is_first) in enumerate(columns):
        for axes, rates in ((grid[0, column], circuit), (grid[1, column], prediction)):
            for angle, line in zip(degrees, rates.isel(unit=unit).values):
                axes.plot(rates["time"].values, line, color=direction_color(angle), linewidth=0.8)
        name = str(circuit["unit"].values[unit])
        name = f"unit {name}" if len(name) < 6 else shorten(name, 13)
        lines = [f"{group}:" if is_first else "", name, f"R² {r2[unit]:.2f}"]
        grid[0, column].set_title("\n".join(lines), loc="left", linespacing=1.3)
    units = circuit.attrs.get("units", "")
    for axes, name in zip(grid[:, 0], names):
        axes.set_ylabel(f"{name}\nrate ({units})" if units else f"{name}\nrate")
    grid[1, -1].axis("off")
    direction_wheel(grid[0, -1], degrees)
    figure.supxlabel(time_label(circuit), fontsize=7.5, color=INK)
    return figure


def _r2(truth: np.ndarray, guess: np.ndarray) -> np.ndarray:
    """Share of a unit's variance over conditions and time that the prediction explains."""
    error = ((truth - guess) ** 2).sum((0, 1))
    total = ((truth - truth.mean((0, 1))) ** 2).sum((0, 1))
    return 1 - error / np.where(total > 0, total, np.nan)


def _spread(r2: np.ndarray, members: np.ndarray, n_each: int) -> list[int]:
    """Members at evenly spread ranks of R², best first; constant units never."""
    ranked = np.flatnonzero(members & np.isfinite(r2))
    ranked = ranked[np.argsort(-r2[ranked], kind="stable")]
    if len(ranked) <= n_each:
        return ranked.tolist()
    places = np.linspace(0.1, 0.9, n_each) if n_each > 1 else np.array([0.5])
    return ranked[(places * (len(ranked) - 1)).round().astype(int)].tolist()
