"""Population trajectories of a circuit and of networks, in one frame."""

from collections.abc import Sequence

import numpy as np
import scipy.linalg
import xarray as xr
from matplotlib.figure import Figure

from recirc.figures.style import angles, bare, cross, direction_color, direction_wheel, label, panels, styled

_N_COMPONENTS = 10


@styled
def principal_components(
    circuit: xr.DataArray, networks: xr.DataArray, *, heldout: Sequence[str] = (), name: str = "circuit"
) -> Figure:
    """Trajectories on the circuit's principal components; networks are rotated, scaled and shifted onto them.

    The first 10 components of either side are matched on the trained conditions by one orthogonal map
    (Procrustes) and brought to the same total variance; held-out conditions, dashed, had no part in that. A
    column per system, the same axes.

    Args:
        circuit: (condition, time, unit), with coordinate `condition`.
        networks: (arm, condition, time, unit), with coordinate `arm`; any number of units.
        heldout: labels of the conditions that were not trained.
        name: what the first system is called.
    """
    conditions = circuit["condition"].values.astype(str)
    trained = ~np.isin(conditions, np.asarray(list(heldout), str))
    scores, share = _components(circuit.values, trained)
    systems = [(name, scores)]
    for arm in networks["arm"].values:
        own, _ = _components(networks.sel(arm=arm).values, trained)
        systems.append((label(str(arm)), _onto(own, scores, trained)))
    pairs = [pair for pair in ((0, 1), (0, 2)) if pair[1] < scores.shape[-1]]
    height = 0.35 + 7.2 / (len(systems) + 1) * 1.05 * len(pairs)
    figure, grid = panels(len(pairs), len(systems), height=height, wheel=0.4, sharex="row", sharey="row")
    degrees = angles(conditions)
    for row, (i, j) in enumerate(pairs):
        for column, (title, values) in enumerate(systems):
            axes = grid[row, column]
            _draw(axes, values[..., [i, j]], degrees, trained)
            axes.set_xlabel(f"PC {i + 1} ({100 * share[i]:.0f} %)" if column == 0 else "")
            if row == 0:
                axes.set_title(title, loc="center")
        grid[row, 0].set_ylabel(f"PC {j + 1} ({100 * share[j]:.0f} %)")
        extent = 1.08 * max(np.abs(values[..., [i, j]]).max() for _, values in systems)
        grid[row, 0].set(xlim=(-extent, extent), ylim=(-extent, extent))
    for axes in grid[1:, -1]:
        axes.axis("off")
    note = "\ndot: start" + ("" if trained.all() else "\ndashed: held out")
    direction_wheel(grid[0, -1], degrees[trained], note)
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


def _draw(axes, values: np.ndarray, degrees: np.ndarray, trained: np.ndarray) -> None:
    cross(axes)
    bare(axes)
    for angle, line, is_trained in zip(degrees, values, trained):
        tone = direction_color(angle)
        dashes, width = ("-", 1.1) if is_trained else ((0, (2.2, 1.4)), 0.8)
        axes.plot(*line.T, color=tone, linestyle=dashes, linewidth=width)
        if is_trained:
            axes.plot(*line[0], "o", color=tone, markersize=2.6)
