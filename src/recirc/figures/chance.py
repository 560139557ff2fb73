"""Every similarity of two populations against what chance gives."""

from collections.abc import Collection

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from recirc.analyses.table import number
from recirc.figures.layout import page_width
from recirc.figures.style import FAINT, INK, MUTED, PALETTE, NothingToDraw, key, label, panels, styled

_WIDTH = 4.0  # inches: wide enough to be read
MOST = 4.0  # of the null's distances; what lies further is drawn at the edge


@styled
def against_chance(table: pd.DataFrame, alike: Collection[str] = ()) -> Figure:
    r"""Similarities on one scale, on which the mean of the null is 0 and its 95 % point 1.

    A value x stands at (x - m) / (q - m), where m is the null's mean and q the point that 5 % of the null are beyond,
    on the better side; so right of 1 is nearer than chance, whichever direction of the measure is better.

    Args:
        table: rows with a null, "null_mean", "null_p95" and "null_certified", and perhaps a "ceiling".
        alike: measures by which the two are more alike than by chance, of all that were asked together.

    Raises:
        NothingToDraw: if no row has a null.

    Example:
        >>> null = {"kind": "rotated_conditions", "mean": 0.5, "p95": 0.6, "p": 0.004, "certified": True}
        >>> values = {"linear_cka": 0.56, "debiased_cka": 0.68, "cca_mean4": 0.83}
        >>> rows = [recirc.analyses.Row(name, "population", "b", value, null=null, ceiling=0.84)
        ...         for name, value in values.items()]
        >>> figure = recirc.figures.against_chance(recirc.analyses.frame(rows), alike=["debiased_cka", "cca_mean4"])
    """
    shown = table.dropna(subset=["value", "null_mean", "null_p95"])
    shown = shown[shown["null_mean"] != shown["null_p95"]]
    if shown.empty:
        raise NothingToDraw("no number has a null to be drawn against.")
    figure, grid = panels(1, 1, height=0.85 + 0.2 * len(shown), width=min(_WIDTH, page_width()))
    axes = grid[0, 0]
    axes.add_patch(Rectangle((0, -1), 1, len(shown) + 1, color="#ececec", linewidth=0, zorder=0))
    for y, row in enumerate(shown.to_dict("records")):
        _line(axes, y, row, row["metric"] in alike)
    axes.axvline(0, color=FAINT, linewidth=0.6, zorder=0)
    axes.set(xlim=(-MOST, 1.75 * MOST), ylim=(len(shown) - 0.4, -0.6), xticks=[-4, -2, 0, 1, 4])
    several = shown["metric"].duplicated(keep=False)
    names = [label(name) + f", {label(kind)}" * again
             for name, kind, again in zip(shown["metric"], shown["null_kind"], several)]  # fmt: skip
    axes.set_yticks(range(len(shown)), names)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("chance: mean 0, 95 % point 1")
    look = {"marker": "o", "markersize": 4, "linestyle": "", "color": INK}
    key(figure, [
        ("more alike than by chance", look | {"color": PALETTE[0]}),
        ("not shown to be", look | {"markerfacecolor": "white"}),
        ("null not certified", look | {"markersize": 1.5}),
        ("ceiling", look | {"marker": "|", "markersize": 7}),
    ])  # fmt: skip
    return figure


def _line(axes, y: int, row: dict, is_alike: bool) -> None:
    """One measure: its value, in print too, and its ceiling."""
    place = lambda value: (value - row["null_mean"]) / (row["null_p95"] - row["null_mean"])  # noqa: E731
    inside = lambda value: min(max(place(value), -MOST), MOST)  # noqa: E731
    tone = PALETTE[0] if is_alike else INK
    axes.plot([-MOST, MOST], [y, y], color=FAINT, linewidth=0.5, zorder=0)
    if row["ceiling"] is not None and not pd.isna(row["ceiling"]):
        axes.plot(inside(row["ceiling"]), y, "|", color=INK, markersize=7)
    x, certified = place(row["value"]), row["null_certified"] is True
    filled = {"markerfacecolor": tone if is_alike else "white"}
    axes.plot(inside(row["value"]), y, "o", color=tone, markersize=4 if certified else 1.5, mew=0.8, **filled)
    beyond = " →" if x > MOST else " ←" if x < -MOST else ""
    axes.text(MOST + 0.4, y, f"{number(row['value'])}{beyond}", color=MUTED, va="center", fontsize=7)
