"""What a sweep file says."""

import dataclasses
import itertools
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, get_type_hints

import numpy as np

from recirc.runs.config import ConfigError, changed, load_config, place_in
from recirc.studies.sweep.bases import AbstractBase
from recirc.studies.sweep.training import Training

MOST, MOST_OF_AXIS = 1_000_000, 10_000  # runs of one sweep, values of one axis


@dataclasses.dataclass(frozen=True)
class Axis:
    """One setting that is varied: a list of values, or `n` of them between `low` and `high`.

    Args:
        field: of the base, dotted: "circuit.n_units", "trainer.noise", "trainer.kind".
        values: of the list; empty for a range.
        low, high, n: of a range, its ends included.
        spacing: "linear", "log" (equal ratios), "random" (uniform) or "random_log" (uniform in the logarithm). Random
            axes of a sweep are drawn together, point by point; all others are crossed.
        seed: of a random axis.

    Raises:
        ValueError: if it is neither a list nor a range, or the ends do not fit the spacing.

    Example:
        >>> Axis("trainer.noise", low=0.01, high=1.0, n=3, spacing="log").points()
        (0.01, 0.1, 1.0)
    """

    field: str
    values: tuple[Any, ...] = ()
    low: float | None = None
    high: float | None = None
    n: int | None = None
    spacing: Literal["linear", "log", "random", "random_log"] = "linear"
    seed: int = 0

    def __post_init__(self):
        ends = (self.low, self.high, self.n)
        if bool(self.values) == (ends != (None, None, None)) or (not self.values and None in ends):
            raise ValueError(f"the axis {self.field} needs either values, or low, high and n.")
        if self.values:
            return
        low, high = self.ends
        if not low < high or not 1 <= (self.n or 0) <= MOST_OF_AXIS or self.seed < 0:
            text = f"needs low < high, n from 1 to {MOST_OF_AXIS}, and no negative seed"
            raise ValueError(f"the axis {self.field} {text}.")
        if self.spacing.endswith("log") and low <= 0:
            raise ValueError(f"the axis {self.field} has equal ratios, so low must be positive; got {low}.")

    @property
    def ends(self) -> tuple[float, float]:
        """Low and high."""
        return float(self.low or 0.0), float(self.high or 0.0)

    @property
    def is_random(self) -> bool:
        """Whether its values are drawn."""
        return not self.values and self.spacing.startswith("random")

    def points(self) -> tuple:
        """Its values, each once unless they are drawn."""
        if self.values:
            return tuple(dict.fromkeys(self.values))
        n, is_log = self.n or 1, self.spacing.endswith("log")
        if self.is_random:
            shares = np.random.default_rng(self.seed).uniform(size=n)
        else:
            shares = np.linspace(0.0, 1.0, n) if n > 1 else np.zeros(1)
        low, high = (math.log10(end) if is_log else end for end in self.ends)
        found = low + shares * (high - low)
        return tuple(float(f"{value:.12g}") for value in (10.0**found if is_log else found))


@dataclasses.dataclass(frozen=True)
class SweepConfig:
    """A sweep: a base, what is varied, and with which seeds.

    Args:
        base: what is run for every setting and seed: "Training", "Recording" or "Study".
        axes: what is varied.
        seeds: of every setting; equal ones are one run.
        title: of the report.
        keep: what is kept of every network beside its numbers: "weights", "history".

    Raises:
        ValueError: if there is no seed, two axes are of one field, or random axes have different numbers of points.
    """

    base: AbstractBase = dataclasses.field(default_factory=Training)
    axes: tuple[Axis, ...] = ()
    seeds: tuple[int, ...] = (0, 1, 2)
    title: str = "Sweep"
    keep: tuple[Literal["weights", "history"], ...] = ()

    def __post_init__(self):
        fields = [axis.field for axis in self.axes]
        if twice := {field for field in fields if fields.count(field) > 1}:
            raise ValueError(f"{min(twice)} has two axes; give one.")
        if not self.seeds or min(self.seeds) < 0:
            raise ValueError("seeds must be at least one whole number, none negative.")
        if len({axis.n for axis in self.axes if axis.is_random}) > 1:
            raise ValueError("random axes are drawn together, so they need the same n.")


