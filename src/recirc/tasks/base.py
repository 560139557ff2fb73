"""What a task is."""

import abc
import dataclasses
from typing import TypeVar

import equinox as eqx
from jaxtyping import PRNGKeyArray

from recirc.types import Trials

Task = TypeVar("Task", bound="AbstractTask")


class AbstractTask(eqx.Module):
    """A recipe for trials; its fields are its configuration."""

    @abc.abstractmethod
    def trials(self, n_trials: int, *, key: PRNGKeyArray) -> Trials:
        """`n_trials` trials; tasks with conditions cycle through them in order.

        Raises:
            ValueError: if `n_trials` is not positive.
        """

    def replace(self: Task, **changes) -> Task:
        """A copy with some fields changed.

        Raises:
            ValueError: if the changed fields do not fit.
        """
        return dataclasses.replace(self, **changes)
