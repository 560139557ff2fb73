"""Left-out directions of a recording: networks against interpolation over directions."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from recirc.analyses.table import baselines_of, having, levels_of, per_network, select
from recirc.figures.labels import percent
from recirc.figures.style import FAINT, color, key, label, panels, styled

_MARKERS = {"cosine_tuning": "^", "gp_directions": "s", "direct_map": "v", "gp_joint": "p", "untrained": "x"}
_LOWEST = -0.6


@styled
def r2_by_direction(
    table: pd.DataFrame,
    *, metric: str = "heldout_neuron_r2", condition_set: str = "heldout_direction", network: str = "network",
    ensemble: str = "ensemble", baselines: bool = True,
) -> Figure:  # fmt: skip
    """R² per left-out direction: networks as points, their averaged prediction a bar, baselines as markers.

    The last column holds means over directions. A panel per "fraction" recorded. Values below -0.6 stand at the lower
    edge as arrows, with the number.

    Args:
        table: of an analysis, with conditions "set", "direction", "fraction", "seed" as they apply.
        metric, condition_set: which rows.
        network: arm of single networks, one row per seed.
        ensemble: arm of the prediction averaged over networks.
        baselines: whether to draw the rows' baselines.
    """
    table = having(select(table, metric, set=condition_set), "direction")
    fractions, places = levels_of(table, "fraction") or [None], levels_of(table, "direction")
    figure, grid = panels(len(fractions), 1, height=0.75 + 1.9 * len(fractions), sharex=True, sharey=True)
    simple = list(baselines_of(table)) if baselines else []
    for axes, fraction in zip(grid[:, 0], fractions):
        here = select(table, fraction=fraction)
        _panel(axes, [select(here, direction=place) for place in places], simple, network, ensemble)
        axes.set_ylabel(label(metric))
        if fraction is not None:
            axes.set_title(f"{percent(fraction)} of units recorded")
    grid[-1, 0].set_xticks([*range(len(places)), len(places) + 0.4], [*map(_degrees, places), "mean"])
    grid[-1, 0].set_xlabel("direction left out")
    entries = [(label(network), {"color": color(network), "marker": "o", "markersize": 4, "linestyle": ""})]
    if (table["arm"] == ensemble).any():
        entries.append((label(ensemble), {"color": color(ensemble), "linewidth": 2}))
    key(figure, [*entries, *((label(name), _look(name) | {"linestyle": ""}) for name in simple)])
    return figure


def _look(baseline: str) -> dict:
    return {"color": color(baseline), "marker": _MARKERS.get(baseline, "D"), "markersize": 5, "mfc": "none"}


def _panel(axes, directions: list[pd.DataFrame], baselines: list[str], network: str, ensemble: str) -> None:
    single = pd.DataFrame({i: per_network(select(here, arm=network)) for i, here in enumerate(directions)})
    joint = [select(here, arm=ensemble)["value"].median() for here in directions]
    last = len(directions) + 0.4
    x = np.array([*range(len(directions)), last])
    axes.axhline(0, color=FAINT, linewidth=0.6, zorder=0)
    axes.axvline(last - 0.7, color=FAINT, linewidth=0.6)
    for name in baselines:
        values = [baselines_of(here).get(name, np.nan) for here in directions]
        _points(axes, x + 0.18, _with_mean(values), _look(name))
    look = {"marker": "o", "color": color(network), "markersize": 3.4, "alpha": 0.65}
    for shift, values in zip(np.linspace(-0.05, 0.05, len(single)) if len(single) > 1 else [0.0], single.to_numpy()):
        _points(axes, x - 0.18 + shift, _with_mean(values), look)
    for at, value in zip(x, _with_mean(joint)):
        axes.plot([at - 0.32, at - 0.04], [max(value, _LOWEST)] * 2, color=color(ensemble), linewidth=2)
    axes.set(ylim=(max(axes.get_ylim()[0] - 0.06, _LOWEST), 1.02), xlim=(-0.5, last + 0.5))


def _points(axes, x: np.ndarray, values: np.ndarray, look: dict) -> None:
    shown = values >= _LOWEST
    axes.plot(x[shown], values[shown], linestyle="", **look)
    for at, value in zip(x[values < _LOWEST], values[values < _LOWEST]):
        place = {"xycoords": axes.get_xaxis_transform(), "ha": "center"}
        axes.annotate(f"↓ −{-value:.1f}", (at, 0.03), fontsize=6.5, color=look["color"], **place)


def _with_mean(values: ArrayLike) -> np.ndarray:
    """Values and, last, their mean over directions; no mean if one is missing."""
    values = np.asarray(values, float)
    return np.append(values, values.mean() if len(values) else np.nan)


def _degrees(place) -> str:
    return f"{float(place):g}°" if str(place).replace(".", "", 1).lstrip("-").isdigit() else label(str(place))
