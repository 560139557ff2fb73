"""By which mechanism every network of a study works: shares of state and input."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from recirc.analyses.table import median, per_network
from recirc.compare.mechanism import INITIAL, INPUT, SUFFICES, MechanismSummary
from recirc.figures.cells import cells
from recirc.figures.layout import WIDTH, page_width, starts
from recirc.figures.style import FAINT, INK, MUTED, color, key, label, panels, styled

_AXES = {  # the name of its threshold, what is so above it, and the mechanisms that say so
    "state_share": ("least_share", "state dominates", (INITIAL,)),
    "input_share": ("least_share", "input dominates", (INPUT, SUFFICES)),
    "target_off_at_go_r2": ("least_follows", "state suffices", (INITIAL, SUFFICES)),
}


@styled
def mechanism_shares(table: pd.DataFrame) -> Figure:
    """Shares of state and input in conflict, and R² by the state alone, a line per cell: points are networks.

    The bar is the median; the band is over the threshold of `MechanismSummary`. A network whose "verdict" says so is
    filled; one with another, as its interval or its swapped movements did not bear it out, is open.

    Args:
        table: of an analysis, with conditions "verdict", "rate_penalty", "target_off_share", "seed".

    Example:
        >>> rows = []
        >>> for arm, off, share in (("tanh", 0.0, 0.05), ("tanh", 0.5, 0.9), ("relu", 0.0, 0.1), ("relu", 0.5, 0.95)):
        ...     for seed in range(4):
        ...         where = {"target_off_share": off, "rate_penalty": 0.0, "seed": seed, "set": "crossed_at_go"}
        ...         where["verdict"] = "input driven" if off == 0 else "initial-condition driven"
        ...         values = {"state_share": share, "input_share": 0.97 - share, "target_off_at_go_r2": share}
        ...         for metric, value in values.items():
        ...             rows.append(recirc.analyses.Row(metric, "mechanism", arm, value + 0.01 * seed, condition=where))
        >>> figure = recirc.figures.mechanism_shares(recirc.analyses.frame(rows))
    """
    here = cells(table[table["metric"].isin(_AXES)])
    groups = list(dict.fromkeys(cell.group for cell in here))
    places = {cell: i + 1.35 * (groups.index(cell.group) + 1) for i, cell in enumerate(here)}
    bottom = max(places.values(), default=0.0) + 0.8
    figure, grid = panels(1, 3, height=0.85 + 0.155 * bottom, most=3 if page_width() == WIDTH else 1, sharey=True)
    for axes, (metric, (threshold, word, verdicts)) in zip(grid[0], _AXES.items()):
        least = getattr(MechanismSummary, threshold)
        axes.axvspan(least, 1.2, color="#ececec", linewidth=0, zorder=0)
        for cell, y in places.items():
            own, tone = cell.select(table, metric), color(cell.arm)
            axes.plot([0, 1], [y, y], color=FAINT, linewidth=0.5, zorder=0.5)
            axes.plot(
                [median(per_network(own))] * 2, [y - 0.36, y + 0.36], color=tone, linewidth=2, solid_capstyle="butt"
            )
            for value, found in own.reindex(columns=["value", "verdict"]).itertuples(index=False):
                filled = {"markerfacecolor": tone if found in verdicts or pd.isna(found) else "white", "alpha": 0.8}
                axes.plot(np.clip(value, 0, 1), y, "o", color=tone, markersize=3.6, mew=0.8, zorder=3, **filled)
        axes.set(xlim=(-0.04, 1.04), ylim=(bottom, -0.25), xlabel=label(metric))
        axes.set_title(f"{least:g} and over: {word}", loc="right", color=MUTED)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
    grid[0, 0].set_yticks(list(places.values()), [cell.penalty for cell in here])
    grid[0, 0].set_ylabel(label("rate_penalty"))
    for group in groups:
        first = next(cell for cell in here if cell.group == group)
        for axes in starts(grid):
            name = first.named(int(11.5 * page_width()))  # letters that fit
            axes.text(0.0, places[first] - 1, name, color=color(first.arm), va="center", weight="bold")
    look = {"color": INK, "marker": "o", "markersize": 4, "linestyle": ""}
    key(figure, [("the verdict says so", look), ("it does not", look | {"markerfacecolor": "white"})])
    return figure
