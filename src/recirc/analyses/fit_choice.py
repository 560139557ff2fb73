"""The regime for every group of conditions that is left out, chosen among the others."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from recirc.analyses.fit_config import Candidate, FitConfig


class Choice(NamedTuple):
    """The regime for one left-out group, chosen without it.

    Args:
        candidate: settings of the network.
        penalty: of the map to units.
        r2: with them, in conditions left out of the training set; nan where there was nothing to choose.
    """

    candidate: Candidate
    penalty: float
    r2: float


def inner_pairs(n_groups: int) -> list[tuple[int, int]]:
    """Pairs of groups that are left out together to choose the regime; each serves both of its members.

    The two lie at least two steps apart if there are six groups or more, so that the gap around a tested direction is
    as wide as in the outer problem, and at three distances at most, so that the work grows only in proportion to the
    number of groups.

    Example:
        >>> len(inner_pairs(8)), len(inner_pairs(16))
        (20, 40)
    """
    nearest = 1 if n_groups < 6 else 2
    steps = np.unique(np.linspace(nearest, n_groups // 2, 3).round().astype(int))
    found = {tuple(sorted((i, (i + int(step)) % n_groups))) for i in range(n_groups) for step in steps}
    return sorted(found)  # pyright: ignore[reportReturnType]


def inner_groups(left_out: int, n_groups: int) -> list[int]:
    """Groups on which the regime for a left-out one is judged."""
    return sorted(sum(pair) - left_out for pair in inner_pairs(n_groups) if left_out in pair)


def best_choice(
    scores: Float[np.ndarray, "candidate penalty group"], tests: Sequence[int], config: FitConfig, why: str
) -> Choice:
    """The best of one group; a regime in which any network failed is out, unless there are no others.

    Args:
        scores: R² of the groups; nan where a network failed.
        tests: the groups that tell.
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
