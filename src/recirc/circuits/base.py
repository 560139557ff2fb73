"""What a circuit is, and the only forward time loop."""

import abc
from collections.abc import Callable, Mapping
from os import PathLike
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from recirc.arguments import check_key, check_kind
from recirc.types import Activity, Trials

States = Float[Array, "unit trial"]
Inputs = Float[Array, "input trial"]


class AbstractCircuit(eqx.Module):
    """A dynamical system that turns inputs into rates and outputs, many trials side by side.

    Arrays inside a circuit have the unit first and the trial last: one step of all trials is one matrix product.

    Example:
        >>> network = recirc.circuits.RateNetwork.random(n_units=4, n_inputs=1, n_outputs=1, key=jax.random.key(0))
        >>> isinstance(network, AbstractCircuit), network.initial_state(3).shape
        (True, (4, 3))
    """

    @abc.abstractmethod
    def initial_state(self, n_trials: int) -> States:
        """State at the start of every trial."""

    @abc.abstractmethod
    def step(self, state: States, inputs: Inputs, noise: Float[Array, "unit trial"], dt: float) -> States:
        """State `dt` seconds later, with `inputs` held; `noise` holds standard normal draws, or zeros."""

    @abc.abstractmethod
    def velocity(self, state: States, inputs: Inputs) -> States:
        """Rate of change of the state, per second, without noise: what `step` follows as dt goes to 0."""

    @abc.abstractmethod
    def rates(self, state: States) -> Float[Array, "unit trial"]:
        """Firing rates in a state."""

    def outputs(self, rates: Float[Array, "unit trial"]) -> Float[Array, "output trial"]:
        """What the circuit produces from its rates; nothing, unless it has a readout."""
        return rates[:0]

    @property
    def is_noisy(self) -> bool:
        """Whether `step` uses its noise."""
        return False

    @property
    def n_inputs(self) -> int | None:
        """Number of input channels; None if it is not known before it is run."""
        return None

    @property
    def time_step(self) -> float | None:
        """Seconds per step of a network that makes steps of one length; None if any step will do."""
        return None

    def twin(self, *, key: PRNGKeyArray) -> "AbstractCircuit | None":
        """The same circuit untrained, its recurrent weights at random; None if it is not known which these are."""
        return None

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Everything that it is made of, by name, for `from_arrays`.

        Raises:
            ValueError: if it is not made of arrays alone.
        """
        raise ValueError(
            f"a {type(self).__name__} is no file of weights; give a RateNetwork or a network made by from_arrays."
        )

    def to_npz(self, path: str | PathLike) -> None:
        """Write all that it is made of into a NumPy file, for `read_network` and whatever reads NumPy files.

        Raises:
            ValueError, StorageError: if it is not made of arrays alone, or the file cannot be written.
        """
        from recirc.data.array_files import write_npz  # only files need it

        write_npz(Path(path), self.to_arrays())

    def to_safetensors(self, path: str | PathLike) -> None:
        """As `to_npz`, into a safetensors file; names and words are in its metadata."""
        from recirc.data.array_files import write_safetensors

        write_safetensors(Path(path), self.to_arrays())


def check_shapes(circuit: AbstractCircuit, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Raise ValueError, naming the array, unless each that there is has its shape."""
    for name, shape in shapes.items():
        value = getattr(circuit, name)
        if value is not None and value.shape != shape:
            raise ValueError(f"the circuit's {name} has shape {value.shape}, but its number of units needs {shape}.")


def numpy_generator(key: PRNGKeyArray) -> np.random.Generator:
    """NumPy's generator for a JAX key, for libraries that take no JAX key."""
    return np.random.default_rng(np.asarray(jax.random.key_data(key)))


def simulate(circuit: AbstractCircuit, trials: Trials, *, key: PRNGKeyArray, units=None) -> Activity:
    """Run a circuit through trials; the only forward time loop of the package.

    Sample t of the result is the state after step t, which had input t.

    Args:
        circuit: any circuit.
        trials: inputs `(trial, time, input)`; targets and hints are not looked at.
        key: for private noise; a noiseless circuit ignores it.
        units: names for the units; "0", "1", ... if omitted.

    Returns:
        Rates and outputs of every trial.

    Raises:
        TypeError: if `circuit`, `trials` or `key` is none.
        ValueError: if the trials have another number of inputs than the circuit, or other steps than it can make.

    Example:
        >>> import jax, recirc
        >>> recirc.enable_x64()
        >>> trials = recirc.tasks.CenterOutReach().trials(8, key=jax.random.key(0))
        >>> network = recirc.circuits.RateNetwork.random(n_units=50, key=jax.random.key(1))
        >>> recirc.simulate(network, trials, key=jax.random.key(2)).rates.shape[0]
        8
    """
    check_key(key)
    check_kind(AbstractCircuit, "a circuit, such as one of recirc.circuits; it comes first", circuit=circuit)
    check_kind(Trials, "Trials, as those of a task or recirc.Trials(inputs, targets, ...)", trials=trials)
    rates, outputs = _run(circuit, jnp.transpose(trials.inputs, (1, 2, 0)), key, trials.dt)
    rates, outputs = (jnp.transpose(made, (2, 0, 1)) for made in (rates, outputs))
    return Activity(rates, outputs=outputs, dt=trials.dt, conditions=trials.conditions, units=units)


@eqx.filter_jit
def _run(circuit, inputs: Float[Array, "time input trial"], key: PRNGKeyArray, dt: float):
    def seen(state):
        rates = circuit.rates(state)
        return rates, circuit.outputs(rates)

    return trajectory(circuit, inputs, dt, key=key, seen=seen)


def trajectory(
    circuit: AbstractCircuit,
    inputs: Float[Array, "time input trial"],
    dt: float,
    *,
    key: PRNGKeyArray,
    kicks: Float[Array, "time unit trial"] | None = None,
    seen: Callable = lambda state: state,
):
    """States after every step, or what `seen` makes of them; can be differentiated and compiled.

    Args:
        circuit, inputs, dt: any circuit, one row per step, and seconds per step.
        key: for private noise; a noiseless circuit ignores it.
        kicks: added to the state after every step, so that its gradient is the state's; nothing if omitted.
        seen: function of a state `(unit, trial)`; its results are stacked over time.

    Raises:
        ValueError: if there are other inputs than the circuit has, or other steps than it can make.
    """
    given = inputs.shape[1]
    if circuit.n_inputs not in (None, given):
        raise ValueError(f"the circuit has {circuit.n_inputs} inputs but the trials give {given}; make them equal.")

    def advance(state, now):
        step_inputs, step_key, kick = now
        draw = jax.random.normal(step_key, state.shape, state.dtype) if circuit.is_noisy else jnp.zeros((), state.dtype)
        state = circuit.step(state, step_inputs, draw, dt)
        state = state if kick is None else state + kick
        return state, seen(state)

    keys = jax.random.split(key, inputs.shape[0])
    return jax.lax.scan(advance, circuit.initial_state(inputs.shape[2]), (inputs, keys, kicks))[1]
