"""Courses over time: spikes and rates of units, what a network says they do, and outputs beside their targets."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from recirc.figures.labels import label, shorten
from recirc.figures.layout import WIDTH, page_width
from recirc.figures.style import (
    MUTED,
    angles,
    color,
    direction_color,
    direction_wheel,
    heading,
    key,
    panels,
    styled,
    time_label,
)

_MOST = 8  # conditions of outputs


@styled
def rasters(
    spikes: Sequence[Sequence[np.ndarray]], labels: Sequence[str], rates: xr.DataArray, standard_error: xr.DataArray,
    *, event: str = "",
) -> Figure:  # fmt: skip
    """Spikes of some units, one row per trial and trials sorted by condition, above their average rates.

    Args:
        spikes: for every unit the spike times of every trial, seconds from the event.
        labels: condition of every trial.
        rates: (condition, time, unit) averages of the same units, with coordinates and attribute `units`.
        standard_error: the same, shaded; nan where not known.
        event: what happens at time 0.

    Example:
        >>> import numpy as np
        >>> random = np.random.default_rng(0)
        >>> labels = [f"{90 * (i % 4)}" for i in range(40)]
        >>> n_spikes = [8 + 2 * (i % 4) for i in range(40)]
        >>> spikes = [[np.sort(random.uniform(-0.3, 0.6, n)) for n in n_spikes] for unit in "ab"]
        >>> counts = [[np.histogram(trial, np.linspace(-0.3, 0.6, 19))[0] / 0.05 for trial in unit] for unit in spikes]
        >>> means = np.stack([np.mean(np.array(counts)[:, i::4], axis=1).T for i in range(4)])
        >>> conditions = [f"{90 * i}" for i in range(4)]
        >>> rates = recirc.Activity(means, dt=0.05, start=-0.3, conditions=conditions).to_xarray()["rates"]
        >>> figure = recirc.figures.rasters(spikes, labels, rates, 0.2 * rates, event="go cue")
    """
    conditions = [str(name) for name in rates["condition"].values]
    colors = dict(zip(conditions, map(direction_color, angles(conditions))))
    order = [i for name in conditions for i, label in enumerate(labels) if label == name]
    figure, grid = panels(2, len(spikes), height=3.4, wheel=0.55, sharex=True, height_ratios=[1.4, 1])
    time, tones = rates["time"].values, [colors[labels[i]] for i in order]
    half = (time[1] - time[0]) / 2
    for column, unit in enumerate(spikes):
        above, below = grid[:, column]
        above.eventplot([unit[i] for i in order], colors=tones, linelengths=0.9, linewidths=0.5)
        above.set(ylim=(len(order) - 0.5, -0.5), yticks=[], xlim=(time[0] - half, time[-1] + half))
        above.set_title(shorten(str(rates["unit"].values[column]), 13), loc="left")
        for name, mean, error in zip(conditions, rates.values[..., column], standard_error.values[..., column]):
            below.plot(time, mean, color=colors[name], linewidth=0.9)
            below.fill_between(time, mean - error, mean + error, color=colors[name], alpha=0.2, linewidth=0)
        below.set_ylim(bottom=0)
        for axes in (above, below):
            axes.axvline(0, color=MUTED, linewidth=0.6, zorder=0)
    grid[0, 0].set_ylabel("trials by condition")
    grid[1, 0].set_ylabel(f"rate ({rates.attrs.get('units', '')})")
    for axes in grid[:, -1]:
        axes.axis("off")
    if len(conditions) > 1:
        direction_wheel(grid[:, -1], conditions)
    figure.supxlabel(time_label(rates) + (f" from {event}" if event else ""))
    return figure


@styled
def example_units(
    circuit: xr.DataArray, prediction: xr.DataArray,
    *, recorded: Sequence[str] = (), n_each: int = 3, names: tuple[str, str] = ("circuit", "network"),
) -> Figure:  # fmt: skip
    """Rates of example units, one line per condition: the circuit above, the network's prediction below.

    Units are chosen by rank of R², so that bad ones show too: of 3, one near the best, the median, one near the worst.

    Args:
        circuit: (condition, time, unit), with coordinates `condition`, `time`, `unit` and attribute `units`.
        prediction: the same of the network's linear map, same order.
        recorded: names of the units that training saw; the others form a group of their own.
        n_each: how many of each group.
        names: what to call the two rows.

    Example:
        >>> import numpy as np
        >>> theta, time = np.deg2rad(45 * np.arange(8))[:, None, None], 0.01 * np.arange(50)[:, None]
        >>> rates = 9 + 5 * np.cos(theta - np.arange(12)) * np.sin(9 * time + np.arange(12) ** 2)
        >>> circuit = recirc.Activity(rates, dt=0.01, conditions=45 * np.arange(8)).to_xarray()["rates"]
        >>> prediction = circuit + np.random.default_rng(0).normal(size=circuit.shape) * 0.2 * np.arange(12)
        >>> figure = recirc.figures.example_units(circuit, prediction)
    """
    seen = np.isin(circuit["unit"].values.astype(str), np.asarray(list(recorded), str))
    error = ((circuit - prediction.values) ** 2).sum(("condition", "time"))
    total = ((circuit - circuit.mean(("condition", "time"))) ** 2).sum(("condition", "time"))
    r2 = (1 - error / total.where(total > 0)).values
    groups = [("recorded", _spread(r2, seen, n_each)), ("not recorded", _spread(r2, ~seen, n_each))]
    columns = [(group, unit, rank == 0) for group, units in groups for rank, unit in enumerate(units)]
    figure, grid = panels(2, len(columns), height=2.5, wheel=0.55, sharex=True, sharey="col")
    degrees = angles(circuit["condition"].values)
    for column, (group, unit, is_first) in enumerate(columns):
        for axes, rates in zip(grid[:, column], (circuit, prediction)):
            for angle, line in zip(degrees, rates.isel(unit=unit).values):
                axes.plot(rates["time"].values, line, color=direction_color(angle), linewidth=0.8)
        lines = [f"{group}:" if is_first else "", _unit_name(circuit, unit, 13), f"R² {r2[unit]:.2f}"]
        grid[0, column].set_title("\n".join(lines), loc="left", linespacing=1.3)
    units = circuit.attrs.get("units", "")
    for axes, name in zip(grid[:, 0], names):
        axes.set_ylabel(f"{name}\nrate ({units})" if units else f"{name}\nrate")
    grid[1, -1].axis("off")
    direction_wheel(grid[0, -1], circuit["condition"].values)
    figure.supxlabel(time_label(circuit))
    return figure


@styled
def target_against_output(target: xr.DataArray, outputs: xr.DataArray, *, arms: Sequence[str] | None = None) -> Figure:
    """Target and output over time: a row per output, a column per condition, a line per arm.

    Of more than 8 conditions, 8 spread evenly over their order are shown.

    Args:
        target: (condition, time, output), with coordinates `condition` (labels) and `time` and attribute `units`; names
            of outputs in coordinate `output`, if they have any.
        outputs: (arm, condition, time, output), with coordinate `arm`; one network per arm.
        arms: which, and in which order; all if omitted. The last is drawn on top.

    Example:
        >>> import numpy as np
        >>> angles, time = 90 * np.arange(4), 0.01 * np.arange(50)
        >>> made = np.sin(np.deg2rad(angles)[:, None] + 9 * time)[..., None]
        >>> activity = recirc.Activity(np.ones((4, 50, 3)), dt=0.01, conditions=angles, outputs=made)
        >>> target = activity.to_xarray()["outputs"]
        >>> figure = recirc.figures.target_against_output(target, (0.9 * target + 0.1).expand_dims(arm=["hints"]))
    """
    names = list(outputs["arm"].values) if arms is None else list(arms)
    shown = np.unique(np.linspace(0, target.sizes["condition"] - 1, _MOST).round().astype(int))
    n_rows, time, units = target.sizes["output"], target["time"].values, target.attrs.get("units", "")
    figure, grid = panels(n_rows, len(shown), height=0.75 + 1.0 * n_rows, sharex=True, sharey="row")
    for row, line in enumerate(grid):
        for axes, condition in zip(line, shown):
            place = {"condition": condition, "output": row}
            axes.axhline(0, color="#e8e8e8", linewidth=0.6, zorder=0)
            axes.plot(time, target.isel(place), color="#c9c9c9", linewidth=3.2)
            for name in names:
                axes.plot(time, outputs.sel(arm=name).isel(place), color=color(str(name)), linewidth=0.9)
        name = shorten(str(target["output"].values[row]) if "output" in target.coords else f"output {row + 1}", 16)
        line[0].set_ylabel(f"{name}\n({units})" if units else name)
    names_of = heading(target["condition"].values)
    for axes, i in zip(grid[0], shown):
        axes.set_title(shorten(names_of[i], 12), loc="center")
    figure.supxlabel(time_label(target))
    looks = [(label(str(name)), {"color": color(str(name))}) for name in names]
    key(figure, [("target", {"color": "#8f8f8f", "linewidth": 3.2}), *looks])
    return figure


@dataclasses.dataclass(frozen=True)
class EpochRates:
    """Rates of a recording or network, and when its epochs are.

    Args:
        title: whose.
        rates: (condition, time, unit), with coordinates `condition`, `time`, `unit` and attribute `units`.
        preparation, movement: epochs, (start, stop) on the clock of `rates`.
        go: time of the go cue on that clock, if there is one.

    Example:
        >>> rates = recirc.Activity([[[1.0], [2.0]]], dt=0.1, conditions=["0"]).to_xarray()["rates"]
        >>> EpochRates("network", rates, preparation=(0.0, 0.1), movement=(0.1, 0.2)).title
        'network'
    """

    title: str
    rates: xr.DataArray
    preparation: tuple[float, float]
    movement: tuple[float, float]
    go: float | None = None


@styled
def psths(activities: Sequence[EpochRates], *, n_units: int = 6, zero: str = "go") -> Figure:
    """Rates of example units, averaged per condition: a row per recording or network, a line per condition.

    Units stand at evenly spread ranks of movement tuning, the same in every row, the most tuned on the left: the range
    over conditions of the mean rate in movement, as a share of the unit's range over everything. Constant units are
    left out. Preparation is shaded light, movement dark; every unit has its own vertical scale.

    Args:
        activities: the reference first.
        n_units: how many of each.
        zero: the event at time 0, the same for all.

    Example:
        >>> import numpy as np
        >>> theta, time = np.deg2rad(45 * np.arange(8))[:, None, None], 0.01 * np.arange(-40, 50)[:, None]
        >>> course = np.exp(-(((time - np.linspace(-0.3, 0.4, 12)) / 0.1) ** 2))
        >>> rates = 9 + 5 * course * np.cos(theta - np.arange(12))
        >>> shown = recirc.Activity(rates, dt=0.01, start=-0.4, conditions=45 * np.arange(8)).to_xarray()["rates"]
        >>> recording, network = (recirc.figures.EpochRates(name, shown, (-0.4, -0.1), (0.0, 0.4)) for name in "ab")
        >>> figure = recirc.figures.psths([recording, network])
    """
    n_rows = max(len(activities), 1)
    wheel, height, between = (0.75, 0.95, " ") if page_width() == WIDTH else (1.4, 1.05, "\n")  # room for the note
    figure, grid = panels(n_rows, n_units, height=0.45 + height * n_rows, wheel=wheel, sharex=True)
    for line, activity in zip(grid, activities):
        rates, tuning = activity.rates, _tuning(activity)
        degrees, time = angles(rates["condition"].values), rates["time"].values
        chosen = _spread(tuning, np.ones(len(tuning), bool), n_units)
        for axes, unit in zip(line, chosen):
            for epoch, tone in ((activity.preparation, "#f3f3f3"), (activity.movement, "#e4e4e4")):
                axes.axvspan(*epoch, color=tone, linewidth=0, zorder=0)
            if activity.go is not None:
                axes.axvline(activity.go, color=MUTED, linewidth=0.6, zorder=1)
            for angle, course in zip(degrees, rates.values[:, :, unit]):
                axes.plot(time, course, color=direction_color(angle), linewidth=0.8)
            axes.set_title(f"{_unit_name(rates, unit, 9)}{between}({tuning[unit]:.2f})", color=MUTED, fontsize=6.5)
            axes.margins(x=0)
            axes.locator_params(axis="y", nbins=3)
        for axes in line[len(chosen) : -1]:
            axes.axis("off")
        units = rates.attrs.get("units", "1")
        line[0].set_ylabel(shorten(activity.title, 22) + ("\nrate" if units == "1" else f"\nrate ({units})"))
    note = "\nlight: preparation\ndark: movement\nline: go\nin brackets:\nmovement tuning"
    direction_wheel(grid[:, -1], activities[0].rates["condition"].values if activities else [], note)
    figure.supxlabel(f"time from {zero} (s)")
    return figure


def _unit_name(rates: xr.DataArray, unit: int, length: int) -> str:
    name = str(rates["unit"].values[unit])
    return f"unit {name}" if len(name) < 6 else shorten(name, length)


def _tuning(activity: EpochRates) -> np.ndarray:
    """Range over conditions of a unit's mean rate in movement, as a share of its range over everything."""
    rates, time = activity.rates.values, activity.rates["time"].values
    start, stop = np.array(activity.movement) + np.diff(time).mean() / 2  # times are ends of steps
    means = rates[:, (time > start) & (time < stop)].mean(axis=1)
    whole = np.ptp(rates, axis=(0, 1))
    return np.ptp(means, axis=0) / np.where(whole > 0, whole, np.nan)


def _spread(r2: np.ndarray, members: np.ndarray, n_each: int) -> list[int]:
    """Members at evenly spread ranks of a value (R², tuning), largest first; those without one never."""
    ranked = np.flatnonzero(members & np.isfinite(r2))
    ranked = ranked[np.argsort(-r2[ranked], kind="stable")]
    if len(ranked) <= n_each:
        return ranked.tolist()
    places = np.linspace(0.1, 0.9, n_each) if n_each > 1 else np.array([0.5])
    return ranked[(places * (len(ranked) - 1)).round().astype(int)].tolist()
