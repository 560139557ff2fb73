"""The regime for every left-out direction, chosen among the others."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from recirc.analyses.fit_config import Candidate, FitConfig


class Choice(NamedTuple):
    """The regime for one left-out direction, chosen without it.

    Args:
        candidate: settings of the network.
        penalty: of the map to units.
        r2: with them, in directions left out of the training set; nan where there was nothing to choose.
    """

    candidate: Candidate
    penalty: float
    r2: float


def inner_pairs(n_directions: int) -> list[tuple[int, int]]:
    """Pairs of directions that are left out together to choose the regime; each serves both of its members.

    The two lie at least two steps apart if there are six directions or more, so that the gap around the tested
    one is as wide as in the outer problem, and at three distances at most, so that the work grows only in
    proportion to the number of directions.

    Example:
        >>> len(inner_pairs(8)), len(inner_pairs(16))
        (20, 40)
    """
    nearest = 1 if n_directions < 6 else 2
    steps = np.unique(np.linspace(nearest, n_directions // 2, 3).round().astype(int))
    found = {tuple(sorted((i, (i + int(step)) % n_directions))) for i in range(n_directions) for step in steps}
    return sorted(found)  # pyright: ignore[reportReturnType]


def inner_directions(left_out: int, n_directions: int) -> list[int]:
    """Directions on which the regime for a left-out one is judged."""
    return sorted(sum(pair) - left_out for pair in inner_pairs(n_directions) if left_out in pair)


def best_choice(
    scores: Float[np.ndarray, "candidate penalty direction"], tests: Sequence[int], config: FitConfig, why: str
) -> Choice:
    """The best of one direction; a regime in which any network failed is out, unless there are no others.

    Args:
        scores: R² of the directions; nan where a network failed.
        tests: the directions that tell.
        config: of the fit.
        why: what happened to the last network that failed.

    Raises:
        ValueError: if every network failed that could have told.
    """
    told = scores[:, :, list(tests)]
    good = np.isfinite(told)
    if not good.any():
        raise ValueError(
            f"every regime has networks that failed, so none can be chosen; the last: {why} Change the trainer "
            "with --set trainer.<field>=<value>, or --set bias_scales=[...]."
        )
    counts = good.all(axis=2) if good.all(axis=2).any() else good.any(axis=2)
    means = np.where(good, told, 0.0).sum(axis=2) / np.maximum(good.sum(axis=2), 1)
    best, penalty = np.unravel_index(np.argmax(np.where(counts, means, -np.inf)), means.shape)
    return Choice(config.candidates[best], config.penalties[penalty], float(means[best, penalty]))
