"""Sweeps: measures against what was varied, and maps of two settings."""

import itertools
from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from recirc.analyses import AnalysisResult
from recirc.analyses.wide import measures_of, text, wide
from recirc.figures.style import INK, NothingToDraw, color, log_scale, panels, shorten, styled

MOST_MEASURES, MOST_AXES = 6, 4  # in one figure, unless others are asked for
MOST_DRAWN = 500  # points of a panel; more of them are a picture in the SVG, too, which else has a shape for each


@styled
def measures_by_axis(
    result: AnalysisResult, measures: Sequence[str] | None = None, axes: Sequence[str] | None = None
) -> Figure:
    """Measures (rows) against settings (columns): every run a point, the median at each value a line.

    Args:
        result: of a sweep.
        measures: columns of its table; by default the first six.
        axes: fields that were varied; by default the first four.

    Raises:
        ValueError: if the sweep has none of a name.

    Example:
        >>> def row(size, noise, seed):
        ...     where = {"set": "train", "n_units": size, "noise": noise, "seed": seed}
        ...     value = (0.1 + noise) * 50 / size + 0.02 * seed
        ...     return recirc.analyses.Row("output_nmse", "performance", "network", value, condition=where)
        >>> rows = [row(size, noise, seed) for size in (50, 100, 200) for noise in (0.0, 0.1) for seed in range(3)]
        >>> about = {"keys": ["n_units", "noise", "seed"], "axes": {"n_units": "list", "noise": "list"}}
        >>> result = recirc.analyses.AnalysisResult("sweep", tuple(rows), about=about)
        >>> figure = recirc.figures.measures_by_axis(result)
    """
    table, measures, axes = _asked(result, measures, axes)
    figure, grid = panels(len(measures), len(axes), height=0.6 + 1.5 * len(measures), sharey="row", sharex="col")
    for row, measure in zip(grid, measures):
        row[0].set_ylabel(_lines(measure))
        for panel, axis in zip(row, axes):
            _points(panel, table, axis, measure)
    for panel, axis in zip(grid[-1], axes):
        panel.set_xlabel(shorten(axis))
        values, labels = _places(table[axis].tolist())
        if labels:
            panel.set_xticks(sorted(set(values)), labels)
        elif result.about["axes"].get(axis, "").endswith("log") or _spans_decades(values):
            log_scale(panel, "x")
    return figure


def _points(panel: Axes, table: pd.DataFrame, axis: str, measure: str) -> None:
    places, _ = _places(table[axis].tolist())
    found = pd.Series(table[measure].to_numpy(float)).groupby(places).median()
    look = {"color": color("network"), "alpha": 0.5, "markersize": 3, "rasterized": len(table) > MOST_DRAWN}
    panel.plot(places, table[measure].to_numpy(float), ".", **look)
    if len(found) <= len(table) / 2:
        panel.plot(found.index, found.to_numpy(), color=INK)


@styled
def heat_maps(
    result: AnalysisResult, measures: Sequence[str] | None = None, axes: Sequence[str] | None = None
) -> Figure:
    """Measures (rows) over pairs of settings (columns): medians over seeds and all else; points where there is no grid.

    Args:
        result: of a sweep.
        measures: columns of its table; by default the first six.
        axes: fields that were varied, all pairs of which are shown; by default the first three.

    Raises:
        ValueError: if the sweep has none of a name.
        NothingToDraw: if only one was varied.

    Example:
        >>> places = [{"set": "train", "n_units": n, "noise": s} for n in (50, 100, 200) for s in (0.0, 0.1)]
        >>> values = [(0.1 + place["noise"]) * 50 / place["n_units"] for place in places]
        >>> rows = [recirc.analyses.Row("output_nmse", "performance", "network", value, condition=place)
        ...     for value, place in zip(values, places)]
        >>> about = {"keys": ["n_units", "noise"], "axes": {"n_units": "list", "noise": "list"}}
        >>> result = recirc.analyses.AnalysisResult("sweep", tuple(rows), about=about)
        >>> figure = recirc.figures.heat_maps(result)
    """
    table, measures, axes = _asked(result, measures, axes)
    pairs = list(itertools.combinations(axes if len(axes) < 4 else axes[:3], 2))
    if not pairs:
        raise NothingToDraw("a map needs two settings that were varied; there is one.")
    figure, grid = panels(len(measures), len(pairs), height=0.6 + 1.7 * len(measures))
    for row, measure in zip(grid, measures):
        for panel, (across, up) in zip(row, pairs):
            shown = _map(panel, table, across, up, measure)
            panel.set(xlabel=shorten(across), ylabel=shorten(up))
            figure.colorbar(shown, ax=panel, label=_lines(measure))
    return figure


def _map(panel: Axes, table: pd.DataFrame, across: str, up: str, measure: str) -> Any:
    columns = [pd.Series(table[name].tolist(), dtype=object).map(_key) for name in (across, up)]
    found = pd.Series(table[measure].to_numpy(float)).groupby(columns).median().unstack(0)
    if found.size > 2 * len(table):  # drawn at random
        (x, _), (y, _) = _places(table[across].tolist()), _places(table[up].tolist())
        return panel.scatter(x, y, c=table[measure].to_numpy(float), s=8, rasterized=len(table) > MOST_DRAWN)
    shown = panel.imshow(found.to_numpy(), origin="lower", aspect="auto", interpolation="nearest")
    panel.set_xticks(range(found.shape[1]), [_word(value) for value in found.columns])
    panel.set_yticks(range(found.shape[0]), [_word(value) for value in found.index])
    return shown


def _asked(result: AnalysisResult, measures, axes) -> tuple[pd.DataFrame, list[str], list[str]]:
    keys = list(result.about["keys"])
    table = wide(result.rows, keys)
    own, varied = measures_of(table), [name for name in keys if name != "seed"]
    for name in measures or ():
        if name not in own:
            raise ValueError(f"the sweep has no measure {name!r}; it has {', '.join(own) or 'none'}.")
    for name in axes or ():
        if name not in keys:
            raise ValueError(f"{name!r} was not varied; {', '.join(keys)} were.")
    if not own:
        raise NothingToDraw("no run has numbers.")
    return table, list(measures or own[:MOST_MEASURES]), list(axes or varied[:MOST_AXES] or ["seed"])


def _places(values: list) -> tuple[list[float], list[str]]:
    """Where values are along an axis, and what their ticks are called if they are no numbers."""
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return [float(value) for value in values], []
    names = list(dict.fromkeys(map(text, values)))
    return [float(names.index(text(value))) for value in values], [shorten(name, 16) for name in names]


def _spans_decades(values: list[float]) -> bool:
    return min(values) > 0 and max(values) / min(values) > 30


def _key(value):
    return value if isinstance(value, int | float) and not isinstance(value, bool) else text(value)


def _lines(measure: str) -> str:
    """A measure in two lines: the metric, and on what it was measured."""
    return "\n".join(shorten(part, 20) for part in measure.replace("(", "\n(", 1).split("\n"))


def _word(value) -> str:
    return f"{value:.3g}" if isinstance(value, float) else shorten(str(value), 16)
