"""Networks on a recording beside simpler explanations: by share of the units recorded, by left-out direction."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from recirc.analyses import select
from recirc.analyses.table import (
    BASELINE,
    baseline_columns,
    baselines_of,
    having,
    levels_of,
    median,
    networks,
    per_network,
)
from recirc.figures.labels import percent
from recirc.figures.layout import page_width
from recirc.figures.style import (
    FAINT,
    INK,
    MUTED,
    color,
    directions_of,
    heading,
    key,
    label,
    label_ends,
    panels,
    styled,
)

_MARKERS = {
    "cosine_tuning": "^",
    "gp": "s",
    "direct_map": "v",
    "gp_coupled": "p",
    "gp_joint": "d",
    "gp_directions": "h",
    "untrained": "x",
}
_LOWEST = -0.6


@styled
def similarity_against_fraction(
    table: pd.DataFrame,
    *, metrics: Sequence[str] = ("svcca5_concatenated",), condition_set: str = "train", teacher: str = "embedder",
    baselines: bool = True,
) -> Figure:  # fmt: skip
    """Metrics against the fraction recorded: every network a point, medians joined, null, teacher, baselines.

    Arms without a "fraction" stand at "none", their median a thin line. A row per metric, a column per "regime".

    Args:
        table: of an analysis, with conditions "set", "fraction", "regime", "seed" as they apply.
        metrics: which.
        condition_set: the "set" of the condition.
        teacher: what the teacher is called.
        baselines: whether to draw the rows' baselines.

    Example:
        >>> import numpy as np
        >>> random = np.random.default_rng(0)
        >>> arms = [("hints", share) for share in (0.01, 0.05, 0.25, 1.0)] + [("no_hints", None), ("untrained", None)]
        >>> rows = [
        ...     recirc.analyses.Row(
        ...         "svcca5_concatenated", "population", arm, random.normal(0.75 if share else 0.5, 0.04),
        ...         condition={"set": "train", "seed": seed} | ({"fraction": share} if share else {}),
        ...         null={"kind": "rotated", "mean": 0.3, "p95": 0.4, "p": 0.01},
        ...     )
        ...     for arm, share in arms for seed in range(5)
        ... ]
        >>> figure = recirc.figures.similarity_against_fraction(recirc.analyses.frame(rows))
    """
    table = select(table, set=condition_set)
    table = table[table["metric"].isin(metrics)]
    regimes, fractions = levels_of(table, "regime") or [None], levels_of(table, "fraction")
    has_none = len(having(table, "fraction")) < len(table) or not fractions
    logs = np.log10(fractions or [1.0])  # none has a place of its own, the first
    places: dict[float | None, float] = {None: float(logs[0] - 0.45), **dict(zip(fractions, logs.tolist()))}
    figure, grid = panels(len(metrics), len(regimes), height=0.7 + 1.9 * len(metrics), sharex=True, sharey="row")
    for line, metric in zip(grid, metrics):
        for axes, regime in zip(line, regimes):
            chosen = networks(select(table, metric, regime=regime))
            ends = _bounds(axes, chosen, places, teacher, baselines) + _arms(axes, chosen, places)
        label_ends(line[-1], ends)
        line[0].set_ylabel(label(metric))
    for axes, regime in zip(grid[0], regimes):
        if regime is not None:
            axes.set_title(f"{label(str(regime))} regime")
    ticks = {x: "none" if share is None else f"{100 * share:g}" for share, x in places.items() if share or has_none}
    grid[0, 0].set_xticks(list(ticks), ticks.values())
    grid[0, 0].set_xlim(min(ticks) - 0.25, max(ticks) + 0.12)
    figure.supxlabel("units recorded (%)")
    return figure


def _arms(axes, table: pd.DataFrame, places: dict[float | None, float]) -> list[tuple[float, str, str]]:
    """Draw the networks of one panel and return the labels for the right-hand ends of the lines."""
    ends, arms = [], {str(name): own for name, own in table.groupby("arm", sort=False)}
    without = [name for name, own in arms.items() if not levels_of(own, "fraction")]
    for name, own in arms.items():
        shift = 0.07 * (without.index(name) - (len(without) - 1) / 2) if name in without else 0.0
        middles = []
        for fraction, x in places.items():
            values = per_network(select(own, fraction=fraction))
            if values.empty:
                continue
            spread = np.linspace(-0.02, 0.02, len(values)) if len(values) > 1 else np.zeros(1)
            axes.plot(x + shift + spread, values, "o", color=color(name), markersize=3, alpha=0.55, markeredgewidth=0)
            middles.append((x + shift, median(values)))
        if name in without:
            axes.plot([middles[0][0], max(places.values())], [middles[0][1]] * 2, color=color(name), linewidth=0.7)
        else:
            axes.plot(*np.transpose(middles), color=color(name), linewidth=1.5, zorder=3)
        ends.append((middles[-1][1], label(name), color(name)))
    return ends


def _bounds(axes, table: pd.DataFrame, places: dict, teacher: str, baselines: bool) -> list:
    """Draw null band, teacher and baselines, as they change with the fraction, and return their labels."""
    simple = baseline_columns(table) if baselines else []
    columns = ["null_mean", "null_p95", "teacher", *simple]
    medians = {x: select(table, fraction=share)[columns].median() for share, x in places.items() if share is not None}
    bounds = pd.DataFrame(medians, index=columns, dtype=float).T
    if bounds["null_mean"].notna().any():
        axes.fill_between(bounds.index, bounds["null_mean"], bounds["null_p95"], color="#ececec", linewidth=0, zorder=0)
    looks = {
        "null_mean": ("null, mean to p95", MUTED, {"color": "#b5b5b5", "linewidth": 0.8, "zorder": 1}),
        "teacher": (f"teacher ({teacher})", INK, {"color": INK, "linewidth": 0.8, "linestyle": (0, (4, 2))}),
    }
    for name in simple:
        text, tone = label(name.removeprefix(BASELINE)), color(name.removeprefix(BASELINE))
        looks[name] = (text, tone, {"color": tone, "linewidth": 0.9, "linestyle": (0, (1, 1.5))})
    ends = []
    for name, (text, tone, look) in looks.items():
        heights = bounds[name].dropna()
        if len(heights):
            axes.plot(bounds.index, bounds[name], **look)
            ends.append((heights.iloc[-1], text, tone))
    axes.axhline(0, color=FAINT, linewidth=0.5, zorder=0)
    return ends


@styled
def r2_by_direction(
    table: pd.DataFrame,
    *, metric: str = "heldout_direction_r2", condition_set: str = "heldout_direction", network: str = "network",
    ensemble: str = "ensemble", baselines: bool = True,
) -> Figure:  # fmt: skip
    """R² per left-out direction: networks as points, their averaged prediction a bar, baselines as markers.

    Last come means over directions. A panel per "fraction" recorded. Values below -0.6 are arrows, with the number.

    Args:
        table: of an analysis, with conditions "set", "direction", "fraction", "seed" as they apply.
        metric, condition_set: which rows.
        network: arm of single networks, one row per seed.
        ensemble: arm of the prediction averaged over networks.
        baselines: whether to draw the rows' baselines.

    Example:
        >>> import numpy as np
        >>> random = np.random.default_rng(0)
        >>> rows = [
        ...     recirc.analyses.Row(
        ...         "heldout_direction_r2", "unit", arm, random.normal(0.6, 0.1), baselines={"gp": 0.65},
        ...         condition={"set": "heldout_direction", "direction": f"{angle}", "seed": seed},
        ...     )
        ...     for angle in range(0, 360, 45) for arm, seed in (("network", 0), ("network", 1), ("ensemble", None))
        ... ]
        >>> figure = recirc.figures.r2_by_direction(recirc.analyses.frame(rows))
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
    names = heading(places)
    grid[-1, 0].set_xticks([*range(len(places)), len(places) + 0.4], [*names, "mean"])
    if sum(map(len, names)) > 9.7 * page_width():  # letters that fit side by side
        grid[-1, 0].tick_params(axis="x", rotation=90)
    grid[-1, 0].set_xlabel(f"{'condition' if directions_of(places) is None else 'direction'} left out")
    entries = [(label(network), {"color": color(network), "marker": "o", "markersize": 4, "linestyle": ""})]
    if (table["arm"] == ensemble).any():
        entries.append((label(ensemble), {"color": color(ensemble), "linewidth": 2}))
    key(figure, [*entries, *((label(name), _look(name) | {"linestyle": ""}) for name in simple)])
    return figure


def _look(baseline: str) -> dict:
    return {"color": color(baseline), "marker": _MARKERS.get(baseline, "D"), "markersize": 5, "mfc": "none"}


def _panel(axes, directions: list[pd.DataFrame], baselines: list[str], network: str, ensemble: str) -> None:
    single = pd.DataFrame({i: per_network(select(here, arm=network)) for i, here in enumerate(directions)})
    joint = [median(select(here, arm=ensemble)["value"]) for here in directions]
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
