"""Flow of networks in a plane, epoch by epoch: where states go, and where they rest."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float
from matplotlib.figure import Figure

from recirc.figures.planes import arrowhead
from recirc.figures.style import INK, angles, bare, direction_color, direction_wheel, label, panels, shorten, styled

_ARROW = "#8d8d8d"


@dataclasses.dataclass(frozen=True)
class Flow:
    """Velocities on a grid in one plane under one held input, and what moves there.

    Args:
        x, y: where the velocities were taken.
        u, v: velocity along the two axes, per second.
        trajectories: of conditions in the epoch.
        conditions: their labels; those that are angles set the colors.
        fixed_points: projected onto the plane; those of another condition's input do not belong here.
        stable: which of them are stable.
        held: index of the condition whose input was held, if it was one's own; its trajectory is thick.
    """

    x: Float[np.ndarray, "row column"]
    y: Float[np.ndarray, "row column"]
    u: Float[np.ndarray, "row column"]
    v: Float[np.ndarray, "row column"]
    trajectories: Float[np.ndarray, "condition time 2"]
    conditions: Sequence[str]
    fixed_points: Float[np.ndarray, "point 2"]
    stable: Bool[np.ndarray, " point"]
    held: int | None = None


@styled
def flow_fields(networks: Sequence[tuple[str, Mapping[str, Flow]]], *, axis: str = "PC") -> Figure:
    """Arrows of the flow, trajectories of conditions and fixed points: a row per network, a column per epoch.

    An arrow is the change in one time, written beside the figure: the longest of 1, 2, ... 9, 10, 20, ... ms for which
    90 % of all arrows are shorter than a step of their grid. Stable fixed points are filled, unstable ones open; those
    outside the panel are not shown.

    Args:
        networks: (title, flow per epoch), each with the same epochs; panels of a row share their axes.
        axis: what an axis of the plane is called.
    """
    epochs = list(dict.fromkeys(name for _, flows in networks for name in flows))
    flows = [flow for _, here in networks for flow in here.values()]
    time_s = arrow_time(flows)
    n_rows, n_columns = max(len(networks), 1), max(len(epochs), 1)
    height = 0.3 + n_rows * 7.0 / (n_columns + 0.4)
    figure, grid = panels(n_rows, n_columns, height=height, wheel=0.4, sharex="row", sharey="row")
    for axes, epoch in zip(grid[0], epochs):
        axes.set_title(label(epoch), loc="center")
    for line, (title, here) in zip(grid, networks):
        for axes, epoch in zip(line, epochs):
            bare(axes)
            if epoch in here:
                _draw(axes, here[epoch], time_s)
        _limits(line[0], list(here.values()), time_s)
        line[0].set_ylabel(f"{shorten(title)}\n{axis} 2")
        line[0].set_xlabel(f"{axis} 1")
    note = f"\narrow: change\nin {1000 * time_s:g} ms\n\n● stable\n○ unstable\nfixed point"
    if any(flow.held is not None for flow in flows):
        note += "\n\nthick: its own\ninput is held"
    direction_wheel(grid[:, -1], angles(flows[0].conditions) if flows else [], note)
    return figure


def arrow_time(flows: Sequence[Flow]) -> float:
    """Seconds that an arrow covers: the longest round time that keeps most arrows off each other."""
    steps = [_spacing(flow) / np.hypot(flow.u, flow.v).ravel().clip(1e-12) for flow in flows]
    if not steps:
        return 0.001
    longest = 1000 * np.percentile(np.concatenate(steps), 10)
    power = 10 ** np.floor(np.log10(longest))
    return float(np.floor(longest / power) * power / 1000)


def _spacing(flow: Flow) -> float:
    """Typical distance to the next point of the grid."""
    return float(np.median(np.hypot(np.diff(flow.x, axis=1), np.diff(flow.y, axis=1))))


def _draw(axes, flow: Flow, time_s: float) -> None:
    axes.quiver(
        flow.x, flow.y, time_s * flow.u, time_s * flow.v, color=_ARROW, angles="xy", scale_units="xy",
        scale=1, width=0.0045, headwidth=3.4, headlength=4, headaxislength=3.6, minlength=0.4, zorder=1,
    )  # fmt: skip
    for i, (angle, line) in enumerate(zip(angles(flow.conditions), flow.trajectories)):
        tone = direction_color(angle)
        axes.plot(*line.T, color=tone, linewidth=2.2 if i == flow.held else 1.0, zorder=2)
        axes.plot(*line[0], "o", color=tone, markersize=2.6, zorder=2)
        arrowhead(axes, line, tone)
    for point, stable in zip(flow.fixed_points, flow.stable):
        axes.plot(*point, "o", color=INK, markerfacecolor=INK if stable else "white", markersize=5, zorder=3)


def _limits(axes, flows: Sequence[Flow], time_s: float) -> None:
    """Axes around all arrows and trajectories of a row."""
    ends = [np.stack([flow.x + s * flow.u, flow.y + s * flow.v], axis=-1) for flow in flows for s in (0, time_s)]
    parts = [part.reshape(-1, 2) for part in (*ends, *(np.asarray(flow.trajectories) for flow in flows))]
    if parts:
        points = np.concatenate(parts)
        pad = 0.04 * np.ptp(points, axis=0)
        (left, low), (right, high) = points.min(0) - pad, points.max(0) + pad
        axes.set(xlim=(left, right), ylim=(low, high))
