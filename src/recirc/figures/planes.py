"""Conditions in a plane: rotations that jPCA found, and paths of the hand when the target jumps."""

import dataclasses
import textwrap
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from recirc.figures.style import INK, angles, bare, cross, direction_color, direction_wheel, panels, shorten, styled

_MOST = 4  # panels beside each other


@dataclasses.dataclass(frozen=True)
class Plane:
    """Conditions in one plane of rotation.

    Args:
        title: whose.
        coordinates: on the two axes of the plane.
        conditions: labels; those that are angles set the colors.
        caption: what belongs beside it: R², ratio with p, frequency, window.
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
    """
    figure, axes_list, wheel = _grid(planes, 0.42)
    for axes, plane in zip(axes_list, planes):
        cross(axes)
        for angle, line in zip(angles(plane.conditions), plane.coordinates):
            tone = direction_color(angle)
            axes.plot(*line.T, color=tone)
            axes.plot(*line[0], "o", color=tone, markersize=3)
            arrowhead(axes, line, tone)
        _frame(axes, np.asarray(plane.coordinates).reshape(-1, 2), centered=True)
    _wheel(wheel, planes, "dot: start")
    return figure


@styled
def switch_trajectories(paths: Sequence[HandPaths]) -> Figure:
    """A panel per network and jump: the hand's paths, colored by the first target.

    Rings are the first targets, dots those they jump to, in the color of the path that should end there. A
    diamond is where the hand was at the jump. All panels have one scale.

    Args:
        paths: at most four stand beside each other.
    """
    figure, axes_list, wheel = _grid(paths, 0.28)
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
    jumps = any(path.step is not None for path in paths)
    _wheel(wheel, paths, "ring: first target\ndot: second target" + "\ndiamond: jump" * jumps)
    return figure


def arrowhead(axes, line: np.ndarray, tone: str) -> None:
    """An arrowhead at the end of a line, in the direction of its last step that has a length."""
    moves = np.flatnonzero(np.abs(np.diff(line, axis=0)).sum(1) > 0)
    if len(moves):
        look = {"arrowstyle": "-|>", "color": tone, "linewidth": 0, "mutation_scale": 6, "shrinkA": 0, "shrinkB": 0}
        axes.annotate("", line[moves[-1] + 1], line[moves[-1]], arrowprops=look, annotation_clip=False)


def _grid(entries: Sequence, below: float):
    """A figure, axes for the entries and axes for the wheel; `below` inches for captions under a line."""
    n_lines = -(-len(entries) // _MOST) or 1
    n_columns = -(-len(entries) // n_lines) or 1
    wheel = 0.45 if n_columns > 2 else 0.3
    width = min(7.2 / (n_columns + wheel), 2.4)
    below = below if any(entry.caption for entry in entries) else 0.0
    figure, grid = panels(n_lines, n_columns, height=max(n_lines * (0.97 * width + below + 0.16), 2.2), wheel=wheel)
    flat = grid[:, :-1].ravel()
    for axes in flat[len(entries) :]:
        axes.axis("off")
    for axes, entry in zip(flat, entries):
        axes.set_title(_wrapped(shorten(entry.title, 60), int(width / 0.058)), loc="center")
        caption = _wrapped(shorten(entry.caption, 200), int(width / 0.052))
        axes.set_xlabel(caption, fontsize=6.5, color=INK, labelpad=3)
    return figure, flat[: len(entries)], grid[:, -1]


def _wrapped(text: str, most: int) -> str:
    """The text in lines of about one length."""
    n_lines = -(-len(text) // most) or 1
    return textwrap.fill(text, min(most, len(text) // n_lines + 5))


def _wheel(column, entries: Sequence, note: str) -> None:
    direction_wheel(column, angles(entries[0].conditions) if len(entries) else [], f"\n{note}")


def _frame(axes, points: np.ndarray, *, centered: bool) -> None:
    """Equal axes without ticks around the points, with the origin in the middle if `centered`."""
    points = points[np.isfinite(points).all(1)]
    middle = np.zeros(2) if centered or not len(points) else (points.max(0) + points.min(0)) / 2
    extent = 1.15 * float(np.abs(points - middle).max(initial=0.0)) or 1.0
    (left, low), (right, high) = middle - extent, middle + extent
    bare(axes, xlim=(left, right), ylim=(low, high))
