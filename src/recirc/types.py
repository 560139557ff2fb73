"""Nouns between layers, `Trials` and `Activity`; axes: trial, condition, time, unit, input, output, hint, component."""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from recirc.arguments import labels, names, numbers
from recirc.named import Named as Named
from recirc.notebook import fields_table
from recirc.scores import Direction as Direction
from recirc.scores import Level as Level
from recirc.scores import Outcome as Outcome
from recirc.scores import Score as Score
from recirc.scores import check_words as check_words

if TYPE_CHECKING:
    import xarray


def enable_x64() -> None:
    """Switch JAX to 64-bit floats for the whole process.

    Recursive least squares needs it. The command line calls this first; so does a script, before it makes any array.

    >>> import recirc
    >>> recirc.enable_x64()
    """
    jax.config.update("jax_enable_x64", True)


def require_x64(what: str) -> None:
    """Raise if 64-bit floats are off.

    Raises:
        RuntimeError: with the line to add, if `jax_enable_x64` is off.
    """
    if not jax.config.jax_enable_x64:  # pyright: ignore[reportAttributeAccessIssue]
        mend = "Add `recirc.enable_x64()` before the first array is made."
        raise RuntimeError(f"{what} needs 64-bit floats, and they are off. {mend}")


def _array(values: Any) -> Any:
    return None if values is None else jnp.asarray(values)


def _counts(values: Iterable[int]) -> tuple[int, ...]:
    return tuple(map(int, values))


def _is_traced(array: Array) -> bool:
    return isinstance(array, jax.core.Tracer)  # pyright: ignore[reportAttributeAccessIssue]


def _taken(array: Array, index):
    """Part of an array; by NumPy unless it is traced, since JAX compiles every new shape."""
    return array[index] if _is_traced(array) else np.asarray(array)[index]


class _Noun(eqx.Module):
    """Arrays and labels with one row per trial, on one clock."""

    dt: eqx.AbstractVar[float]
    conditions: eqx.AbstractVar[tuple[str, ...]]
    _labels: ClassVar[tuple[str, ...]] = ("conditions",)  # fields with one entry per trial, or none
    _table: ClassVar[str]  # field of arrays by name, each with one row per trial
    _repr_html_ = fields_table

    @property
    def n_trials(self) -> int:
        return len(self.conditions)

    def replace(self, **changes) -> Self:
        """A copy with some of the constructor's arguments changed."""
        return dataclasses.replace(self, **changes)

    def select(self, indices) -> Self:
        """The trials at `indices`, in that order."""
        index = np.arange(self.n_trials)[np.asarray(indices)]
        changes: dict = {name: _taken(value, index) for name, value in vars(self).items() if hasattr(value, "ndim")}
        changes |= {name: [values[i] for i in index] for name in self._labels if (values := getattr(self, name))}
        table = {name: values[index] for name, values in getattr(self, self._table).items()}
        return self.replace(**changes, **{self._table: table})

    def _check_rows(self, *names: str) -> None:
        """Raise ValueError unless the arrays called `names` agree on trials and times, and labels and dt are right."""
        first, *others = (name for name in names if getattr(self, name) is not None)
        shape = getattr(self, first).shape
        for name in others:
            if (given := getattr(self, name).shape[:2]) != shape[:2]:
                raise ValueError(f"{name} has {given} (trial, time) but {first} {shape[:2]}; make them equal.")
        if len(self.conditions) != shape[0]:
            raise ValueError(f"{len(self.conditions)} condition labels for {shape[0]} trials; give one per trial.")
        if not 0 < self.dt < np.inf:
            raise ValueError(f"dt must be a positive number of seconds, got {self.dt}.")


