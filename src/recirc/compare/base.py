"""What comparisons are: similarities of two activities, portraits of one, probes of a circuit, nulls."""

import abc
import functools
from collections.abc import Callable
from typing import ClassVar

import equinox as eqx
import jax
import numpy as np
from jaxtyping import PRNGKeyArray

from recirc.circuits import AbstractCircuit
from recirc.types import Activity, Score, Trials


class AbstractSimilarity(eqx.Module):
    """How alike two activities are, at equal conditions and times; units need not match.

    `is_correlation` says that it is a correlation, so that Spearman and Brown's formula applies.
    """

    is_symmetric: ClassVar[bool] = False
    is_correlation: ClassVar[bool] = False

    @abc.abstractmethod
    def __call__(self, a: Activity, b: Activity) -> Score:
        """Score of `a` against `b`.

        Raises:
            ValueError: if conditions or time axes differ, or there is too little to compare.
        """

    def compressed(self, a: Activity) -> Activity:
        """Fewer units that score like `a`, also after a null that keeps the covariance."""
        return a


class AbstractPortrait(eqx.Module):
    """A number that describes one activity."""

    @abc.abstractmethod
    def __call__(self, a: Activity) -> Score:
        """Score of `a`."""


class AbstractProbe(eqx.Module):
    """A test that runs a circuit under changed circumstances."""

    @abc.abstractmethod
    def __call__(self, circuit: AbstractCircuit, trials: Trials, *, key: PRNGKeyArray) -> Score:
        """Score of `circuit` on changed `trials`."""


class AbstractNull(eqx.Module):
    """A way to make activities that share what is uninteresting with a given one, and nothing else.

    `kind` is its name in results. `keeps_covariance` says that a surrogate has the covariance among units of
    the original (within each condition and over all samples), and that it does not matter whether units are
    rotated before or after a draw; surrogates are then made of the leading components alone, which is much
    faster.
    """

    kind: eqx.AbstractClassVar[str]
    keeps_covariance: ClassVar[bool] = False

    @abc.abstractmethod
    def draw(self, a: Activity, *, key: PRNGKeyArray) -> Activity:
        """One surrogate of `a`."""

    def sampler(self, a: Activity) -> Callable[..., Activity]:
        """`draw` of `a`, a function of `key` alone; what all draws share is done once."""
        return functools.partial(self.draw, a)

    def n_arrangements(self, a: Activity) -> float:
        """How many different surrogates of `a` there are, `a` itself included."""
        return np.inf


def numpy_generator(key: PRNGKeyArray) -> np.random.Generator:
    """NumPy's generator for a JAX key, for libraries that take no JAX key."""
    return np.random.default_rng(np.asarray(jax.random.key_data(key)))
