"""What comparisons are: similarities of two activities, portraits of one, probes of a circuit, nulls."""

import abc
import dataclasses
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import ClassVar, TypeVar

import equinox as eqx
import numpy as np
from jaxtyping import PRNGKeyArray

from recirc.circuits import AbstractCircuit
from recirc.circuits.base import numpy_generator
from recirc.types import Activity, Direction, Level, Score, Trials

Base = TypeVar("Base")
UNITS = frozenset({"permutations", "rotations", "offsets", "scale", "unit scales", "invertible maps"})


class AbstractMeasure(eqx.Module):
    """What similarities and portraits say of themselves: `level`, `direction` and name (`metric`) of their score.

    `certified` names the nulls (by `kind`, and the structure of conditions that they found) whose false alarms were
    counted for it and are at their level, in `benchmarks/false_alarms.py`.
    """

    level: ClassVar[Level] = "population"
    certified: ClassVar[frozenset[tuple[str, str]]] = frozenset()
    direction: eqx.AbstractClassVar[Direction]

    @property
    @abc.abstractmethod
    def metric(self) -> str:
        """Name of the metric, as in `metrics.json`; a string where it does not depend on fields."""

    @property
    def settings(self) -> dict[str, object]:
        """Its fields, which are the settings of its score unless others are given."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    def score(self, value: float | np.floating, *, unit: str = "1", parts=None, settings=None) -> Score:
        """A score of this measure; arguments as in `Score`."""
        settings = self.settings if settings is None else settings
        return Score(self.metric, float(value), self.level, self.direction, unit, parts or {}, settings)

    @abc.abstractmethod
    def __call__(self, *activities: Activity) -> Score:
        """Its score: of two activities if it is a similarity, of one if a portrait."""

    def scores(self, *activities: Activity) -> tuple[Score, ...]:
        """All scores that one computation gives: that of a call, unless a measure says otherwise."""
        return (self(*activities),)


class AbstractSimilarity(AbstractMeasure):
    """How alike two activities are, at equal conditions and times; units need not match.

    `label` is what `metric` is called in print. `nulls` may be used with it, the first before all. `blind_to` names the
    changes of one side that it does not see, of its units: "permutations", "rotations" (and reflections), "offsets"
    (one per unit), "scale" (one factor for all), "unit scales" (one factor each), "invertible maps"; and "order of
    conditions". `estimates_populations` says that units are taken for samples of two populations, which have
    none in common, and the score for an estimate of theirs: of an activity with itself it is better than the best.

    Raises (when called, beside what each says):
        ValueError: if conditions or time axes differ, a rate is not finite, or there are fewer than two samples; of
            rates, if all units of a side are constant, or there are not more samples than dimensions (components, or
            where none are asked for those that hold 99 % of the variance).

    Example:
        >>> isinstance(recirc.compare.SVCCA(), AbstractSimilarity), recirc.compare.LinearCKA.direction
        (True, 'higher')
    """

    blind_to: eqx.AbstractClassVar[frozenset[str]]
    nulls: "eqx.AbstractClassVar[tuple[AbstractNull, ...]]"
    is_symmetric: ClassVar[bool] = False
    estimates_populations: ClassVar[bool] = False

    @property
    @abc.abstractmethod
    def label(self) -> str:
        """What the metric is called in print; a string where it does not depend on fields."""

    @classmethod
    def variants(cls) -> tuple["AbstractSimilarity", ...]:
        """The settings in which it is computed where none are asked for."""
        return (cls(),)  # pyright: ignore[reportCallIssue]

    @abc.abstractmethod
    def __call__(self, a: Activity, b: Activity) -> Score:
        """Score of `a` against `b`."""

    def compressed(self, a: Activity) -> Activity:
        """Fewer units that score like `a`, also after a null that keeps the covariance."""
        return a

    def against(self, a: Activity, b: Activity) -> Callable[[np.ndarray], float]:
        """The score against `b` as a function of rates that have the covariance of `a`, which is `compressed`."""
        return lambda rates: self(a.replace(rates=rates, outputs=None), b).value


class AbstractPortrait(AbstractMeasure):
    """A number that describes one activity; `labels` says what each metric that it can give is called in print.

    Portraits look at soft-normalized averages over repeats (`normalized_averages`). Where they have these fields,
    `soft` is the constant of the normalization in the unit of the rates, None for 0.2 of the median range of units
    (networks), infinity for none; `start, stop` is the window, seconds on the activity's clock, None for all of it.

    Raises (when called, beside what each says):
        ValueError: if a rate is not finite, no unit changes, a window or epoch does not fit, or there are not more
            samples than components; where the mean over conditions is subtracted, if there are fewer than two
            conditions or they do not differ, and samples are then (conditions - 1) times steps.

    Example:
        >>> isinstance(recirc.compare.ParticipationRatio(), AbstractPortrait)
        True
    """

    labels: eqx.AbstractClassVar[Mapping[str, str]]

    @abc.abstractmethod
    def __call__(self, a: Activity) -> Score:
        """Score of `a`."""


class AbstractProbe(eqx.Module):
    """A test that runs a circuit under changed circumstances.

    Example:
        >>> isinstance(recirc.compare.PrivateNoise(0.1), AbstractProbe)
        True
    """

    @abc.abstractmethod
    def __call__(self, circuit: AbstractCircuit, trials: Trials, *, key: PRNGKeyArray) -> Score:
        """Score of `circuit` on changed `trials`."""


class AbstractNull(eqx.Module):
    """A way to make activities that share what is uninteresting with a given one, and nothing else.

    `kind` is its name in results. `keeps_covariance` says that a surrogate has the covariance among units of the
    original over all samples, and that it does not matter whether units are rotated before or after a draw; surrogates
    are then made of the leading components alone, which is much faster. `of_both` says that both activities of a
    comparison have surrogates: a measure of dynamics depends on what a surrogate makes of one side's speed.

    Example:
        >>> isinstance(recirc.compare.RotatedConditions(), AbstractNull)
        True
    """

    kind: eqx.AbstractClassVar[str]
    keeps_covariance: ClassVar[bool] = False
    of_both: ClassVar[bool] = False

    @abc.abstractmethod
    def sampler(self, a: Activity) -> Callable[[np.random.Generator], np.ndarray]:
        """A function that makes rates of a surrogate of `a`; what all draws share is done once."""

    def draw(self, a: Activity, *, key: PRNGKeyArray) -> Activity:
        """One surrogate of `a`."""
        return a.replace(rates=self.sampler(a)(numpy_generator(key)), outputs=None)

    def fitted(self, a: Activity) -> "AbstractNull":
        """This null with all settled that depends on `a` and must not change when its units are compressed."""
        return self

    def structure(self, a: Activity) -> str:
        """What it takes for granted of `a`, as in `AbstractSimilarity.certified`; mostly nothing."""
        return "any"

    def n_arrangements(self, a: Activity) -> float:
        """How many different surrogates of `a` there are, `a` itself included."""
        return np.inf

    def arrangements(self, a: Activity) -> Iterator[np.ndarray]:
        """Rates of every surrogate but `a` itself, where they can be counted."""
        raise NotImplementedError(f"surrogates of {self.kind} cannot be counted.")


def family(base: type[Base]) -> list[type[Base]]:
    """Exported classes of a kind that can be used as they are, in the order in which they are exported.

    Example:
        >>> recirc.compare.SVCCA in family(recirc.compare.AbstractSimilarity)
        True
    """
    from recirc import compare

    kinds = [kind for name, kind in vars(compare).items() if inspect.isclass(kind) and not name.startswith("_")]
    return [kind for kind in kinds if issubclass(kind, base) and not inspect.isabstract(kind)]


def similarities(level: Level = "population") -> list[AbstractSimilarity]:
    """Every exported similarity of a level, in all its variants.

    Args:
        level: "population" for those of rates, "unit" where units are matched, "performance" for those of outputs.

    Example:
        >>> import recirc
        >>> recirc.compare.similarities()[0].label
        'SVCCA₅, concatenated'
    """
    return [each for kind in family(AbstractSimilarity) if kind.level == level for each in kind.variants()]


def labels() -> dict[str, str]:
    """What the metrics of exported similarities and portraits are called in print.

    Example:
        >>> labels()["linear_cka"]
        'linear CKA'
    """
    found = {each.metric: each.label for kind in family(AbstractSimilarity) for each in kind.variants()}
    return found | {name: text for kind in family(AbstractPortrait) for name, text in kind.labels.items()}
