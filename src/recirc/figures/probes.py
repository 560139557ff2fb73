"""How networks do under circumstances that they were not trained in."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure

from recirc.analyses.table import keys_of, levels_of, networks, per_network, select
from recirc.figures.labels import circumstance, percent
from recirc.figures.layout import COLUMN, page_width
from recirc.figures.style import INK, MUTED, color, key, label, label_ends, log_scale, panels, styled

_PAIR = ("no_hints", "hints")
_MARKERS = "os^"


@styled
def generalization(
    table: pd.DataFrame,
    *, sets: Sequence[str] | None = None, fraction: float | None = None, metric: str = "output_nmse",
) -> Figure:  # fmt: skip
    """Output error under every circumstance: each network a point, the median a bar.

    Lines join "no_hints" and "hints" of a seed. Networks that diverged are counted at the top. A panel per "regime".

    Args:
        table: of an analysis, with conditions "set", its level, "regime", "fraction", "seed" as they apply.
        sets: which, in order; all in order of appearance if omitted.
        fraction: of arms that have several, the one to show; the smallest if omitted.
        metric: which.

    Example:
        >>> import numpy as np
        >>> random = np.random.default_rng(0)
        >>> errors = {"train": 0.002, "heldout_direction": 0.2, "private_noise": 0.05}
        >>> rows = [
        ...     recirc.analyses.Row(
        ...         "output_nmse", "generalization", arm, error * factor * random.lognormal(0, 0.3), direction="lower",
        ...         condition={"set": name, "seed": seed} | ({"sigma": 0.1} if name == "private_noise" else {}),
        ...     )
        ...     for name, error in errors.items()
        ...     for arm, factor in (("no_hints", 2), ("hints", 1)) for seed in range(5)
        ... ]
        >>> figure = recirc.figures.generalization(recirc.analyses.frame(rows))
    """
    table, shown = _at_fraction(select(table, metric), fraction)
    if sets is not None:
        table = pd.concat([select(table, set=name) for name in sets])
    names, regimes, keys = table["arm"].unique(), levels_of(table, "regime") or [None], keys_of(table)
    places = pd.Series([circumstance({k: row[k] for k in keys}) for row in table.to_dict("records")], table.index, str)
    where = list(places.unique())
    figure, grid = panels(len(regimes), 1, height=0.8 + 1.75 * len(regimes), sharex=True, sharey=True)
    for axes, regime in zip(grid[:, 0], regimes):
        chosen = networks(select(table, regime=regime))
        for column, place in enumerate(where):
            here = chosen[places[chosen.index] == place]
            _column(axes, column, {name: per_network(select(here, arm=name)) for name in names})
    for axes, regime in zip(grid[:, 0], regimes):
        _finish(axes, metric, "regime", regime)
    axes = grid[-1, 0]
    axes.set_xticks(range(len(where)), [textwrap.fill(place, 13, break_long_words=False) for place in where])
    axes.tick_params(axis="x", length=0, rotation=90 if page_width() == COLUMN and len(where) > 4 else 0)
    axes.set_xlim(-0.5, max(len(where), 1) - 0.5)
    texts = [label(n) + (f" ({percent(shown[n])} recorded)" if n in shown else "") for n in names]
    looks = [{"color": color(n), "marker": "o", "markersize": 4, "linestyle": ""} for n in names]
    key(figure, list(zip(texts, looks)))
    return figure


@styled
def noise_curve(
    table: pd.DataFrame,
    *, noise_set: str = "private_noise", level: str = "sigma", fraction: float | None = None,
    metric: str = "output_nmse", panel: str = "regime", shade: str | None = None,
) -> Figure:  # fmt: skip
    """Output error against the size of a disturbance: thin lines are networks, thick lines medians.

    An error has a logarithmic axis; an R² (metric "..._r2") a linear one, cut off at -0.1. So has the size,
    unless the largest is ten times the smallest above 0 or more: then the axis is logarithmic, but for 0.

    Args:
        table: of an analysis, with conditions "set", `level`, `panel`, `shade`, "fraction", "seed" as they apply.
        noise_set: the "set" of the condition.
        level: its key that holds the size.
        fraction: of arms that have several, the one to show; the smallest if omitted.
        metric: which.
        panel: the condition's key that has a panel per value.
        shade: one that has a line per value, darker and thicker the larger it is.

    Example:
        >>> import numpy as np
        >>> random = np.random.default_rng(0)
        >>> rows = [
        ...     recirc.analyses.Row(
        ...         "output_nmse", "robustness", arm, factor * sigma**2 * random.lognormal(0, 0.3), direction="lower",
        ...         condition={"set": "private_noise", "sigma": sigma, "seed": seed},
        ...     )
        ...     for arm, factor in (("no_hints", 9), ("hints", 3)) for sigma in (0.05, 0.1, 0.2) for seed in range(5)
        ... ]
        >>> figure = recirc.figures.noise_curve(recirc.analyses.frame(rows))
    """
    table, shown = _at_fraction(select(table, metric, set=noise_set), fraction)
    names, places = list(table["arm"].unique()), levels_of(table, panel) or [None]
    sizes, shades = levels_of(table, level), levels_of(table, shade) if shade else []
    figure, grid = panels(1, len(places), height=2.9 if shades else 2.5, sharex=True, sharey=True)
    ends = []
    for axes, place in zip(grid[0], places):
        here, ends = networks(select(table, **{panel: place})), []
        for name in names:
            last = np.nan
            for value, look in _looks(color(name), shades, _MARKERS[names.index(name) % 3] if shades else "o"):
                own = select(here, arm=name, **({shade: value} if shade else {}))
                last = _curve(axes, {size: per_network(select(own, **{level: size})) for size in sizes}, look)
            share = f" ({percent(shown[name])})" if name in shown else ""
            ends.append((last, label(name) + share, color(name)))
        _finish(axes, metric, panel, place)
    for axes in grid[0, 1:]:
        axes.set_ylabel("")
    positive = [size for size in sizes if size > 0]
    if positive and max(positive) >= 10 * min(positive):
        grid[0, 0].set_xscale("symlog", linthresh=min(positive), linscale=0.5)
        grid[0, 0].set_xlim(min(sizes) - 0.15 * min(positive), 1.15 * max(sizes))
    grid[0, 0].set_xticks(sizes, [f"{size:g}" for size in sizes])
    grid[0, 0].xaxis.minorticks_off()
    if shades:
        entries = [(label(name), _looks(color(name), [1.0], _MARKERS[i % 3])[0][1]) for i, name in enumerate(names)]
        grays = _looks(INK, shades, "")
        entries += [(f"{'' if i else label(str(shade))} {v:g}", look) for i, (v, look) in enumerate(grays)]
        key(figure, [(text, look | {"markersize": 3}) for text, look in entries])
    else:
        label_ends(grid[0, -1], ends)
    figure.supxlabel(f"{label(noise_set)}, {'σ' if level == 'sigma' else label(level)}")
    return figure


@styled
def strips(
    parts: Mapping[str, Sequence[tuple[str, str, Float[np.ndarray, "..."]]]], *, metric: str, lowest: float = -2.0
) -> Figure:
    """A line per name: each number a point, the median a bar; a panel per part, with the same names.

    An error has a logarithmic axis; an R² (metric "..._r2") a linear one, and numbers below `lowest` are counted at its
    edge.

    Args:
        parts: of each, by its title, the lines from above: (name, arm whose color it has, numbers).
        metric: what the numbers are.
        lowest: where a linear axis ends, if a number is below.

    Example:
        >>> import numpy as np
        >>> random = np.random.default_rng(0)
        >>> lines = [(name, arm, random.lognormal(mean, 0.4, 12)) for name, arm, mean in (
        ...     ("hints, 5 %", "hints", -4), ("none", "no_hints", -3), ("FORCE", "force", -2))]
        >>> figure = recirc.figures.strips({"new directions": lines}, metric="output_nmse")
    """
    n_lines = max(map(len, parts.values()))
    figure, grid = panels(1, len(parts), height=0.7 + 0.24 * n_lines, sharex=True, sharey=True)
    for axes, (title, lines) in zip(grid[0], parts.items()):
        axes.set_title(title)
        for y, (_, arm, values) in enumerate(lines):
            tone = color(arm)
            shown = values if not metric.endswith("_r2") else values[values >= lowest]
            axes.plot(shown, np.full(len(shown), y), "o", color=tone, markersize=3.6, alpha=0.6, mew=0)
            if len(values) and (middle := np.median(values)) >= min(shown, default=np.inf):
                axes.plot([middle] * 2, [y - 0.36, y + 0.36], color=tone, linewidth=2)
            if n_below := len(values) - len(shown):
                place = {"xycoords": ("axes fraction", "data"), "va": "center", "fontsize": 6.5}
                axes.annotate(f"← {n_below} below", (0.005, y), **place)
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x", color="#efefef", linewidth=0.6)
        axes.set_axisbelow(True)
    first = grid[0, 0]
    if metric.endswith("_r2"):
        first.axvline(0, color=MUTED, linewidth=0.6, zorder=0)
        first.set_xlim(max(first.get_xlim()[0], lowest), 1.02)
    else:
        log_scale(first, "x")
    first.set(ylim=(n_lines - 0.5, -0.5), yticks=range(n_lines), yticklabels=[name for name, _, _ in lines])
    figure.supxlabel(label(metric))
    return figure


def _looks(tone: str, shades: Sequence[float], marker: str) -> list[tuple[Any, dict]]:
    """Values that get a line each, and its look: darker and thicker the larger the value."""
    if not shades:
        return [(None, {"color": tone, "linewidth": 1.6, "marker": marker})]
    dark = np.linspace(0.35, 1, len(shades)) if len(shades) > 1 else np.ones(1)
    tones = 1 - np.outer(dark, 1 - np.array(to_rgb(tone)))
    looks = ({"color": to_hex(tuple(t)), "linewidth": 0.5 + 1.4 * d, "marker": marker} for t, d in zip(tones, dark))
    return list(zip(shades, looks))


def _curve(axes, values: dict[float, pd.Series], look: dict) -> float:
    """Draw networks and their median; the last height of the median."""
    heights = pd.DataFrame(values, dtype=float)
    for network in heights.to_numpy():
        axes.plot(heights.columns, network, color=look["color"], linewidth=0.3 * look["linewidth"], alpha=0.4)
    axes.plot(heights.columns, heights.median(), markersize=3, **look)
    return heights.median().iloc[-1] if len(values) else np.nan


def _at_fraction(table: pd.DataFrame, fraction: float | None) -> tuple[pd.DataFrame, dict[str, float]]:
    """Rows at one fraction per arm, and which; arms without fractions whole."""
    arms = {str(name): own for name, own in table.groupby("arm", sort=False)}
    shown = {name: fraction or found[0] for name, own in arms.items() if (found := levels_of(own, "fraction"))}
    kept = [select(own, fraction=shown.get(name)) for name, own in arms.items()]
    return pd.concat(kept).sort_index() if kept else table, shown


def _column(axes, column: int, arms: dict[str, pd.Series]) -> None:
    step = 0.8 / max(len(arms), 1)
    x = {name: column + step * (i - (len(arms) - 1) / 2) for i, name in enumerate(arms)}
    if all(name in arms for name in _PAIR):
        for heights in pd.concat([arms[name] for name in _PAIR], axis=1, join="inner").to_numpy():
            axes.plot([x[name] for name in _PAIR], heights, color="#bdbdbd", linewidth=0.6, zorder=1)
    for name, values in arms.items():
        finite, n_lost = values.dropna(), values.isna().sum()
        axes.plot([x[name]] * len(finite), finite, "o", color=color(name), markersize=3.2, alpha=0.6, mew=0, zorder=2)
        if len(finite):
            edges = [x[name] - 0.36 * step, x[name] + 0.36 * step]
            axes.plot(edges, [finite.median()] * 2, color=color(name), linewidth=2, zorder=3, solid_capstyle="butt")
        if n_lost:
            top, look = axes.get_xaxis_transform(), {"textcoords": "offset points", "fontsize": 6}
            axes.plot([x[name]], [0.98], "x", color=color(name), markersize=4, transform=top, clip_on=False)
            axes.annotate(f"{n_lost} lost", (x[name], 0.98), (4, -2), xycoords=top, **look)


def _finish(axes, metric: str, panel: str, value) -> None:
    """Scale, grid and names of a panel, titled by the value that the condition's key `panel` has there."""
    if metric.endswith("_r2"):
        low, high = axes.get_ylim()
        axes.set_ylim(max(low, -0.1), min(high, 1.04))
    else:
        log_scale(axes)
    axes.grid(axis="y", color="#efefef", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_ylabel(label(metric))
    if value is not None:
        if panel == "target_off_share":
            axes.set_title(f"target off at go in {percent(value)}")
        else:
            axes.set_title(f"{label(str(value))} regime" if panel == "regime" else f"{label(panel)} {value}")
