"""Which networks of a study are like the reference, on which level, and by what mechanism they work."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from recirc.compare.mechanism import INITIAL, INPUT, MIXED, SUFFICES, UNDETERMINED
from recirc.figures.cells import Cell
from recirc.figures.layout import beside, starts
from recirc.figures.style import FAINT, INK, MUTED, color, key, label, panels, styled

KINDS = {INPUT: "#d55e00", SUFFICES: "#e69f00", MIXED: "#cc79a7", INITIAL: "#0072b2", UNDETERMINED: "white"}
_LEVELS = {"performs": "does the task", "units": "units alike", "population": "population alike"}


@styled
def level_marks(levels: pd.DataFrame) -> Figure:
    """Cells by levels: a mark per network, in the order of seeds, filled if it is alike.

    A mark that is open is not alike, a dot could not be judged; the mechanism's color says which.

    Args:
        levels: a line per network, with "performs", "units", "population", "verdict" and "silent" (share of units);
            its index has "arm", "target_off_share", "rate_penalty" and "seed".

    Example:
        >>> import pandas as pd
        >>> cells = [(arm, share, 0.0, seed) for arm in ("tanh", "relu") for share in (0.0, 0.5) for seed in range(4)]
        >>> index = pd.MultiIndex.from_tuples(cells, names=["arm", "target_off_share", "rate_penalty", "seed"])
        >>> levels = pd.DataFrame({"performs": True, "units": False, "population": False, "silent": 0.1}, index)
        >>> levels["verdict"] = ["initial-condition driven" if share else "input driven" for _, share, _, _ in cells]
        >>> levels["units"] = [arm == "relu" for arm, *_ in cells]
        >>> figure = recirc.figures.level_marks(levels)
    """
    levels = levels.reset_index()
    places_of = zip(levels["arm"], levels["rate_penalty"], levels["target_off_share"])
    cells_of = [Cell(str(arm), float(penalty), float(share)) for arm, penalty, share in places_of]
    here = {cell: levels[[each == cell for each in cells_of]].sort_values("seed") for cell in dict.fromkeys(cells_of)}
    shares = sorted({cell.target_off_share or 0.0 for cell in here})
    order = sorted(
        here, key=lambda c: (c.target_off_share or 0.0, list(levels["arm"]).index(c.arm), c.rate_penalty or 0.0)
    )
    places = {cell: i + 1.3 * (shares.index(cell.target_off_share or 0.0) + 1) for i, cell in enumerate(order)}
    bottom, most = max(places.values(), default=0.0) + 0.8, max((len(own) for own in here.values()), default=1)
    figure, grid = panels(1, 5, height=0.75 + 0.16 * bottom, most=beside(5, 2), sharey=True)
    for axes, name in zip(grid[0], [*_LEVELS, "verdict", "silent"]):
        for cell, y in places.items():
            axes.axhline(y, color=FAINT, linewidth=0.5, zorder=0)
            _marks(axes, y, here[cell], name, color(cell.arm))
        axes.set(xlim=(-0.8, most - 0.2) if name != "silent" else (-0.04, 1.04), ylim=(bottom, 0.0))
        axes.set_title({**_LEVELS, "verdict": "mechanism", "silent": "share of silent units"}[name])
        axes.tick_params(axis="y", length=0)
        axes.set_facecolor("none")  # a heading may reach into the next panel
        axes.spines["left"].set_visible(False)
        axes.spines["bottom"].set_visible(name == "silent")
        if name != "silent":
            axes.set_xticks([])
    grid[0, 0].set_yticks(list(places.values()), [f"{label(cell.arm)}, {cell.penalty}" for cell in order])
    for share in shares:
        first = next(cell for cell in order if (cell.target_off_share or 0.0) == share)
        for axes in starts(grid):
            look = {"transform": axes.get_yaxis_transform(), "va": "center", "weight": "bold"}
            axes.text(0, places[first] - 1, first.shown, color=INK, **look)
    look = {"marker": "o", "markersize": 4, "linestyle": "", "color": INK}
    entries = [
        ("alike", look),
        ("not", look | {"markerfacecolor": "white"}),
        ("not judged", look | {"markersize": 1.5}),
    ]
    entries += [(name, look | {"markerfacecolor": tone, "marker": "s"}) for name, tone in KINDS.items()]
    key(figure, entries)
    return figure


def _marks(axes, y: float, own: pd.DataFrame, name: str, tone: str) -> None:
    if name == "silent":
        axes.plot(own[name], np.full(len(own), y), "o", color=tone, markersize=3, alpha=0.6, mew=0)
        return
    for x, value in enumerate(own[name]):
        if name == "verdict":
            axes.plot(x, y, "s", color=MUTED, markersize=4.2, mew=0.5, markerfacecolor=KINDS[value])
        elif pd.isna(value):
            axes.plot(x, y, "o", color=tone, markersize=1.5)
        else:
            axes.plot(x, y, "o", color=tone, markersize=4, mew=0.8, markerfacecolor=tone if value else "white")
