"""The first look at a session: spikes by trial, and average rates with their errors."""

from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from recirc.figures.style import (
    INK,
    MUTED,
    angles,
    direction_color,
    direction_wheel,
    panels,
    shorten,
    styled,
    time_label,
)


@styled
def rasters(
    spikes: Sequence[Sequence[np.ndarray]],
    labels: Sequence[str],
    rates: xr.DataArray,
    standard_error: xr.DataArray,
    *,
    event: str = "",
) -> Figure:
    """Spikes of some units, one row per trial and trials sorted by condition, above their average rates.

    Args:
        spikes: for every unit the spike times of every trial, seconds from the event.
        labels: condition of every trial.
        rates: (condition, time, unit) averages of the same units, with coordinates and attribute `units`.
        standard_error: the same, shaded; nan where not known.
        event: what happens at time 0.
    """
    conditions = [str(name) for name in rates["condition"].values]
    colors = dict(zip(conditions, map(direction_color, angles(conditions))))
    order = [i for name in conditions for i, label in enumerate(labels) if label == name]
    ratios = [*np.ones(len(spikes)), 0.55]
    figure, grid = panels(
        2, len(ratios), height=3.4, sharex=True, gridspec_kw={"width_ratios": ratios, "height_ratios": [1.4, 1]}
    )
    time = rates["time"].values
    half = (time[1] - time[0]) / 2
    for column, unit in enumerate(spikes):
        above, below = grid[:, column]
        trials = [unit[i] for i in order]
        above.eventplot(trials, colors=[colors[labels[i]] for i in order], linelengths=0.9, linewidths=0.5)
        above.set(ylim=(len(order) - 0.5, -0.5), yticks=[], xlim=(time[0] - half, time[-1] + half))
        above.set_title(shorten(str(rates["unit"].values[column]), 13), loc="left")
        for name, mean, error in zip(conditions, rates.values, standard_error.values):
            below.plot(time, mean[:, column], color=colors[name], linewidth=0.9)
            low, high = mean[:, column] - error[:, column], mean[:, column] + error[:, column]
            below.fill_between(time, low, high, color=colors[name], alpha=0.2, linewidth=0)
        below.set_ylim(bottom=0)
        for axes in (above, below):
            axes.axvline(0, color=MUTED, linewidth=0.6, zorder=0)
    grid[0, 0].set_ylabel("trials by condition")
    grid[1, 0].set_ylabel(f"rate ({rates.attrs.get('units', '')})")
    if len(conditions) > 1:
        direction_wheel(grid[:, -1], angles(conditions))
    else:
        for axes in grid[:, -1]:
            axes.axis("off")
    suffix = f" from {event}" if event else ""
    figure.supxlabel(f"{time_label(rates)}{suffix}", fontsize=7.5, color=INK)
    return figure
