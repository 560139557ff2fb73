"""Surrogates whose units disagree on which condition is which."""

from typing import ClassVar

import equinox as eqx
import numpy as np
from jaxtyping import PRNGKeyArray

from recirc.compare.base import AbstractNull, numpy_generator
from recirc.compare.nulls import exchangeable_groups
from recirc.types import Activity


class PermutedConditionsPerUnit(AbstractNull):
    r"""Every unit's conditions change places on their own, the covariance among units kept as near as chance allows.

    $$\tilde X_{ctu} = X_{\pi_u(c)\,t\,u}, \qquad \text{the one of } n \text{ draws of } \pi \text{ with the least }
      \|\tilde X^\top\tilde X - X^\top X\|_F$$

    Each unit keeps its courses, its tuning depth and the mean over conditions; what is broken is that units
    agree on conditions, so that the state in one condition no longer is a state that the population ever took.
    Acceptance: of `n_candidates` independent permutations the one whose covariance among units (over all
    conditions and times) is nearest in Frobenius norm. A search that matched the covariance exactly would find
    the permutations that all units share, and those change nothing in a portrait.

    For portraits of rotation. A permutation multiplies dimensions (participation ratio 9 to 40 in noise of 268
    units), which also lowers tangling, so it is no null for that, nor for a similarity; `ShuffledConditions`
    is the null for those. Repeats of a condition move together.

    Args:
        n_candidates: n, at least 1; 1 accepts every permutation.

    Raises:
        ValueError: if `n_candidates` < 1; when drawn from, if there are fewer than two conditions, or they
            have different numbers of trials.

    Source: Michaels et al. 2016 (doi 10.1371/journal.pcbi.1005175), covariance-matched permutation test; the
    rule of acceptance is ours.

    Example:
        >>> import jax, recirc
        >>> a = recirc.Activity(jax.random.normal(jax.random.key(0), (4, 50, 6)), dt=0.01, conditions="abcd")
        >>> drawn = recirc.compare.PermutedConditionsPerUnit().draw(a, key=jax.random.key(1))
        >>> bool(abs(drawn.rates.mean(0) - a.rates.mean(0)).max() < 1e-6)
        True
    """

    n_candidates: int = eqx.field(static=True, default=20)
    kind: ClassVar[str] = "permuted_conditions"

    def __check_init__(self):
        if self.n_candidates < 1:
            raise ValueError(f"n_candidates must be at least 1, got {self.n_candidates}.")

    def draw(self, a: Activity, *, key: PRNGKeyArray) -> Activity:
        random, groups = numpy_generator(key), np.array(exchangeable_groups(a))
        rates = np.asarray(a.rates, np.float64)
        grouped = rates[groups] - rates.mean((0, 1))  # (condition, repeat, time, unit)
        flat = grouped.reshape(-1, rates.shape[2])
        target, nearest, least = flat.T @ flat, grouped, np.inf
        for _ in range(self.n_candidates):
            order = random.permuted(np.tile(np.arange(len(groups))[:, None], rates.shape[2]), axis=0)
            candidate = np.take_along_axis(grouped, order[:, None, None, :], axis=0)
            flat = candidate.reshape(-1, rates.shape[2])
            distance = np.linalg.norm(flat.T @ flat - target)
            if distance < least:
                nearest, least = candidate, distance
        permuted = np.empty_like(rates)
        permuted[groups] = nearest + rates.mean((0, 1))
        return a.replace(rates=permuted, outputs=None)
