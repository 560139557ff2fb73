"""Left-out directions of a recording: networks against interpolation over directions."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from recirc.figures import rows as select_rows
from recirc.figures.rows import MetricsRow, by_seed, median, percent
from recirc.figures.style import FAINT, color, key, label, panels, styled

_MARKERS = {
    "cosine_tuning": "^",
    "gp_directions": "s",
    "condition_mean": "D",
    "direct_map": "v",
    "gp_joint": "p",
    "untrained": "x",
}
_LOWEST = -0.6


@styled
def r2_by_direction(
    rows: Sequence[MetricsRow],
    *,
    metric: str = "heldout_neuron_r2",
    condition_set: str = "heldout_direction",
    network: str = "network",
    ensemble: str = "ensemble",
) -> Figure:
    """R² per left-out direction: networks as points, their averaged prediction a bar, baselines as markers.

    The last column holds means over directions. A panel per "fraction" recorded. Values below -0.6 stand at
    the lower edge as arrows, with the number.

    Args:
        rows: rows of `metrics.json` with condition {"set", "direction", "fraction", "seed"}; baselines are
            read from the rows' `baselines`.
        metric, condition_set: which rows.
        network: arm of single networks, one row per seed.
        ensemble: arm of the prediction averaged over networks.
    """
    rows = [
        row
        for row in rows
        if row.metric == metric and row.condition.get("set") == condition_set and "direction" in row.condition
    ]
    fractions, places = select_rows.levels(rows, "fraction") or [None], select_rows.levels(rows, "direction")
    figure, grid = panels(len(fractions), 1, height=0.75 + 1.9 * len(fractions), sharex=True, sharey=True)
    baselines = list(dict.fromkeys(name for row in rows for name in row.baselines))
    for axes, fraction in zip(grid[:, 0], fractions):
        here = [row for row in rows if row.condition.get("fraction") == fraction]
        _panel(axes, here, places, baselines, (network, ensemble))
        axes.set_ylabel(label(metric))
        if fraction is not None:
            axes.set_title(f"{percent(fraction)} of units recorded")
    grid[-1, 0].set_xticks([*range(len(places)), len(places) + 0.4], [*map(_degrees, places), "mean"])
    grid[-1, 0].set_xlabel("direction left out")
    entries = [(label(network), {"color": color(network), "marker": "o", "markersize": 4, "linestyle": ""})]
    if any(row.arm == ensemble for row in rows):
        entries.append((label(ensemble), {"color": color(ensemble), "linewidth": 2}))
    entries += [
        (label(n), {"color": color(n), "marker": _MARKERS.get(n, "D"), "markersize": 5, "linestyle": "", "mfc": "none"})
        for n in baselines
    ]
    key(figure, entries)
    return figure


def _panel(axes, rows: list[MetricsRow], places: list, baselines: list[str], arms: tuple[str, str]) -> None:
    network, ensemble = arms
    columns = [(x, [row for row in rows if row.condition["direction"] == place]) for x, place in enumerate(places)]
    single = [by_seed(row for row in here if row.arm == network) for _, here in columns]
    seeds = list(dict.fromkeys(seed for column in single for seed in column))
    joint = [median(row.value for row in here if row.arm == ensemble) for _, here in columns]
    simple = {name: [select_rows.baselines_of(h).get(name, np.nan) for _, h in columns] for name in baselines}
    last = len(places) + 0.4
    x = np.array([*range(len(places)), last])
    axes.axhline(0, color=FAINT, linewidth=0.6, zorder=0)
    axes.axvline(len(places) - 0.3, color=FAINT, linewidth=0.6)
    for name in baselines:
        look = {"marker": _MARKERS.get(name, "D"), "color": color(name), "markersize": 5, "mfc": "none"}
        _points(axes, x + 0.18, _with_mean(simple[name]), look)
    for i, seed in enumerate(seeds):
        shift = -0.18 + (0.1 * (i / (len(seeds) - 1) - 0.5) if len(seeds) > 1 else 0)
        values = _with_mean([column.get(seed, np.nan) for column in single])
        _points(axes, x + shift, values, {"marker": "o", "color": color(network), "markersize": 3.4, "alpha": 0.65})
    for at, value in zip(x, _with_mean(joint)):
        axes.plot([at - 0.32, at - 0.04], [max(value, _LOWEST)] * 2, color=color(ensemble), linewidth=2)
    axes.set(ylim=(max(axes.get_ylim()[0] - 0.06, _LOWEST), 1.02), xlim=(-0.5, last + 0.5))


def _points(axes, x: np.ndarray, values: np.ndarray, look: dict) -> None:
    shown = values >= _LOWEST
    axes.plot(x[shown], values[shown], linestyle="", **look)
    for at, value in zip(x[values < _LOWEST], values[values < _LOWEST]):
        axes.annotate(
            f"↓ −{-value:.1f}", (at, 0.03), xycoords=axes.get_xaxis_transform(), ha="center", fontsize=6.5,
            color=look["color"],
        )  # fmt: skip


def _with_mean(values: Sequence[float]) -> np.ndarray:
    """Values and, last, their mean over directions; no mean if one is missing."""
    return np.append(np.asarray(values, float), np.mean(values) if len(values) else np.nan)


def _degrees(place) -> str:
    return f"{float(place):g}°" if str(place).replace(".", "", 1).lstrip("-").isdigit() else label(str(place))
