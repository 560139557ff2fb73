"""How much of the movement comes out of the state at go, and how much out of the input after it."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from recirc.analyses.table import per_network
from recirc.compare.mechanism import MechanismSummary
from recirc.figures.cells import Cell, cells, group_name, penalty_name
from recirc.figures.style import FAINT, INK, MUTED, color, key, label, panels, styled

_SHARES = {"state_share": "initial-condition driven", "input_share": "input driven"}


@styled
def mechanism_shares(table: pd.DataFrame, *, least_share: float = MechanismSummary.least_share) -> Figure:
    """Share of the state at go and share of the input after it, a line per cell: points are networks.

    The bar is the median. The band is where a share is large enough to be the mechanism. A network whose
    "verdict" is that mechanism is filled; one with another verdict, as what it does under swapped states did
    not bear it out, is open.

    Args:
        table: of an analysis; metrics `state_share` and `input_share`, with conditions "verdict", "rate_penalty",
            "target_line", "seed".
        least_share: as in `MechanismSummary`.
    """
    here = cells(table[table["metric"].isin(_SHARES)])
    groups = list(dict.fromkeys(group_name(cell) for cell in here))
    places = {cell: i + 1.35 * (groups.index(group_name(cell)) + 1) for i, cell in enumerate(here)}
    bottom = max(places.values(), default=0.0) + 0.8
    figure, grid = panels(1, 2, height=0.85 + 0.155 * bottom, sharey=True)
    for axes, (metric, verdict) in zip(grid[0], _SHARES.items()):
        axes.axvspan(least_share, 1.2, color="#ececec", linewidth=0, zorder=0)
        for cell, y in places.items():
            _cell(axes, y, cell, cell.select(table, metric), verdict)
        axes.set(xlim=(-0.04, 1.04), ylim=(bottom, -0.25), xlabel=f"{label(metric)}")
        axes.set_title(f"{least_share:g} and over: {verdict}", loc="right", color=MUTED)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
    grid[0, 0].set_yticks(list(places.values()), [penalty_name(cell) for cell in here])
    grid[0, 0].set_ylabel(label("rate_penalty"))
    for group in groups:
        first = next(cell for cell in here if group_name(cell) == group)
        grid[0, 0].text(0.0, places[first] - 1, group, color=color(first.arm), va="center", weight="bold")
    look = {"color": INK, "marker": "o", "markersize": 4, "linestyle": ""}
    key(figure, [("verdict is this mechanism", look), ("it is not", look | {"markerfacecolor": "white"})])
    return figure


def _cell(axes, y: float, cell: Cell, own: pd.DataFrame, verdict: str) -> None:
    tone = color(cell.arm)
    axes.plot([0, 1], [y, y], color=FAINT, linewidth=0.5, zorder=0.5)
    middle = per_network(own).median()
    axes.plot([middle, middle], [y - 0.36, y + 0.36], color=tone, linewidth=2, solid_capstyle="butt")
    for value, found in own.reindex(columns=["value", "verdict"]).itertuples(index=False):
        holds = found == verdict or pd.isna(found)
        axes.plot(
            np.clip(value, 0, 1), y, "o", color=tone, markersize=3.6, markeredgewidth=0.8,
            markerfacecolor=tone if holds else "white", alpha=0.8, zorder=3,
        )  # fmt: skip
