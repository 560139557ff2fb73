"""The two kinds of result: what a measure found, and how a training ended."""

import enum
import typing

import equinox as eqx
import numpy as np

from recirc.notebook import fields_table

Level = typing.Literal["performance", "unit", "population", "mechanism", "generalization", "robustness"]
Direction = typing.Literal["higher", "lower"]


class Outcome(enum.Enum):
    """How a training ended. Every member's value is a sentence fit for a report.

    Example:
        >>> Outcome.FINISHED.value
        'finished: all passes were made'
    """

    FINISHED = "finished: all passes were made"
    REACHED = "stopped: the goal was reached"
    MISSED = "ended without reaching its goal: all passes were made"
    DIVERGED = "diverged: the numbers left the finite range"


class Score(eqx.Module):
    """One number with what is needed to read it.

    Args:
        metric, value: its name, as in `metrics.json`, and the number.
        level: performance, unit, population, mechanism, generalization or robustness.
        direction, unit: "higher" or "lower", whichever is better, and unit of the value; "1" for a pure number.
        parts: named arrays behind the number (canonical correlations, one value per unit, ...).
        settings: every setting that changes the number.

    Raises:
        ValueError: if `level` or `direction` is none of these words.

    Example:
        >>> Score("linear_cka", 0.93, "population").direction
        'higher'
    """

    metric: str = eqx.field(static=True)
    value: float
    level: Level = eqx.field(static=True)
    direction: Direction = eqx.field(static=True, default="higher")
    unit: str = eqx.field(static=True, default="1")
    parts: dict[str, np.ndarray] = eqx.field(default_factory=dict)
    settings: dict[str, object] = eqx.field(default_factory=dict)
    _repr_html_ = fields_table

    def __check_init__(self):
        check_words(self.metric, level=self.level, direction=self.direction)


def check_words(metric: str, **words: str) -> None:
    """Raise ValueError unless `level` and `direction` are among the words that there are for them."""
    for name, choices in (("level", typing.get_args(Level)), ("direction", typing.get_args(Direction))):
        if words[name] not in choices:
            raise ValueError(f"{metric}: {name} is {words[name]!r}; use one of {choices}.")
