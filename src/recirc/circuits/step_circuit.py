"""Any step from state to state as a circuit."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from recirc.arguments import numbers
from recirc.circuits.base import AbstractCircuit
from recirc.circuits.rate_network import shuffled_targets
from recirc.circuits.seconds import seconds
from recirc.circuits.updates import GatedUpdate, LeakyUpdate, Readout, name_of
from recirc.notebook import fields_table
from recirc.ranges import check_within


class StepCircuit(AbstractCircuit):
    r"""A network that goes from state to state in steps of one length, as other packages make them.

    $$x_{t+1} = F(x_t, u_t), \qquad \dot x = \frac{F(x, u) - x}{\Delta t}, \qquad r = f(x), \qquad z = g(r)$$

    Fixed points of F are where the velocity is zero. Modes of F at one, m, are given as those of the flow that does
    the same in a step: log(m) / dt, so that a mode is stable where |m| < 1 (`FixedPoints.eigenvalues`).

    Args:
        update: F, of one state `(unit,)` and one input `(input,)`. Arrays of an Equinox module are its parameters;
            those that a plain function closes over are constants.
        rate: f, from a state to rates; there may be fewer than the state has entries.
        output: g, from rates to outputs; None for a network without.
        start: x at the start of every trial.
        dt: seconds per step; trials must have the same.
        input_size: number of input channels.

    Example:
        >>> import jax.numpy as jnp
        >>> circuit = StepCircuit(lambda x, u: jnp.tanh(0.5 * x) + u, jnp.tanh, None, jnp.zeros(3), 0.01, 3)
        >>> circuit.time_step, circuit.n_units, circuit.initial_state(2).shape
        (0.01, 3, (3, 2))
    """

    update: Callable[..., Any]
    rate: Callable[..., Any]
    output: Callable[..., Any] | None
    start: Float[Array, " unit"]
    dt: float = eqx.field(static=True, converter=float)
    input_size: int = eqx.field(static=True)
    _repr_html_ = fields_table

    @property
    def time_step(self) -> float:
        return self.dt

    @property
    def n_units(self) -> int:
        """Number of rates."""
        return jax.eval_shape(self.rate, self.start).shape[0]

    @property
    def n_inputs(self) -> int:
        return self.input_size

    def initial_state(self, n_trials: int):
        return jnp.broadcast_to(self.start[:, None], (self.start.shape[0], n_trials))

    def step(self, state, inputs, noise, dt):
        if not abs(dt - self.dt) <= 1e-6 * self.dt:
            raise ValueError(f"the network makes steps of {self.dt:g} s and the trials of {dt:g} s; make them equal.")
        return self._next(state, inputs)

    def velocity(self, state, inputs):
        return (self._next(state, inputs) - state) / self.dt

    def _next(self, state, inputs):
        return _by_trial(self.update, state, inputs).astype(state.dtype)

    def rates(self, state):
        return _by_trial(self.rate, state)

    def outputs(self, rates):
        return rates[:0] if self.output is None else _by_trial(self.output, rates)

    def twin(self, *, key: PRNGKeyArray) -> "StepCircuit | None":
        """The same network with its recurrent weights to other units at random, gate by gate; None if it is code."""
        if not isinstance(self.update, LeakyUpdate | GatedUpdate):
            return None
        gates = np.split(np.asarray(self.update.recurrent), len(self.update.recurrent) // self.start.shape[0])
        keys = jax.random.split(key, len(gates))
        drawn = jnp.asarray(np.concatenate([shuffled_targets(gate, key=own) for gate, own in zip(gates, keys)]))
        return eqx.tree_at(lambda network: network.update.recurrent, self, drawn)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Everything that it is made of, by name, for `from_arrays`; a ValueError if part of it is code."""
        kept, update = {"start": self.start}, self.update
        if isinstance(self.output, Readout):
            kept |= {"readout": self.output.weights, "readout_bias": self.output.bias}
        if isinstance(update, GatedUpdate):
            kept |= {"form": "gru", "recurrent_bias": update.recurrent_bias}
        elif isinstance(update, LeakyUpdate):
            kept |= {"form": update.form, "nonlinearity": name_of(update.nonlinearity), "leak": update.leak}
        else:
            return super().to_arrays()
        kept |= {"recurrent": update.recurrent, "input_weights": update.input_weights, "bias": update.bias}
        return {name: np.asarray(value) for name, value in (kept | {"dt": self.dt}).items()}


