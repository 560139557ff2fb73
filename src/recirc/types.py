"""The two nouns that pass between layers, `Trials` and `Activity`, and the two kinds of result.

Axis words, everywhere the same: trial, condition, time, unit, input, output, hint, component.
"""

import dataclasses
import enum
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

if typing.TYPE_CHECKING:
    import xarray

AXES = ("trial", "condition", "time", "unit", "input", "output", "hint", "component")


def enable_x64() -> None:
    """Switch JAX to 64-bit floats for the whole process.

    Recursive least squares needs it. The command line calls this first; a script does the same before it makes
    any array.

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
        raise RuntimeError(
            f"{what} needs 64-bit floats, and they are off. Add `recirc.enable_x64()` before the first array is made."
        )


class Outcome(enum.Enum):
    """How a training ended. Every member's value is a sentence fit for a report."""

    FINISHED = "finished: all passes were made"
    REACHED = "stopped: the goal was reached"
    MISSED = "ended without reaching its goal: all passes were made"
    DIVERGED = "diverged: the numbers left the finite range"


class Named(Mapping):
    """Arrays or numbers by name, which cannot be changed and can be hashed, so that circuits may be compiled with them.

    >>> spans = Named({"movement": [(0.1, 0.5)]})
    >>> spans["movement"].shape, hash(spans) == hash(Named(spans))
    ((1, 2), True)
    """

    def __init__(self, entries: Mapping[str, object] | None = None):
        self._entries = {str(name): _frozen(value) for name, value in (entries or {}).items()}

    def __getitem__(self, name: str) -> typing.Any:
        value = self._entries[name]
        return np.array(value) if isinstance(value, tuple) else value

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Named) and self._entries == other._entries

    def __hash__(self) -> int:
        return hash(tuple(self._entries.items()))

    def __repr__(self) -> str:
        return f"Named({self._entries})"


def _frozen(value):
    value = np.asarray(value).tolist()
    return _tuples(value) if isinstance(value, list) else value


def _tuples(values: list) -> tuple:
    return tuple(_tuples(value) if isinstance(value, list) else value for value in values)


class Trials(eqx.Module):
    """What a network is given and asked for.

    Args:
        inputs: what the network is driven with.
        targets: what its readout should give.
        dt: seconds per time step.
        conditions: one label per trial; equal labels are repeats of one condition.
        mask: 1 where a sample counts, 0 where it does not; all ones if omitted. Trials of unequal length are
            padded and masked.
        epochs: name -> (start, stop) in seconds from trial start, one row per trial; one pair serves all trials.
        hints: signals that only a target-generating network sees (recorded rates, usually), if there are any.
        hint_units: names of the units that the hints were recorded from, in order; empty if there are none.

    Raises:
        ValueError: if shapes disagree, `dt` is not positive, a label is missing, or a value is not finite.
    """

    inputs: Float[Array, "trial time input"]
    targets: Float[Array, "trial time output"]
    dt: float = eqx.field(static=True)
    conditions: tuple[str, ...] = eqx.field(static=True)
    mask: Float[Array, "trial time"]
    epochs: Named = eqx.field(static=True)
    hints: Float[Array, "trial time hint"] | None
    hint_units: tuple[str, ...] = eqx.field(static=True)

    def __init__(
        self,
        inputs,
        targets,
        *,
        dt: float,
        conditions: Iterable[object],
        mask=None,
        epochs: Mapping[str, object] | None = None,
        hints=None,
        hint_units: Sequence[str] = (),
    ):
        self.inputs = jnp.asarray(inputs)
        self.targets = jnp.asarray(targets)
        self.mask = jnp.ones(self.inputs.shape[:2], self.inputs.dtype) if mask is None else jnp.asarray(mask)
        self.hints = None if hints is None else jnp.asarray(hints)
        rows = (self.inputs.shape[0], 2)
        self.epochs = Named({name: np.broadcast_to(np.asarray(s, float), rows) for name, s in (epochs or {}).items()})
        self.conditions = tuple(str(label) for label in conditions)
        self.hint_units = tuple(hint_units)
        self.dt = float(dt)
        _check_trials(self)

    @property
    def n_trials(self) -> int:
        return self.inputs.shape[0]

    @property
    def n_steps(self) -> int:
        return self.inputs.shape[1]

    @property
    def time(self) -> np.ndarray:
        """Seconds from trial start at the end of every step, `(time,)`."""
        return (np.arange(self.n_steps) + 1) * self.dt

    def replace(self, **changes) -> "Trials":
        """A copy with some of the constructor's arguments changed."""
        return dataclasses.replace(self, **changes)

    def select(self, indices) -> "Trials":
        """The trials at `indices`, in that order."""
        index = np.asarray(indices)
        return self.replace(
            inputs=self.inputs[index],
            targets=self.targets[index],
            mask=self.mask[index],
            hints=None if self.hints is None else self.hints[index],
            epochs={name: span[index] for name, span in self.epochs.items()},
            conditions=[self.conditions[i] for i in np.arange(self.n_trials)[index]],
        )


