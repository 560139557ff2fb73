"""Further fixed points of a circuit, sought from halfway between those that are known."""

from collections.abc import Callable

import numpy as np
import scipy.spatial.distance
from jaxtyping import Bool, Float

from recirc.compare.newton_krylov import new_points

N_ROUNDS = 3  # of searches, each between the points that the one before has found, and all others
MANY_POINTS = 256  # where there are more they are a continuum, or no search between them is needed
PER_POINT = 4  # searches in a round, for every point that is known


def between_points(
    circuit,
    inputs: Float[np.ndarray, " input"],
    points: Float[np.ndarray, "point unit"],
    is_point: Callable[[np.ndarray], Bool[np.ndarray, " end"]],
    *,
    unit: float,
    same: float,
) -> Float[np.ndarray, "end unit"]:
    """Fixed points found from halfway between two that are known, the nearest pairs first.

    Where basins of stable points meet there are saddles, between them. Trajectories leave saddles, so that few states
    along trials, and few searches from these, end there.

    Args:
        circuit: without noise.
        inputs: held.
        points: that are known.
        is_point: whether ends of searches are fixed points.
        unit, same: as for `newton_krylov`.

    Returns:
        Those that lie further than `same` from the known ones and from each other.
    """
    known, n_old = points, 0
    for _ in range(N_ROUNDS):
        starts = _halfway(known, n_old) if len(known) <= MANY_POINTS else known[:0]
        if not len(starts):
            break
        found, n_old = new_points(circuit, inputs, starts, known, unit=unit, same=same), len(known)
        for end in found[is_point(found)] if len(found) else ():
            if np.linalg.norm(known - end, axis=1).min() > same:
                known = np.concatenate([known, end[None]])
    return known[len(points) :]


def _halfway(points: np.ndarray, n_old: int) -> Float[np.ndarray, "start unit"]:
    """Midpoints of the nearest pairs, but for those of the first `n_old`."""
    first, second = np.triu_indices(len(points), 1)
    apart, is_new = scipy.spatial.distance.pdist(points), second >= n_old
    nearest = np.argsort(np.where(is_new, apart, np.inf), kind="stable")
    nearest = nearest[: min(PER_POINT * len(points), int(is_new.sum()))]
    return (points[first[nearest]] + points[second[nearest]]) / 2
