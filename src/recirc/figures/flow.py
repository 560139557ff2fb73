"""Where states go in a plane: trajectories of a circuit and of networks in one frame, and flow, epoch by epoch."""

import dataclasses
import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
import scipy.linalg
import xarray as xr
from jaxtyping import Bool, Float
from matplotlib.figure import Figure

from recirc.figures.labels import label, shorten
from recirc.figures.layout import beside, page_width
from recirc.figures.planes import arrowhead
from recirc.figures.style import INK, angles, bare, cross, direction_color, direction_wheel, panels, styled

_ARROW = "#8d8d8d"
_N_COMPONENTS = 10


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

    Example:
        >>> import numpy as np
        >>> x, y = np.meshgrid([-1.0, 1.0], [-1.0, 1.0])
        >>> flow = Flow(x, y, -x, -y, np.zeros((1, 3, 2)), ["0"], np.zeros((1, 2)), np.array([True]))
        >>> flow.fixed_points.shape
        (1, 2)
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
    90 % of all arrows are shorter than a step of their grid. Stable fixed points in the panel are filled, others open.

    Args:
        networks: (title, flow per epoch), each with the same epochs; panels of a row share their axes.
        axis: what an axis of the plane is called.

    Example:
        >>> import numpy as np
        >>> x, y = np.meshgrid(np.linspace(-2, 2, 13), np.linspace(-2, 2, 13))
        >>> angle = np.deg2rad(45 * np.arange(8))[:, None] + np.linspace(0, 1.5, 30)
        >>> paths = np.exp(-np.linspace(0, 1, 30))[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=2)
        >>> labels, zero = [f"{45 * i}" for i in range(8)], np.zeros((1, 2))
        >>> still, turning = (
        ...     recirc.figures.Flow(x, y, -2 * x - w * y, w * x - 2 * y, paths, labels, zero, np.array([True]))
        ...     for w in (0.5, 3.0)
        ... )
        >>> figure = recirc.figures.flow_fields([("network", {"hold": still, "movement": turning})])
    """
    epochs = list(dict.fromkeys(name for _, flows in networks for name in flows))
    flows = [flow for _, here in networks for flow in here.values()]
    time_s = arrow_time(flows)
    n_rows, n_columns = max(len(networks), 1), max(len(epochs), 1)
    most = max(beside(n_columns, 2), min(n_columns, 2))
    height = max(0.3 + n_rows * (page_width() - 0.2) / (most + 0.4), 2.8)  # of which the note is 2.5
    figure, grid = panels(n_rows, n_columns, height=height, wheel=0.4, most=most, sharex="row", sharey="row")
    for axes, epoch in zip(grid[0], epochs):
        axes.set_title(label(epoch), loc="center")
    for line, (title, here) in zip(grid, networks):
        for axes, epoch in zip(line, epochs):
            bare(axes)
            if epoch in here:
                _draw(axes, here[epoch], time_s)
        _limits(line[0], list(here.values()), time_s)
        line[0].set_ylabel(f"{textwrap.fill(shorten(title), int(height / n_rows / 0.063))}\n{axis} 2")
        line[0].set_xlabel(f"{axis} 1")
    note = f"\narrow: change\nin {1000 * time_s:g} ms\n\n● stable\n○ unstable\nfixed point"
    if any(flow.held is not None for flow in flows):
        note += "\n\nthick: its own\ninput is held"
    direction_wheel(grid[:, -1], flows[0].conditions if flows else [], note)
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


@styled
def principal_components(
    circuit: xr.DataArray, networks: xr.DataArray, *, heldout: Sequence[str] = (), name: str = "circuit"
) -> Figure:
    """Trajectories on the circuit's principal components; networks are rotated, scaled and shifted onto them.

    The first 10 components of either side are matched on the trained conditions by one orthogonal map (Procrustes) and
    brought to the same total variance; held-out conditions, dashed, had no part in that. A column per system.

    Args:
        circuit: (condition, time, unit), with coordinate `condition`.
        networks: (arm, condition, time, unit), with coordinate `arm`; any number of units.
        heldout: labels of the conditions that were not trained.
        name: what the first system is called.

    Example:
        >>> import numpy as np
        >>> theta, time = np.deg2rad(45 * np.arange(8))[:, None, None], 0.01 * np.arange(50)[:, None]
        >>> rates = 9 + 5 * np.cos(theta - np.arange(12)) * np.sin(9 * time + np.arange(12) ** 2)
        >>> circuit = recirc.Activity(rates, dt=0.01, conditions=45 * np.arange(8)).to_xarray()["rates"]
        >>> network = np.tanh(circuit / 9)  # any function of the rates, for an example
        >>> figure = recirc.figures.principal_components(circuit, network.expand_dims(arm=["hints"]))
    """
    conditions = circuit["condition"].values.astype(str)
    trained = ~np.isin(conditions, np.asarray(list(heldout), str))
    scores, share = _components(circuit.values, trained)
    systems = [(name, scores)]
    for arm in networks["arm"].values:
        own, _ = _components(networks.sel(arm=arm).values, trained)
        systems.append((label(str(arm)), _onto(own, scores, trained)))
    pairs = [pair for pair in ((0, 1), (0, 2)) if pair[1] < scores.shape[-1]]
    most = max(beside(len(systems), 2), min(len(systems), 2))
    height = 0.35 + page_width() / (most + 1) * 1.05 * len(pairs)
    figure, grid = panels(len(pairs), len(systems), height=height, wheel=0.4, most=most, sharex="row", sharey="row")
    degrees = angles(conditions)
    for row, (i, j) in enumerate(pairs):
        for column, (title, values) in enumerate(systems):
            axes = grid[row, column]
            _draw_lines(axes, values[..., [i, j]], degrees, trained)
            axes.set_xlabel(f"PC {i + 1} ({100 * share[i]:.0f} %)" if column == 0 else "")
            if row == 0:
                axes.set_title(textwrap.fill(title, int(page_width() / (most + 0.6) / 0.066)), loc="center")
        grid[row, 0].set_ylabel(f"PC {j + 1} ({100 * share[j]:.0f} %)")
        extent = 1.08 * max(np.abs(values[..., [i, j]]).max() for _, values in systems)
        grid[row, 0].set(xlim=(-extent, extent), ylim=(-extent, extent))
    for axes in grid[1:, -1]:
        axes.axis("off")
    note = "\ndot: start" + ("" if trained.all() else "\ndashed: held out")
    direction_wheel(grid[0, -1], conditions, note)
    return figure


def _components(rates: np.ndarray, trained: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scores (condition, time, component) on components of the trained conditions, and variance shares."""
    flat = rates[trained].reshape(-1, rates.shape[-1])
    center = flat.mean(0)
    _, size, axes = scipy.linalg.svd(flat - center, full_matrices=False)
    n_components = min(_N_COMPONENTS, len(size))
    share = size**2 / max((size**2).sum(), np.finfo(float).tiny)
    return (rates - center) @ axes[:n_components].T, share[:n_components]


