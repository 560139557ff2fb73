"""Directions of targets, taken from the middle of where they lie."""

import numpy as np
from jaxtyping import Float

from recirc.data.directions import largest_gap

ROUND, SAME, SHARE_OF_RINGS = 0.02, 1e-6, 1 / 3


def target_centre(positions: Float[np.ndarray, "trial 2"]) -> Float[np.ndarray, "2"] | None:
    r"""The point from which directions of targets are told; None if there is no such point.

    Zero where all targets are equally far from it; otherwise the middle $c$ of the circle on which four or more lie,
    from $2 c \cdot x + b = \|x\|^2$ by least squares, if all distances agree within 2 %; otherwise zero where they lie
    all around it; otherwise their mean, if they lie on few rings about that; otherwise zero if they span a right angle.

    Example:
        >>> turn = np.arange(8) * np.pi / 4
        >>> target_centre(np.stack([960 + 300 * np.cos(turn), 540 + 300 * np.sin(turn)], axis=1)).round(6).tolist()
        [960.0, 540.0]
    """
    known = positions[np.isfinite(positions).all(axis=1)]
    if not len(known):
        return np.zeros(2)
    scale = max(float(np.abs(known).max()), 1e-300)
    different = known[np.unique(np.round(known / scale, 6), axis=0, return_index=True)[1]]
    if len(different) < 2 or _n_rings(different, SAME) == 1:
        return np.zeros(2)
    centred = different - different.mean(axis=0)
    if len(different) > 3 and np.linalg.svd(centred, compute_uv=False)[1] > ROUND * np.abs(centred).max():
        design = np.column_stack([2 * centred, np.ones(len(centred))])
        middle = np.linalg.lstsq(design, (centred**2).sum(axis=1))[0][:2]
        if _n_rings(centred - middle) == 1:
            middle = middle + different.mean(axis=0)
            radius = np.linalg.norm(different - middle, axis=1).mean()
            return np.zeros(2) if np.linalg.norm(middle) < ROUND * radius else _exact(known, middle)
    angles = np.rad2deg(np.arctan2(different[:, 1], different[:, 0]))
    gap, n_rings = largest_gap(angles), _n_rings(centred)
    if gap <= 180 + 1e-6:
        return np.zeros(2)
    if n_rings <= SHARE_OF_RINGS * len(different) or (n_rings == 1 and gap > 270):
        return different.mean(axis=0)
    return np.zeros(2) if gap <= 270 + 1e-6 else None


def _n_rings(positions: np.ndarray, apart: float = ROUND) -> int:
    """How many different distances from zero there are; apart is a share of the largest."""
    distances = np.sort(np.linalg.norm(positions, axis=1))
    return 1 + int((np.diff(distances) > apart * distances[-1]).sum())


def _exact(known: np.ndarray, middle: np.ndarray) -> np.ndarray:
    """The middle to the digits that the positions have, so that even directions get even labels."""
    digits = 9 - int(np.floor(np.log10(np.abs(known).max())))
    return np.round(middle, digits)
