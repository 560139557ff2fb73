"""How wide figures are, and how their panels stand: beside each other on a page, or in a single column of it."""

import contextlib
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

WIDTH, COLUMN = 7.2, 3.6  # inches, of a page and of a column
_PAGE = ContextVar("width of the page", default=WIDTH)


@contextlib.contextmanager
def one_column() -> Iterator[None]:
    """Draw figures 3.6 inches wide within this block: for a column of a journal, or a phone.

    Type keeps its size. Of panels that stood beside each other, half stand below the other half, more if they are many.

    Example:
        >>> import numpy as np
        >>> spectra = {name: np.eye(3) for name in ("hints", "no_hints", "force")}
        >>> with recirc.figures.one_column():
        ...     figure = recirc.figures.eigenvalues(spectra)
        >>> print(figure.get_figwidth())
        3.6
    """
    token = _PAGE.set(COLUMN)
    try:
        yield
    finally:
        _PAGE.reset(token)


def page_width() -> float:
    """Inches that a figure is wide here."""
    return _PAGE.get()


def beside(n_columns: int, most: int = 3) -> int:
    """How many of so many columns stand beside each other here: all; in `one_column` half of them, `most` at most."""
    return n_columns if page_width() == WIDTH else min(-(-n_columns // 2), most)


class _Shown(Figure):
    """A figure that a notebook shows as a picture, whatever its setting for Matplotlib."""

    def _repr_png_(self) -> bytes:
        from recirc.figures.style import render  # which draws with this module

        return render(self)["png"]


def panels(
    n_rows: int, n_columns: int,
    *, height: float, width: float | None = None, wheel: float = 0.0, most: int | None = None,
    height_ratios: Sequence[float] | None = None, sharex: bool | str = False, sharey: bool | str = False,
):  # fmt: skip
    """A figure with a grid of axes, always two-dimensional.

    In `one_column`, columns that have no place follow below, each with all its rows; the grid is as without.

    Args:
        n_rows, n_columns: size of the grid.
        height: of the figure, inches; if columns follow below, that of every part.
        width: of the figure, inches; the page's by default.
        wheel: width of one more column, for `direction_wheel`, beside the others' 1; none if 0.
        most: columns beside each other; `beside(n_columns)` by default.
        height_ratios, sharex, sharey: as of `Figure.subplots`.
    """
    n_beside = min(most or beside(n_columns), n_columns)
    n_parts = -(-n_columns // max(n_beside, 1)) or 1
    figure = _Shown(figsize=(width or page_width(), height * n_parts), layout="constrained")
    FigureCanvasAgg(figure)
    figure.get_layout_engine().set(w_pad=0.03, h_pad=0.03, wspace=0.03, hspace=0.04)  # pyright: ignore
    widths = [*np.ones(n_beside), *([wheel] if wheel else [])]
    shares: Any = {"sharex": sharex, "sharey": sharey} if n_parts == 1 else {}
    ratios = None if height_ratios is None else [*height_ratios] * n_parts
    found = figure.subplots(
        n_parts * n_rows, len(widths), squeeze=False, width_ratios=widths, height_ratios=ratios, **shares
    )
    if n_parts == 1:
        return figure, found
    grid = np.hstack([found[i * n_rows : (i + 1) * n_rows, :n_beside] for i in range(n_parts)])
    for axes in [*grid[:, n_columns:].ravel(), *found[n_rows:, n_beside:].ravel()]:
        axes.remove()
    grid = grid[:, :n_columns]
    _share(grid, n_beside, sharex, sharey)
    figure.__dict__["_recirc_lines"] = [line[::n_beside] for line in grid]
    return figure, np.hstack([grid, found[:n_rows, n_beside:]])


def starts(grid: np.ndarray) -> list[Axes]:
    """Axes of the first row at which a line of panels starts: one, or several if columns follow below."""
    return [axes for axes in grid[0] if axes.get_subplotspec().is_first_col()]


def repeat_labels(figure: Figure) -> None:
    """Give the first panels of parts that follow below the axis labels of those above, where they have none."""
    for first, *others in figure.__dict__.get("_recirc_lines", ()):
        for axes in others:
            axes.set_ylabel(axes.get_ylabel() or first.get_ylabel())
            axes.set_xlabel(axes.get_xlabel() or first.get_xlabel())


def _share(grid: np.ndarray, n_beside: int, sharex: bool | str, sharey: bool | str) -> None:
    """Share axes as `Figure.subplots` does, of a grid whose columns stand in several parts."""
    for along, how in (("x", sharex), ("y", sharey)):
        for (row, column), axes in np.ndenumerate(grid):
            with_whom = {"row": grid[row, 0], "col": grid[0, column], True: grid[0, 0]}.get(how)
            if with_whom is not None and with_whom is not axes:
                getattr(axes, f"share{along}")(with_whom)
            if along == "x" and how in (True, "col") and row < len(grid) - 1:
                axes.tick_params(axis="x", which="both", labelbottom=False)
            if along == "y" and how in (True, "row") and column % n_beside:
                axes.tick_params(axis="y", which="both", labelleft=False)
