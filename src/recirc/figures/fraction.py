"""Likeness against the share of units that were recorded."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from recirc.figures import rows as select_rows
from recirc.figures.rows import MetricsRow, by_seed, median
from recirc.figures.style import FAINT, INK, MUTED, color, label, label_ends, panels, styled


@styled
def similarity_against_fraction(
    rows: Sequence[MetricsRow],
    *,
    metrics: Sequence[str] = ("svcca5_concatenated",),
    condition_set: str = "train",
    ceiling_name: str = "embedder",
) -> Figure:
    """Metrics against the fraction recorded: every network a point, medians joined, null, ceiling, baselines.

    Arms whose condition has no "fraction" stand at "none" and their median runs across as a thin line. A row
    of panels per metric, a column per "regime".

    Args:
        rows: rows of `metrics.json` with condition {"set", "fraction", "regime", "seed"} as they apply.
        metrics: which.
        condition_set: the "set" of the condition.
        ceiling_name: whose value the ceiling is.
    """
    rows = [row for row in rows if row.metric in metrics and row.condition.get("set") == condition_set]
    regimes = select_rows.levels(rows, "regime") or [None]
    fractions = select_rows.levels(rows, "fraction")
    place = _Places(fractions, any(row.condition.get("fraction") is None for row in rows) or not fractions)
    figure, grid = panels(len(metrics), len(regimes), height=0.7 + 1.9 * len(metrics), sharex=True, sharey="row")
    for line, metric in enumerate(metrics):
        for column, regime in enumerate(regimes):
            axes = grid[line, column]
            chosen = select_rows.select(rows, metric, regime=regime)
            ends = _panel(axes, chosen, place, ceiling_name)
            if column == len(regimes) - 1:
                label_ends(axes, ends)
            if line == 0 and regime is not None:
                axes.set_title(f"{label(str(regime))} regime")
        grid[line, 0].set_ylabel(label(metric))
    grid[0, 0].set_xticks(place.ticks, place.labels)
    grid[0, 0].set_xlim(place.ticks[0] - 0.25, place.ticks[-1] + 0.12)
    figure.supxlabel("units recorded (%)", fontsize=7.5, color=INK)
    return figure


class _Places:
    """Where fractions stand on the horizontal axis: logarithmic, with a place of its own for none."""

    def __init__(self, fractions: Sequence[float], has_none: bool):
        logs = np.log10(fractions) if len(fractions) else np.zeros(1)
        self.none = float(logs[0] - 0.45)
        self.of = dict(zip(fractions, logs.tolist()))
        self.ticks = [*([self.none] if has_none else []), *self.of.values()]
        self.labels = [*(["none"] if has_none else []), *(f"{100 * fraction:g}" for fraction in fractions)]


def _panel(axes, rows: list[MetricsRow], place: _Places, ceiling_name: str) -> list[tuple[float, str, str]]:
    """Draw one panel and return the labels for the right-hand ends of its lines."""
    ends = _bounds(axes, rows, place, ceiling_name)
    names = select_rows.arms(rows)
    without = [name for name in names if not select_rows.levels([r for r in rows if r.arm == name], "fraction")]
    for name in names:
        mine = [row for row in rows if row.arm == name]
        shift = 0.07 * (without.index(name) - (len(without) - 1) / 2) if name in without else 0.0
        middles = []
        for fraction, x in [(None, place.none), *place.of.items()]:
            values = list(by_seed(r for r in mine if r.condition.get("fraction") == fraction).values())
            if not values:
                continue
            spread = np.linspace(-0.02, 0.02, len(values)) if len(values) > 1 else np.zeros(1)
            axes.plot(x + shift + spread, values, "o", color=color(name), markersize=3, alpha=0.55, markeredgewidth=0)
            middles.append((x + shift, median(values)))
        if name in without:
            axes.plot([middles[0][0], place.ticks[-1]], [middles[0][1]] * 2, color=color(name), linewidth=0.7)
        else:
            axes.plot(*np.transpose(middles), color=color(name), linewidth=1.5, zorder=3)
        ends.append((middles[-1][1], label(name), color(name)))
    return ends


def _bounds(axes, rows: list[MetricsRow], place: _Places, ceiling_name: str) -> list[tuple[float, str, str]]:
    """Null band, ceiling and baselines, as they change with the fraction."""
    groups = [(x, [r for r in rows if r.condition.get("fraction") == f]) for f, x in place.of.items()]
    x = np.array([at for at, _ in groups])
    low, high, top = (
        np.array([read(group) for _, group in groups])
        for read in (
            lambda group: select_rows.null_of(group, "mean"),
            lambda group: select_rows.null_of(group, "p95"),
            select_rows.ceiling_of,
        )
    )
    ends = []
    if np.isfinite(low).any():
        axes.fill_between(x, low, high, color="#ececec", linewidth=0, zorder=0)
        axes.plot(x, low, color="#b5b5b5", linewidth=0.8, zorder=1)
        ends.append((float(low[np.isfinite(low)][-1]), "null, mean to p95", MUTED))
    if np.isfinite(top).any():
        axes.plot(x, top, color=INK, linewidth=0.8, linestyle=(0, (4, 2)))
        ends.append((float(top[np.isfinite(top)][-1]), f"ceiling ({ceiling_name})", INK))
    per_group = [select_rows.baselines_of(group) for _, group in groups]
    for name in dict.fromkeys(name for group in per_group for name in group):
        heights = np.array([group.get(name, np.nan) for group in per_group])
        axes.plot(x, heights, color=color(name), linewidth=0.9, linestyle=(0, (1, 1.5)))
        ends.append((float(heights[-1]), label(name), color(name)))
    axes.axhline(0, color=FAINT, linewidth=0.5, zorder=0)
    return ends