def from_step(
    step: Callable[..., Any],
    rates: Callable[..., Any],
    initial_state,
    *,
    dt: float,
    n_inputs: int,
    outputs: Callable[..., Any] | None = None,
) -> StepCircuit:
    """Make a circuit of any function of JAX that can be differentiated, whatever made its weights.

    Args:
        step: of a state `(unit,)` and an input `(input,)`; gives the state `dt` later. It is mapped over trials.
        rates: of a state; gives what counts as firing rates, `(rate,)`.
        initial_state: at the start of every trial.
        dt: seconds per step.
        n_inputs: number of input channels.
        outputs: of rates; gives what the network produces, `(output,)`.

    Raises:
        ValueError: if `dt` is not positive or in milliseconds, `n_inputs` is negative, `initial_state` is no row of
            numbers, a function is not one of JAX or does not give what it should, by its shape, or `step` cannot be
            differentiated.

    Example:
        >>> import jax.numpy as jnp, recirc
        >>> weights = jnp.asarray([[0.0, 1.0], [-1.0, 0.0]])
        >>> turn = recirc.circuits.from_step(
        ...     lambda x, u: jnp.tanh(weights @ x + u), lambda x: x, [0.5, 0.0], dt=0.01, n_inputs=2
        ... )
        >>> trials = recirc.Trials(jnp.zeros((1, 3, 2)), jnp.zeros((1, 3, 0)), dt=0.01, conditions=["a"])
        >>> recirc.simulate(turn, trials, key=jax.random.key(0)).rates.shape
        (1, 3, 2)
    """
    dt = seconds("dt", dt)
    check_within("[0, inf)", n_inputs=n_inputs)
    start = jnp.asarray(numbers("initial_state")(initial_state), float)
    if start.ndim != 1 or not start.size or not jnp.isfinite(start).all():
        raise ValueError(f"initial_state has shape {start.shape}; give one row of finite numbers, (unit,).")
    given = jax.ShapeDtypeStruct((n_inputs,), start.dtype)
    made = _shape("step", step, start, given)
    if getattr(made, "shape", None) != start.shape:
        raise ValueError(f"step gives {made} from a state of shape {start.shape}; it must give a state like that.")
    _shape("step", lambda state, inputs: jax.jvp(lambda x: step(x, inputs), (state,), (state,)), start, given)
    seen = _shape("rates", rates, start)
    shown = {"rates": seen} | ({} if outputs is None else {"outputs": _shape("outputs", outputs, seen)})
    for name, each in shown.items():
        if len(getattr(each, "shape", ())) != 1:
            raise ValueError(f"{name} gives {each}; it must give one row of numbers for one state.")
    return StepCircuit(step, rates, outputs, start, dt, n_inputs)


def _shape(name: str, function: Callable[..., Any], *given):
    """What a function gives for such arrays; a ValueError if JAX can do nothing with it."""
    try:
        return jax.eval_shape(function, *given)
    except Exception as error:
        told = str(error).strip().split("\n")[0]
        shapes = " and ".join(str(each.shape) for each in given)
        raise ValueError(
            f"{name} is no function of JAX, of {shapes}, that can be differentiated; write it with jax.numpy, without "
            f"numpy and without `if` on values: {told}"
        ) from error


def _by_trial(function: Callable[..., Any], *arrays):
    """A function of one trial, of many side by side in the last axis."""
    return jax.vmap(function, in_axes=-1, out_axes=-1)(*arrays)