def load_sweep(path: str | Path) -> SweepConfig:
    """A sweep from its file, every value of every axis tried on the base.

    Raises:
        ConfigError: as `load_config`; also if an axis varies what the base has not, or gives it what it refuses.
    """
    config = load_config(SweepConfig, path)
    _leaves(config, [place_in(path, "axes", str(i)) for i in range(len(config.axes))])
    return config


def settings(config: SweepConfig) -> Iterator[tuple[dict[str, Any], AbstractBase]]:
    """Every setting of a sweep: values by field, and the base with them.

    Raises:
        ConfigError: as `load_sweep`, or if a base refuses a combination.
    """
    leaves = _leaves(config, [f"axis {axis.field}" for axis in config.axes])
    crossed = [i for i, axis in enumerate(config.axes) if not axis.is_random]
    together = [i for i, axis in enumerate(config.axes) if axis.is_random]
    choices: list[Sequence[tuple]] = [[((i, j),) for j in range(len(leaves[i]))] for i in crossed]
    if together:
        choices.append([tuple((i, j) for i in together) for j in range(len(leaves[together[0]]))])
    if math.prod(map(len, choices)) * len(config.seeds) > MOST:
        raise ConfigError(f"the sweep has more than {MOST} runs; give its axes fewer values.")
    for chosen in itertools.product(*choices):
        picked = dict(sorted(itertools.chain.from_iterable(chosen)))
        values = {config.axes[i].field: leaves[i][j][0] for i, j in picked.items()}
        yield values, _with(config.base, [leaves[i][j][1:] for i, j in picked.items()])


def _leaves(config: SweepConfig, where: Sequence[str]) -> list[list[tuple]]:
    """For every axis its values, each with the place in the base that it sets, and what is put there."""
    found = []
    for axis, place in zip(config.axes, where):
        *above, last = names = axis.field.split(".")
        path = above if last == "kind" else names
        kinds: dict[Any, tuple] = {}
        for value in axis.points():
            value = round(value) if _is_whole(config.base, names) and not axis.values else value
            leaf = changed(config.base, axis.field, list(value) if isinstance(value, tuple) else value, place)
            for name in path:
                leaf = _inner(leaf, name)
            kinds[len(kinds) if axis.is_random else value] = (leaf if last != "kind" else value, path, leaf)
        found.append(list(kinds.values()))
    return found


def _is_whole(component, names: Sequence[str]) -> bool:
    """Whether a field holds whole numbers."""
    for name in names[:-1]:
        component = getattr(component, name, None)
    return dataclasses.is_dataclass(component) and get_type_hints(type(component)).get(names[-1]) is int


def _inner(component, name: str):
    """A field of a component, or an entry of a table; None if that has none yet."""
    return component.get(name) if isinstance(component, dict) else getattr(component, name)


def _with(component, changes: Sequence[tuple[Sequence[str], Any]]) -> Any:
    """A component with what is at these places changed, all at once; what is inside of one that is changed comes after.

    A component is made once whatever changes in it, since that is most of what many settings take.
    """
    inner: dict[str, Any] = {path[0]: leaf for path, leaf in changes if len(path) == 1}
    below: dict[str, list] = {}
    for (first, *rest), leaf in changes:
        if rest:
            below.setdefault(first, []).append((rest, leaf))
    inner |= {name: _with(inner.get(name, _inner(component, name)), rest) for name, rest in below.items()}
    if isinstance(component, dict):
        return component | inner
    try:
        return dataclasses.replace(component, **inner)
    except (TypeError, ValueError) as error:
        said = ", ".join(f"{'.'.join(path)} = {leaf!r}" for path, leaf in changes)
        raise ConfigError(f"{type(component).__name__} with {said}: {error}") from None
