"""Surrogates whose conditions are turned among each other as far as their structure allows."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import ClassVar

import equinox as eqx
import numpy as np

from recirc.compare.base import AbstractNull, AbstractSimilarity
from recirc.compare.condition_structure import ConditionStructure, condition_structure, exchangeable_groups
from recirc.types import Activity

# Structures for which false alarms of rotations are at their level, for any similarity of rates at equal conditions.
BY_CONDITION = frozenset(
    ("rotated_conditions", kind)
    for kind in ("ring", "loud ring", "uneven ring", "scattered", "exchangeable", "few exchangeable")
)


class RotatedConditions(AbstractNull):
    r"""The same activity seen under other conditions: contrasts among conditions turned at random.

    $$\tilde X_c = \bar X + \sum_s \sum_d \left(B_s Q_s B_s^\top\right)_{cd} (X_d - \bar X)$$

    $\bar X$ is the mean over conditions, B_s are the orthonormal bases of `condition_structure`, and Q_s is a random
    orthogonal matrix (Haar) of each. Time courses, the mean over conditions, the covariance among units and how alike
    neighbors are stay; what is broken is which condition is which. Shuffled conditions break the tuning's smoothness,
    too, so that any two smoothly tuned populations look related; this does not.

    The test is exact where rates are Gaussian over conditions with the structure's covariance, whatever they are over
    time and units. On a ring that means: stationary. `TurnedConditions` turns all Fourier components by one angle and
    with one reflection, which needs no Gaussian rates, only that no direction of the ring is special; the alternating
    component of an even number of directions gets a sign either way. With an estimated length (uneven or scattered
    conditions) it is approximate. Where a kernel leaves signs alone there are 2^(n-1) arrangements: of 5 conditions 16,
    so that no p is below .0625.

    A population with evenly spread preferred directions is the same after a turn, up to a rotation of units: then
    this null cannot tell, whatever the likeness. See `half_p`, which says so.

    Args:
        exchangeable: whether any order of conditions is as good as another; names alone do not say so, and without
            either the null is not certified.
        given: the structure, if it is not to be found out.

    Raises (when drawn from):
        ValueError: if there are fewer than two conditions, or they have different numbers of trials.

    Source: rotation tests, Langsrud 2005 (doi 10.1007/s11222-005-4789-5); the groups by structure are ours.

    Example:
        >>> import jax, recirc
        >>> rates = jax.random.normal(jax.random.key(0), (8, 50, 6))
        >>> a = recirc.Activity(rates, dt=0.01, conditions=[45 * i for i in range(8)])
        >>> drawn = recirc.compare.RotatedConditions().draw(a, key=jax.random.key(1))
        >>> bool(abs(drawn.rates.mean(0) - a.rates.mean(0)).max() < 1e-5)
        True
    """

    exchangeable: bool = eqx.field(static=True, default=False)
    given: ConditionStructure | None = None
    kind: ClassVar[str] = "rotated_conditions"
    shared: ClassVar[bool] = False
    keeps_covariance: ClassVar[bool] = True

    def sampler(self, a: Activity) -> Callable[[np.random.Generator], np.ndarray]:
        structure, mixed = self._structure(a), _mixer(a)
        return lambda random: mixed(structure.mixing(random, shared=self.shared))

    def fitted(self, a: Activity) -> "RotatedConditions":
        return dataclasses.replace(self, given=self._structure(a))

    def structure(self, a: Activity) -> str:
        return self._structure(a).kind

    def n_arrangements(self, a: Activity) -> float:
        return self._structure(a).n_arrangements

    def arrangements(self, a: Activity) -> Iterator[np.ndarray]:
        return map(_mixer(a), self._structure(a).mixings())

    def _structure(self, a: Activity) -> ConditionStructure:
        return condition_structure(a, exchangeable=self.exchangeable) if self.given is None else self.given


class TurnedConditions(RotatedConditions):
    """As `RotatedConditions`, but on a ring one angle and one reflection for all Fourier components.

    It needs no Gaussian rates, only that no direction is special, and has fewer arrangements that differ much.

    Example:
        >>> import jax, recirc
        >>> rates = jax.random.normal(jax.random.key(0), (8, 50, 6))
        >>> a = recirc.Activity(rates, dt=0.01, conditions=[45 * i for i in range(8)])
        >>> drawn = recirc.compare.TurnedConditions().draw(a, key=jax.random.key(1))
        >>> bool(abs((drawn.rates**2).sum() / (a.rates**2).sum() - 1) < 1e-4)
        True
    """

    kind: ClassVar[str] = "turned_conditions"
    shared: ClassVar[bool] = True


class AbstractConditionSimilarity(AbstractSimilarity):
    """A symmetric similarity of rates at equal conditions, which turned conditions are the null of."""

    nulls: ClassVar[tuple[AbstractNull, ...]] = (RotatedConditions(),)
    certified: ClassVar[frozenset[tuple[str, str]]] = BY_CONDITION
    is_symmetric: ClassVar[bool] = True


def _mixer(a: Activity) -> Callable[[np.ndarray], np.ndarray]:
    """Rates of `a` with its conditions mixed; repeats of a condition move together."""
    rates, groups = np.asarray(a.rates, np.float64), np.array(exchangeable_groups(a))
    back, grouped = np.argsort(groups.ravel()), rates[groups].reshape(len(groups), -1)
    return lambda mixing: (mixing @ grouped).reshape(rates.shape)[back]
