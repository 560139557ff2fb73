"""What networks produce against what they were asked for."""

from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from recirc.figures.style import color, key, label, panels, shorten, styled, time_label

_MOST = 8


@styled
def target_against_output(target: xr.DataArray, outputs: xr.DataArray, *, arms: Sequence[str] | None = None) -> Figure:
    """Target and output over time: a row per output, a column per condition, a line per arm.

    Args:
        target: (condition, time, output), with coordinates `condition` (labels) and `time` and attribute
            `units`; names of outputs in coordinate `output`, if they have any.
        outputs: (arm, condition, time, output), with coordinate `arm`; one network per arm.
        arms: which, and in which order; all if omitted. The last is drawn on top.

    Of more than 8 conditions, 8 spread evenly over their order are shown.
    """
    names = list(outputs["arm"].values) if arms is None else list(arms)
    shown = np.unique(np.linspace(0, target.sizes["condition"] - 1, _MOST).round().astype(int))
    n_rows = target.sizes["output"]
    figure, grid = panels(n_rows, len(shown), height=0.75 + 1.0 * n_rows, sharex=True, sharey="row")
    time = target["time"].values
    for row in range(n_rows):
        for column, condition in enumerate(shown):
            axes, place = grid[row, column], {"condition": condition, "output": row}
            axes.axhline(0, color="#e8e8e8", linewidth=0.6, zorder=0)
            axes.plot(time, target.isel(place), color="#c9c9c9", linewidth=3.2)
            for name in names:
                axes.plot(time, outputs.sel(arm=name).isel(place), color=color(str(name)), linewidth=0.9)
            if row == 0:
                axes.set_title(_heading(target["condition"].values[condition]), loc="center")
        units = target.attrs.get("units", "")
        name = shorten(str(target["output"].values[row]) if "output" in target.coords else f"output {row + 1}", 16)
        grid[row, 0].set_ylabel(f"{name}\n({units})" if units else name)
    figure.supxlabel(time_label(target))
    looks = [(label(str(name)), {"color": color(str(name))}) for name in names]
    key(figure, [("target", {"color": "#8f8f8f", "linewidth": 3.2}), *looks])
    return figure


def _heading(condition) -> str:
    try:
        return f"{float(condition):g}°"
    except ValueError:
        return shorten(str(condition), 12)
