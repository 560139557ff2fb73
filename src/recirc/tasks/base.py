"""What a task is."""

import abc
import dataclasses
from typing import ClassVar, Self

import equinox as eqx
from jaxtyping import PRNGKeyArray

from recirc.types import Trials


class AbstractTask(eqx.Module):
    """A recipe for trials; its fields are its configuration.

    `is_random` says whether the key changes the trials.

    Example:
        >>> task = recirc.tasks.CenterOutReach()
        >>> isinstance(task, AbstractTask), task.trials(8, key=jax.random.key(0)).n_trials
        (True, 8)
    """

    is_random: ClassVar[bool] = True

    @abc.abstractmethod
    def trials(self, n_trials: int, *, key: PRNGKeyArray) -> Trials:
        """`n_trials` trials; tasks with conditions cycle through them in order, and others draw them.

        Raises:
            ValueError: if `n_trials` is not positive.
        """

    def replace(self, **changes) -> Self:
        """A copy with some fields changed.

        Raises:
            ValueError: if the changed fields do not fit.
        """
        return dataclasses.replace(self, **changes)