class Trials(_Noun):
    """What a network is given and asked for.

    Args:
        inputs, targets: what the network is driven with, and what its readout should give.
        dt: seconds per time step.
        conditions: one label per trial; equal labels are repeats of one condition.
        mask: 1 where a sample counts, 0 where it does not (shorter trials are padded); all ones if omitted.
        epochs: name -> (start, stop) in seconds from trial start, one row per trial; one pair serves all trials.
        hints: signals that only a target-generating network sees (recorded rates, usually), if there are any.
        hint_units: names of the units that the hints were recorded from, in order; empty if there are none.

    Raises:
        ValueError: if shapes disagree, `dt` is not positive, a label is missing, or a value is not finite.

    >>> trials = Trials(np.ones((2, 50, 1)), np.zeros((2, 50, 3)), dt=0.01, conditions=["go", "wait"])
    """

    _table: ClassVar[str] = "epochs"
    inputs: Float[Array, "trial time input"] = eqx.field(converter=numbers("inputs"))
    targets: Float[Array, "trial time output"] = eqx.field(converter=numbers("targets"))
    _: dataclasses.KW_ONLY
    dt: float = eqx.field(static=True, converter=float)
    conditions: tuple[str, ...] = eqx.field(static=True, converter=labels)
    mask: Float[Array, "trial time"] = eqx.field(converter=_array, default=None)
    epochs: Named = eqx.field(static=True, converter=Named, default=None)
    hints: Float[Array, "trial time hint"] | None = eqx.field(converter=numbers("hints"), default=None)
    hint_units: tuple[str, ...] = eqx.field(static=True, converter=names, default=())

    def __post_init__(self):
        self.inputs, epochs = jnp.asarray(self.inputs), self.epochs or {}  # some Equinox convert only after this
        if self.mask is None:
            self.mask = jnp.ones(self.inputs.shape[:2], self.inputs.dtype)
        rows = (self.inputs.shape[0], 2)
        self.epochs = Named({name: np.broadcast_to(np.asarray(span, float), rows) for name, span in epochs.items()})

    def __check_init__(self):
        if self.inputs.ndim != 3 or self.targets.ndim != 3:
            got = f"shapes {self.inputs.shape} and {self.targets.shape}"
            raise ValueError(f"inputs and targets must have three axes (trial, time, channel); got {got}.")
        self._check_rows("inputs", "targets", "mask", "hints")
        n_hints = 0 if self.hints is None else self.hints.shape[2]
        if len(self.hint_units) not in (0, n_hints):
            given = len(self.hint_units)
            raise ValueError(f"{given} hint_units are named for {n_hints} hint channels; give one name per channel.")
        for name in ("inputs", "targets", "mask", "hints"):
            value = getattr(self, name)
            if value is not None and len(bad := np.argwhere(~np.isfinite(value))):
                found = f"{len(bad)} values that are not finite, the first at {tuple(bad[0].tolist())}"
                raise ValueError(f"{name} has {found} (trial, time, channel); remove or interpolate them first.")

    @property
    def n_steps(self) -> int:
        return self.inputs.shape[1]

    @property
    def time(self) -> np.ndarray:
        """Seconds from trial start at the end of every step, `(time,)`."""
        return (np.arange(self.n_steps) + 1) * self.dt