def _onto(own: np.ndarray, target: np.ndarray, trained: np.ndarray) -> np.ndarray:
    """Scores under the best rotation onto the target's, and at its total variance, on trained conditions."""
    n_components = max(own.shape[-1], target.shape[-1])
    a, b = (np.pad(x, ((0, 0), (0, 0), (0, n_components - x.shape[-1]))) for x in (own, target))
    flat_a, flat_b = (x[trained].reshape(-1, n_components) for x in (a, b))
    rotation, _ = scipy.linalg.orthogonal_procrustes(flat_a, flat_b)
    scale = np.linalg.norm(flat_b) / max(np.linalg.norm(flat_a), np.finfo(float).tiny)
    return (scale * a @ rotation)[..., : target.shape[-1]]


def _draw_lines(axes, values: np.ndarray, degrees: np.ndarray, trained: np.ndarray) -> None:
    cross(axes)
    bare(axes)
    for angle, line, is_trained in zip(degrees, values, trained):
        tone = direction_color(angle)
        dashes, width = ("-", 1.1) if is_trained else ((0, (2.2, 1.4)), 0.8)
        axes.plot(*line.T, color=tone, linestyle=dashes, linewidth=width)
        if is_trained:
            axes.plot(*line[0], "o", color=tone, markersize=2.6)