def _check_trials(trials: Trials) -> None:
    shape = trials.inputs.shape
    if len(shape) != 3 or trials.targets.ndim != 3:
        raise ValueError(
            "inputs and targets must have three axes (trial, time, channel); "
            f"got shapes {shape} and {trials.targets.shape}."
        )
    for name in ("targets", "mask", "hints"):
        value = getattr(trials, name)
        if value is not None and value.shape[:2] != shape[:2]:
            raise ValueError(
                f"{name} has {value.shape[:2]} (trial, time) but inputs have {shape[:2]}; make them equal."
            )
    if len(trials.conditions) != shape[0]:
        raise ValueError(f"{len(trials.conditions)} condition labels for {shape[0]} trials; give one per trial.")
    if not trials.dt > 0:
        raise ValueError(f"dt must be a positive number of seconds, got {trials.dt}.")
    n_hints = 0 if trials.hints is None else trials.hints.shape[2]
    if len(trials.hint_units) not in (0, n_hints):
        raise ValueError(
            f"{len(trials.hint_units)} hint_units are named but there are {n_hints} hint channels; give one "
            f"name per channel."
        )
    for name in ("inputs", "targets", "mask", "hints"):
        value = getattr(trials, name)
        if value is not None:
            _check_finite(np.asarray(value), name)


def _check_finite(value: np.ndarray, name: str) -> None:
    bad = np.argwhere(~np.isfinite(value))
    if len(bad):
        where = tuple(int(i) for i in bad[0])
        raise ValueError(
            f"{name} has {len(bad)} values that are not finite, the first at {where} (trial, time, channel); "
            "remove or interpolate them first."
        )