class Activity(_Noun):
    """What a circuit did. A recording, a simulated cortex and a trained network are all this.

    Args:
        rates: firing rates; spikes/s for a recording, the network's own units for a model.
        dt, start: seconds per time step, and time of the first sample's end minus dt, in seconds.
        conditions, units: one label per trial, and one name per unit; "0", "1", ... if omitted.
        outputs: what the circuit produced (muscles, velocity), if known.
        standard_error: of rates that are averages over trials, if single trials told; nan where one trial did not.
        trial_counts: how many single trials each average is over; empty if they are not known.
        covariates: what is known of every trial beside its label, name -> one value per trial.
        events: name -> time in seconds on the activity's clock; of averages, the median over single trials.
        notes: what was guessed, left out and found on the way here, one sentence each.

    Raises:
        ValueError: if shapes disagree, a name repeats, or `dt` is not positive.
    """

    _labels: ClassVar[tuple[str, ...]] = ("conditions", "trial_counts")
    _table: ClassVar[str] = "covariates"
    rates: Float[Array, "trial time unit"] = eqx.field(converter=numbers("rates"))
    _: dataclasses.KW_ONLY
    dt: float = eqx.field(static=True, converter=float)
    conditions: tuple[str, ...] = eqx.field(static=True, converter=labels)
    units: tuple[str, ...] = eqx.field(static=True, converter=names, default=None)
    outputs: Float[Array, "trial time output"] | None = eqx.field(converter=numbers("outputs"), default=None)
    start: float = eqx.field(static=True, converter=float, default=0.0)
    standard_error: Float[Array, "trial time unit"] | None = eqx.field(
        converter=numbers("standard_error"), default=None
    )
    trial_counts: tuple[int, ...] = eqx.field(static=True, converter=_counts, default=())
    covariates: Named = eqx.field(static=True, converter=Named, default=None)
    events: Named = eqx.field(static=True, converter=Named, default=None)
    notes: tuple[str, ...] = eqx.field(static=True, converter=names, default=())

    def __post_init__(self):
        if self.units is None:
            self.units = names(range(np.shape(self.rates)[-1]))

    def __check_init__(self):
        shape = self.rates.shape
        if len(shape) != 3:
            raise ValueError(f"rates must have three axes (trial, time, unit), got shape {shape}.")
        if self.outputs is not None and self.outputs.ndim != 3:
            given = self.outputs.shape
            raise ValueError(f"outputs must have three axes (trial, time, output), got shape {given}.")
        self._check_rows("rates", "outputs")
        if not np.isfinite(self.start):
            raise ValueError(f"start must be a finite number of seconds, got {self.start}.")
        if (error := self.standard_error) is not None and error.shape != shape:
            raise ValueError(f"standard_error has shape {error.shape} but rates {shape}; make them equal.")
        if error is not None and not _is_traced(error) and (np.asarray(error) < 0).any():
            raise ValueError("standard_error has negative values; give standard errors, which cannot be.")
        per_trial = {"trial_counts": self.trial_counts} if self.trial_counts else {}
        for name, values in {**per_trial, **self.covariates}.items():
            if (given := np.shape(values))[:1] != shape[:1]:
                raise ValueError(f"{name} has shape {given} for {shape[0]} trials; give one value per trial.")
        if len(self.units) != shape[2]:
            raise ValueError(f"{len(self.units)} unit names for {shape[2]} units; give one per unit.")
        if len(set(self.units)) != len(self.units):
            twice = sorted({name for name in self.units if self.units.count(name) > 1})
            raise ValueError(f"unit names repeat ({', '.join(twice[:5])}); make them unique.")

    @property
    def time(self) -> np.ndarray:
        """Seconds at the end of every step, `(time,)`."""
        return self.start + (np.arange(self.rates.shape[1]) + 1) * self.dt

    def replace(self, **changes) -> Self:
        """A copy with some of the constructor's arguments changed.

        New rates have a standard error only if it is given with them, and of more or fewer trials nothing by trial.
        """
        if "rates" in changes:
            is_as_many = len(changes["rates"]) == self.n_trials
            gone = {"standard_error": None} | ({} if is_as_many else {"trial_counts": (), "covariates": {}})
            changes = gone | changes
        return super().replace(**changes)

    def select_units(self, names: Sequence[str]) -> "Activity":
        """The units called `names`, in that order.

        Raises:
            ValueError: if a name is not among the units.
        """
        place = {name: i for i, name in enumerate(self.units)}
        if missing := [name for name in names if name not in place]:
            raise ValueError(f"no unit is called {missing[0]!r}; there are {len(place)}, the first {self.units[:3]}.")
        index = np.array([place[name] for name in names], int)
        error = None if self.standard_error is None else _taken(self.standard_error, (..., index))
        return self.replace(rates=_taken(self.rates, (..., index)), units=names, standard_error=error)

    def without_units(self, names: Sequence[str]) -> "Activity":
        """All units but those called `names`."""
        dropped = set(names)
        return self.select_units([name for name in self.units if name not in dropped])

    def to_xarray(self) -> "xarray.Dataset":
        """Everything as labelled arrays with units; `from_xarray` is the way back.

        Rates are said to be in spikes/s; where a network has other units, change the attribute. Labels of conditions
        and covariates are coordinates along `condition`, events lie along `event`, and notes are an attribute.

        Raises:
            ValueError: if a covariate has the name of an axis or of another part.
        """
        from recirc import labelled  # loads xarray

        return labelled.dataset_of(self)

    @classmethod
    def from_xarray(cls, dataset: "xarray.Dataset", *, outputs: str | None = None) -> "Activity":
        """Activity from labelled arrays, in memory what `recirc.data.read_netcdf` reads from a file.

        One variable has the dimensions condition, time and unit (in any order), and its attribute `units` is
        "spikes/s" (or "Hz", "1/s"). The coordinate `time` is uniform, with `units` "s" or "ms", and gives the end of
        each bin; the coordinate `unit` gives names of units. Condition labels are a coordinate along `condition` with
        `units` "degree" or "radian", which gives angles in degrees, otherwise the coordinate `condition` as it is.
        There may be behavior, `outputs` or `velocity` by condition, time and one more, and what `to_xarray` writes.

        Args:
            dataset: labelled arrays; rates alone are enough.
            outputs: name of the variable with behavior, if it is neither `outputs` nor `velocity`.

        Raises:
            ValueError: if a dimension, coordinate or `units` attribute is missing or not understood; values are no
                numbers; unit names repeat; or time is not uniform, plausible and of five samples or more.

        Example:
            >>> import numpy as np, recirc
            >>> activity = recirc.Activity(np.ones((2, 9, 3)), dt=0.01, conditions=["0", "90"])
            >>> recirc.Activity.from_xarray(activity.to_xarray()).conditions
            ('0', '90')
        """
        from recirc import labelled

        return cls(**labelled.arguments_from(dataset, outputs=outputs))
