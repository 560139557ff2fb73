"""Numbers of a mechanism against how many units were recorded."""

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from recirc.analyses import select
from recirc.figures.labels import label
from recirc.figures.style import FAINT, INK, MUTED, PALETTE, log_scale, panels, styled


@styled
def numbers_against_size(numbers: xr.DataArray, table: pd.DataFrame, *, longest: float | None = None) -> Figure:
    """A panel per number: a dot per subset, means joined, and what is extrapolated to all units with its interval.

    Args:
        numbers: (number, subset_size, subset); of all units there is one subset.
        table: of an analysis, with a row "unit_subsets" of every number for "all" units.
        longest: the longest time constant that can be told, s.

    Example:
        >>> import numpy as np
        >>> import xarray as xr
        >>> random, sizes = np.random.default_rng(0), np.array([10, 20, 40])
        >>> values = 0.2 + 2 / sizes[:, None] + random.normal(0, 0.02, (1, 3, 8))
        >>> coordinates = {"number": ["nonnormality"], "subset_size": sizes}
        >>> numbers = xr.DataArray(values, coordinates, ("number", "subset_size", "subset"))
        >>> where = {"set": "unit_subsets", "n_units": "all"}
        >>> row = recirc.analyses.Row("nonnormality", "mechanism", "network", 0.2, (0.15, 0.25), condition=where)
        >>> figure = recirc.figures.numbers_against_size(numbers, recirc.analyses.frame([row]))
    """
    figure, grid = panels(1, numbers.sizes["number"], height=2.6)
    sizes = numbers["subset_size"].values
    last = sizes[-1] * 1.25
    for axes, name in zip(grid[0], numbers["number"].values):
        values = numbers.sel(number=name).values
        for size, each in zip(sizes, values):
            axes.plot(np.full(len(each), size), each, ".", color=MUTED, markersize=4, alpha=0.6)
        is_seconds = name == "slowest_mode_s"
        means = np.exp(np.nanmean(np.log(values), axis=1)) if is_seconds else np.nanmean(values, axis=1)
        axes.plot(sizes, means, color=PALETTE[0], marker="o", markersize=3.5)
        row = select(table, name, set="unit_subsets", n_units="all").iloc[0]
        low, high = (row["low"], row["high"]) if not is_seconds else np.clip([row["low"], row["high"]], 1e-3, 1e3)
        axes.plot([last, last], [low, high], color=INK, linewidth=1)
        axes.plot(last, row["value"], "D", color=INK, markersize=4, mfc="white")
        if is_seconds:
            log_scale(axes, "y")
            if longest is not None:
                axes.axhline(longest, color=FAINT, linewidth=0.8, linestyle="--")
        axes.set(ylabel=label(str(name)), xticks=[*sizes, last])
        axes.set_xticklabels([*map(str, sizes), "whole"])
    figure.supxlabel("recorded units that are fitted")
    return figure