class Activity(eqx.Module):
    """What a circuit did. A recording, a simulated cortex and a trained network are all this.

    Args:
        rates: firing rates; spikes/s for a recording, the network's own units for a model.
        dt: seconds per time step.
        conditions: one label per trial.
        units: one name per unit; "0", "1", ... if omitted.
        outputs: what the circuit produced (muscles, velocity), if known.
        start: time of the first sample's end minus dt, in seconds.
        standard_error: of rates that are averages over trials, if single trials told; nan where one trial did not.
        trial_counts: how many single trials each average is over; empty if they are not known.
        covariates: what is known of every trial beside its label, name -> one value per trial.
        events: name -> time in seconds on the activity's clock; of averages, the median over single trials.
        notes: what was guessed, left out and found on the way here, one sentence each.

    Raises:
        ValueError: if shapes disagree, a name repeats, or `dt` is not positive.
    """

    rates: Float[Array, "trial time unit"]
    dt: float = eqx.field(static=True)
    conditions: tuple[str, ...] = eqx.field(static=True)
    units: tuple[str, ...] = eqx.field(static=True)
    outputs: Float[Array, "trial time output"] | None
    start: float = eqx.field(static=True)
    standard_error: Float[Array, "trial time unit"] | None
    trial_counts: tuple[int, ...] = eqx.field(static=True)
    covariates: Named = eqx.field(static=True)
    events: Named = eqx.field(static=True)
    notes: tuple[str, ...] = eqx.field(static=True)

    def __init__(
        self,
        rates,
        *,
        dt: float,
        conditions: Iterable[object],
        units=None,
        outputs=None,
        start: float = 0.0,
        standard_error=None,
        trial_counts: Sequence[int] = (),
        covariates: Mapping[str, object] | None = None,
        events: Mapping[str, float] | None = None,
        notes: Sequence[str] = (),
    ):
        self.rates = jnp.asarray(rates)
        self.outputs = None if outputs is None else jnp.asarray(outputs)
        self.conditions = tuple(str(label) for label in conditions)
        names = range(self.rates.shape[-1]) if units is None else units
        self.units = tuple(str(name) for name in names)
        self.dt = float(dt)
        self.start = float(start)
        self.standard_error = None if standard_error is None else jnp.asarray(standard_error)
        self.trial_counts = tuple(int(count) for count in trial_counts)
        self.covariates = Named(covariates)
        self.events = Named(events)
        self.notes = tuple(notes)
        _check_activity(self)

    @property
    def n_trials(self) -> int:
        return self.rates.shape[0]

    @property
    def time(self) -> np.ndarray:
        """Seconds at the end of every step, `(time,)`."""
        return self.start + (np.arange(self.rates.shape[1]) + 1) * self.dt

    def replace(self, **changes) -> "Activity":
        """A copy with some of the constructor's arguments changed.

        New rates have a standard error only if it is given with them, and rates of another number of trials counts
        and covariates.
        """
        if "rates" in changes:
            is_as_many = len(changes["rates"]) == self.n_trials
            gone = {"standard_error": None} | ({} if is_as_many else {"trial_counts": (), "covariates": {}})
            changes = gone | changes
        return dataclasses.replace(self, **changes)

    def select(self, indices) -> "Activity":
        """The trials at `indices`, in that order."""
        index = np.arange(self.n_trials)[np.asarray(indices)]
        return self.replace(
            rates=self.rates[index],
            outputs=None if self.outputs is None else self.outputs[index],
            standard_error=None if self.standard_error is None else self.standard_error[index],
            conditions=[self.conditions[i] for i in index],
            trial_counts=[self.trial_counts[i] for i in index] if self.trial_counts else (),
            covariates={name: values[index] for name, values in self.covariates.items()},
        )

    def select_units(self, names: Sequence[str]) -> "Activity":
        """The units called `names`, in that order.

        Raises:
            ValueError: if a name is not among the units.
        """
        place = {name: i for i, name in enumerate(self.units)}
        missing = [name for name in names if name not in place]
        if missing:
            raise ValueError(f"no unit is called {missing[0]!r}; there are {len(place)}, the first {self.units[:3]}.")
        index = np.array([place[name] for name in names], int)
        error = None if self.standard_error is None else self.standard_error[:, :, index]
        return self.replace(rates=self.rates[:, :, index], units=names, standard_error=error)

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
        each bin; the coordinate `unit` gives names of units. Condition labels are a coordinate along `condition`: one
        with `units` "degree" or "radian" gives angles in degrees, otherwise the coordinate `condition` is taken as it
        is. There may be behavior, a variable `outputs` or `velocity` with dimensions condition, time and one more,
        and whatever else `to_xarray` writes.

        Args:
            dataset: labelled arrays; rates alone are enough.
            outputs: name of the variable with behavior, if it is neither `outputs` nor `velocity`.

        Raises:
            ValueError: if a dimension, coordinate or `units` attribute is missing or not understood; values are not
                numbers; unit names repeat; time is not uniform, its step not plausible, or there are fewer than five
                samples. What rates are is for `recirc.data.check_activity`.

        Example:
            >>> import numpy as np, recirc
            >>> activity = recirc.Activity(np.ones((2, 9, 3)), dt=0.01, conditions=["0", "90"])
            >>> recirc.Activity.from_xarray(activity.to_xarray()).conditions
            ('0', '90')
        """
        from recirc import labelled

        return cls(**labelled.arguments_from(dataset, outputs=outputs))


def _check_activity(activity: Activity) -> None:
    shape = activity.rates.shape
    if len(shape) != 3:
        raise ValueError(f"rates must have three axes (trial, time, unit), got shape {shape}.")
    if activity.outputs is not None and activity.outputs.shape[:2] != shape[:2]:
        raise ValueError(
            f"outputs have {activity.outputs.shape[:2]} (trial, time) but rates have {shape[:2]}; make them equal."
        )
    if activity.standard_error is not None and activity.standard_error.shape != shape:
        raise ValueError(
            f"standard_error has shape {activity.standard_error.shape} but rates {shape}; make them equal."
        )
    per_trial = {"trial_counts": activity.trial_counts} if activity.trial_counts else {}
    for name, values in {**per_trial, **activity.covariates}.items():
        if np.shape(values)[:1] != shape[:1]:
            raise ValueError(f"{name} has shape {np.shape(values)} for {shape[0]} trials; give one value per trial.")
    if len(activity.conditions) != shape[0]:
        raise ValueError(f"{len(activity.conditions)} condition labels for {shape[0]} trials; give one per trial.")
    if len(activity.units) != shape[2]:
        raise ValueError(f"{len(activity.units)} unit names for {shape[2]} units; give one per unit.")
    if len(set(activity.units)) != len(activity.units):
        twice = sorted({name for name in activity.units if activity.units.count(name) > 1})
        raise ValueError(f"unit names repeat ({', '.join(twice[:5])}); make them unique.")
    if not activity.dt > 0:
        raise ValueError(f"dt must be a positive number of seconds, got {activity.dt}.")


Level = typing.Literal["performance", "unit", "population", "mechanism", "generalization", "robustness"]
Direction = typing.Literal["higher", "lower"]


class Score(eqx.Module):
    """One number with what is needed to read it.

    Args:
        metric: its name, as in `metrics.json`.
        value: the number.
        level: performance, unit, population, mechanism, generalization or robustness.
        direction: "higher" or "lower", whichever is better.
        unit: unit of the value; "1" for a pure number.
        parts: named arrays behind the number (canonical correlations, one value per unit, ...).
        settings: every setting that changes the number.

    Raises:
        ValueError: if `level` or `direction` is none of these words.
    """

    metric: str = eqx.field(static=True)
    value: float
    level: Level = eqx.field(static=True)
    direction: Direction = eqx.field(static=True, default="higher")
    unit: str = eqx.field(static=True, default="1")
    parts: dict[str, np.ndarray] = eqx.field(default_factory=dict)
    settings: dict[str, object] = eqx.field(default_factory=dict)

    def __check_init__(self):
        check_words(self.metric, level=self.level, direction=self.direction)


def check_words(metric: str, **words: str) -> None:
    """Raise ValueError unless `level` and `direction` are among the words that there are for them."""
    for name, choices in (("level", typing.get_args(Level)), ("direction", typing.get_args(Direction))):
        if words[name] not in choices:
            raise ValueError(f"{metric}: {name} is {words[name]!r}; use one of {choices}.")
