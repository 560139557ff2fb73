"""In a plane: rotations that jPCA found, paths of the hand when the target jumps, eigenvalues of weights."""

import dataclasses
import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from recirc.figures.labels import label, shorten
from recirc.figures.layout import WIDTH, beside, page_width
from recirc.figures.style import (
    INK,
    MUTED,
    angles,
    bare,
    color,
    cross,
    direction_color,
    direction_wheel,
    panels,
    styled,
)

_MOST = 4  # panels beside each other


@dataclasses.dataclass(frozen=True)
class Plane:
    """Conditions in one plane of rotation.

    Args:
        title: whose.
        coordinates: on the two axes of the plane.
        conditions: labels; those that are angles set the colors.
        caption: what belongs beside it: R², ratio with p, frequency, window.

    Example:
        >>> import numpy as np
        >>> Plane("recording", np.zeros((8, 40, 2)), [f"{45 * i}" for i in range(8)], "ratio .86 (p .01)").title
        'recording'
    """

    title: str
    coordinates: Float[np.ndarray, "condition time 2"]
    conditions: Sequence[str]
    caption: str = ""


@dataclasses.dataclass(frozen=True)
class HandPaths:
    """Paths of the hand on trials in which the target jumps.

    Args:
        title: of the network and the jump.
        positions: of the hand.
        old: the target before.
        new: the target after.
        conditions: labels of the old targets.
        step: of the jump, marked on the path; None if the hand has not moved by then.
        caption: what belongs beside it, such as the end-point error.

    Example:
        >>> import numpy as np
        >>> hand, old, new = np.zeros((8, 40, 2)), np.zeros((8, 2)), np.ones((8, 2))
        >>> HandPaths("jump at go", hand, old, new, [f"{45 * i}" for i in range(8)], 20, "R² .97").step
        20
    """

    title: str
    positions: Float[np.ndarray, "condition time 2"]
    old: Float[np.ndarray, "condition 2"]
    new: Float[np.ndarray, "condition 2"]
    conditions: Sequence[str]
    step: int | None = None
    caption: str = ""


@styled
def jpca_planes(planes: Sequence[Plane]) -> Figure:
    """A panel per circuit: conditions in its plane of rotation from a dot to an arrowhead, each on its own scale.

    A plane of fast rotation is found in anything smooth: keep the null's p in the caption.

    Args:
        planes: at most four stand beside each other.

    Example:
        >>> import numpy as np
        >>> labels = [f"{45 * i}" for i in range(8)]
        >>> angle = np.deg2rad(45 * np.arange(8))[:, None] + np.linspace(0, 3, 40)
        >>> paths = np.linspace(0.3, 1, 40)[:, None] * np.stack([np.cos(angle), 0.6 * np.sin(angle)], axis=2)
        >>> caption = "ratio .86 (p .01), 1.2 Hz"
        >>> planes = [recirc.figures.Plane(name, paths, labels, caption) for name in ("recording", "tanh")]
        >>> figure = recirc.figures.jpca_planes(planes)
    """
    figure, axes_list = _grid(planes, 0.42, "dot: start")
    for axes, plane in zip(axes_list, planes):
        cross(axes)
        for angle, line in zip(angles(plane.conditions), plane.coordinates):
            tone = direction_color(angle)
            axes.plot(*line.T, color=tone)
            axes.plot(*line[0], "o", color=tone, markersize=3)
            arrowhead(axes, line, tone)
        _frame(axes, np.asarray(plane.coordinates).reshape(-1, 2), centered=True)
    return figure


@styled
def switch_trajectories(paths: Sequence[HandPaths]) -> Figure:
    """A panel per network and jump: the hand's paths, colored by the first target.

    Rings are the first targets, dots those they jump to, in the color of the path that should end there. A diamond is
    where the hand was at the jump. All panels have one scale.

    Args:
        paths: at most four stand beside each other.

    Example:
        >>> import numpy as np
        >>> angles = np.deg2rad(45 * np.arange(8))
        >>> old = np.stack([np.cos(angles), np.sin(angles)], axis=1)
        >>> new, reach = np.roll(old, -2, axis=0), np.linspace(0, 1, 60)[None, :, None]
        >>> hand = old[:, None] * reach * (1 - reach) * 2 + new[:, None] * reach**2
        >>> labels = [f"{45 * i}" for i in range(8)]
        >>> paths = recirc.figures.HandPaths("tanh: jump 0.1 s after go", hand, old, new, labels, 15, "R² .97")
        >>> figure = recirc.figures.switch_trajectories([paths])
    """
    jumps = any(path.step is not None for path in paths)
    note = "ring: first target\ndot: second target" + "\ndiamond: jump" * jumps
    figure, axes_list = _grid(paths, 0.28, note)
    every = [np.concatenate([p.positions.reshape(-1, 2), p.old, p.new]) for p in paths]
    for axes, path in zip(axes_list, paths):
        for angle, line, old, new in zip(angles(path.conditions), path.positions, path.old, path.new):
            tone = direction_color(angle)
            axes.plot(*old, "o", color=tone, markersize=9, markerfacecolor="none", markeredgewidth=1.1)
            axes.plot(*new, "o", color=tone, markersize=4.5, markeredgewidth=0)
            axes.plot(*line.T, color=tone)
            if path.step is not None:
                axes.plot(*line[path.step], "D", color=tone, markersize=2.8, markerfacecolor="white", zorder=4)
        _frame(axes, np.concatenate(every), centered=False)
    return figure


