"""What comparisons are: similarities of two activities, portraits of one, probes of a circuit, nulls of a similarity."""

import abc

import equinox as eqx
from jaxtyping import PRNGKeyArray

from recirc.circuits import AbstractCircuit
from recirc.types import Activity, Score, Trials


class AbstractSimilarity(eqx.Module):
    """How alike two activities are, at equal conditions and times; units need not match."""

    @abc.abstractmethod
    def __call__(self, a: Activity, b: Activity) -> Score:
        """Score of `a` against `b`.

        Raises:
            ValueError: if conditions or time axes differ, or there is too little to compare.
        """


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
    """A way to make activities that share what is uninteresting with a given one, and nothing else."""

    @abc.abstractmethod
    def draw(self, a: Activity, *, key: PRNGKeyArray) -> Activity:
        """One surrogate of `a`."""
