"""Eigenvalues of recurrent weights."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from recirc.figures.style import MUTED, color, label, panels, styled


@styled
def eigenvalues(spectra: Mapping[str, np.ndarray]) -> Figure:
    """Eigenvalues in the complex plane, a panel per arm, with the unit circle.

    Right of the dashed line at 1 the leak no longer holds a mode back at rest: activity around zero grows.

    Args:
        spectra: arm -> eigenvalues (complex, any order), or the square matrix they belong to.

    Example:
        >>> import numpy as np
        >>> figure = eigenvalues({"hints": np.diag([0.9, -0.5])})
        >>> figure.axes[0].get_title(loc="left")
        'hints\\nlargest real part 0.90'
    """
    values = {name: _values(np.asarray(entry)) for name, entry in spectra.items()}
    n_columns = max(len(values), 3)
    figure, grid = panels(1, n_columns, height=0.5 + 6.6 / n_columns, sharex=True, sharey=True)
    for axes in grid[0, len(values) :]:
        axes.axis("off")
    extent = 1.08 * max([1.05, *(float(np.abs(each).max()) for each in values.values() if len(each))])
    ring = np.exp(1j * np.linspace(0, 2 * np.pi, 200))
    for axes, (name, each) in zip(grid[0], values.items()):
        axes.plot(np.real(ring), np.imag(ring), color="#bdbdbd", linewidth=0.8)
        axes.axvline(1, color=MUTED, linewidth=0.6, linestyle=(0, (3, 2)))
        axes.plot(np.real(each), np.imag(each), "o", color=color(name), markersize=2.6, alpha=0.65, mew=0)
        axes.set(xlim=(-extent, extent), ylim=(-extent, extent), aspect="equal")
        abscissa = f"largest real part {np.real(each).max():.2f}" if len(each) else "no finite weights"
        axes.set_title(f"{label(name)}\n{abscissa}", loc="left", linespacing=1.4)
    grid[0, 0].set_ylabel("imaginary part")
    figure.supxlabel("real part of the eigenvalue")
    return figure


def _values(entry: np.ndarray) -> np.ndarray:
    if entry.ndim == 2:
        entry = np.linalg.eigvals(entry) if np.isfinite(entry).all() else np.zeros(0)
    return entry[np.isfinite(entry)].astype(complex)