@styled
def eigenvalues(spectra: Mapping[str, np.ndarray]) -> Figure:
    """Eigenvalues of recurrent weights in the complex plane, a panel per arm, with the unit circle.

    Right of the dashed line at 1 the leak no longer holds a mode back at rest: activity around zero grows.

    Args:
        spectra: arm -> eigenvalues (complex, any order), or the square matrix they belong to.

    Example:
        >>> import numpy as np
        >>> weights = np.random.default_rng(0).normal(size=(100, 100)) / 10
        >>> figure = recirc.figures.eigenvalues({"hints": 0.8 * weights, "no_hints": 1.2 * weights})
    """
    values = {}
    for name, entry in spectra.items():
        if np.ndim(entry) == 2:
            entry = np.linalg.eigvals(entry) if np.isfinite(entry).all() else ()
        values[name] = np.asarray(entry, complex)[np.isfinite(entry)]
    n_columns, most = max(len(values), beside(3)), beside(max(len(values), 3), 2)
    height = 0.5 + (page_width() - 0.6) / most
    figure, grid = panels(1, n_columns, height=height, most=most, sharex=True, sharey=True)
    for axes in grid[0, len(values) :]:
        axes.axis("off")
    extent = 1.08 * np.abs(np.concatenate([[1.05], *values.values()])).max()
    ring = np.exp(1j * np.linspace(0, 2 * np.pi, 200))
    for axes, (name, each) in zip(grid[0], values.items()):
        axes.plot(np.real(ring), np.imag(ring), color="#bdbdbd", linewidth=0.8)
        axes.axvline(1, color=MUTED, linewidth=0.6, linestyle=(0, (3, 2)))
        axes.plot(each.real, each.imag, "o", color=color(name), markersize=2.6, alpha=0.65, mew=0)
        axes.set(xlim=(-extent, extent), ylim=(-extent, extent), aspect="equal")
        abscissa = f"largest real part {each.real.max():.2f}" if len(each) else "no finite weights"
        axes.set_title(f"{label(name)}\n{abscissa}", loc="left", linespacing=1.4)
    grid[0, 0].set_ylabel("imaginary part")
    figure.supxlabel("real part of the eigenvalue")
    return figure


def arrowhead(axes, line: np.ndarray, tone: str) -> None:
    """An arrowhead at the end of a line, in the direction of its last step that has a length."""
    moves = np.flatnonzero(np.abs(np.diff(line, axis=0)).sum(1) > 0)
    if len(moves):
        look = {"arrowstyle": "-|>", "color": tone, "linewidth": 0, "mutation_scale": 6, "shrinkA": 0, "shrinkB": 0}
        axes.annotate("", line[moves[-1] + 1], line[moves[-1]], arrowprops=look, annotation_clip=False)


def _grid(entries: Sequence, below: float, note: str):
    """A figure with a wheel and note, and axes for the entries; `below` inches for captions under a line."""
    n_lines = -(-len(entries) // beside(_MOST)) or 1
    n_columns = -(-len(entries) // n_lines) or 1
    wheel = 0.45 if n_columns > 2 else 0.3
    width = min(page_width() / (n_columns + wheel), 2.4)
    below = below if any(entry.caption for entry in entries) else 0.0
    height = max(n_lines * (0.97 * width + below + 0.16), 2.2)
    figure, grid = panels(n_lines, n_columns, height=height, wheel=wheel, most=n_columns)
    flat = grid[:, :-1].ravel()
    for axes in flat[len(entries) :]:
        axes.axis("off")
    letter = 0.058 if page_width() == WIDTH else 0.065  # inches; labels take more of a column than of a page
    for axes, entry in zip(flat, entries):
        axes.set_title(_wrapped(shorten(entry.title, 60), width / letter), loc="center")
        axes.set_xlabel(_wrapped(shorten(entry.caption, 200), width / 0.052), fontsize=6.5, color=INK, labelpad=3)
    direction_wheel(grid[:, -1], entries[0].conditions if len(entries) else [], f"\n{note}")
    return figure, flat[: len(entries)]


def _wrapped(text: str, most: float) -> str:
    """The text in lines of about one length."""
    n_lines = -(-len(text) // int(most)) or 1
    return textwrap.fill(text, min(int(most), len(text) // n_lines + 5))


def _frame(axes, points: np.ndarray, *, centered: bool) -> None:
    """Equal axes without ticks around the points, with the origin in the middle if `centered`."""
    points = points[np.isfinite(points).all(1)]
    middle = np.zeros(2) if centered or not len(points) else (points.max(0) + points.min(0)) / 2
    extent = 1.15 * float(np.abs(points - middle).max(initial=0.0)) or 1.0
    (left, low), (right, high) = middle - extent, middle + extent
    bare(axes, xlim=(left, right), ylim=(low, high))
