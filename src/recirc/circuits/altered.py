"""Circuits that are another one, started from other states, kicked once, forced, or in other coordinates."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from recirc.circuits.base import AbstractCircuit


class _Altered(AbstractCircuit):
    """Another circuit, in all that is not said to differ."""

    circuit: eqx.AbstractVar[AbstractCircuit]

    @property
    def is_noisy(self) -> bool:
        return self.circuit.is_noisy

    @property
    def n_inputs(self) -> int | None:
        return self.circuit.n_inputs

    @property
    def time_step(self) -> float | None:
        return self.circuit.time_step

    def initial_state(self, n_trials: int):
        return self.circuit.initial_state(n_trials)

    def step(self, state, inputs, noise, dt):
        return self.circuit.step(state, inputs, noise, dt)

    def velocity(self, state, inputs):
        return self.circuit.velocity(state, inputs)

    def rates(self, state):
        return self.circuit.rates(state)

    def outputs(self, rates):
        return self.circuit.outputs(rates)


class Restarted(_Altered):
    """Another circuit, with other states at the start of its trials.

    Args:
        circuit, states: the inner circuit; one column per trial, or one column for all.

    Raises:
        ValueError: when run, if there are neither as many columns as trials nor one.

    Example:
        >>> network = recirc.circuits.RateNetwork.random(n_units=4, n_inputs=1, n_outputs=1, key=jax.random.key(0))
        >>> Restarted(network, jax.numpy.ones((4, 2))).initial_state(2).sum()
        Array(8., ...)
    """

    circuit: AbstractCircuit
    states: Float[Array, "unit trial"]

    def initial_state(self, n_trials: int):
        n_units, n_states = self.states.shape
        if n_states not in (1, n_trials):
            raise ValueError(f"{n_states} states are given for {n_trials} trials; give one per trial, or one.")
        return jnp.broadcast_to(self.states, (n_units, n_trials))


class Perturbed(_Altered):
    r"""Another circuit, with white noise added to its state at one moment.

    $$x \leftarrow x + \epsilon, \qquad \epsilon \sim N(0, \sigma^2 I), \qquad
      \sigma^2 = 10^{-\mathrm{SNR}/10}\, \langle x_i^2 \rangle_i$$

    The mean is over the units of a trial, so every trial is kicked in proportion to its own state. A last row
    of the state counts the steps; rates and outputs are those of the inner circuit.

    Args:
        circuit, signal_to_noise, key: the inner circuit, SNR in decibels, and what draws the kick.
        at_step: the kick comes before this step (0 kicks the initial state); one number, or one per trial.

    Source: Stroud et al. 2018 (doi 10.1038/s41593-018-0276-0) for noise relative to the state's own power.

    Example:
        >>> network = recirc.circuits.RateNetwork.random(n_units=4, n_inputs=1, n_outputs=1, key=jax.random.key(0))
        >>> kicked = Perturbed(network, jax.numpy.array(10.0), jax.numpy.array(5), jax.random.key(1))
        >>> kicked.n_inputs
        1
    """

    circuit: AbstractCircuit
    signal_to_noise: Float[Array, ""]
    at_step: Int[Array, "..."]
    key: PRNGKeyArray

    def initial_state(self, n_trials: int):
        inner = self.circuit.initial_state(n_trials)
        return jnp.concatenate([inner, jnp.zeros((1, n_trials), inner.dtype)])

    def step(self, state, inputs, noise, dt):
        inner, count = state[:-1], state[-1]
        sigma = 10 ** (-self.signal_to_noise / 20) * jnp.sqrt(jnp.mean(inner**2, axis=0))
        kick = sigma[None, :] * jax.random.normal(self.key, inner.shape, inner.dtype)
        inner = jnp.where((count == self.at_step.astype(count.dtype))[None, :], inner + kick, inner)
        inner = self.circuit.step(inner, inputs, noise[:-1] if noise.ndim else noise, dt)
        return jnp.concatenate([inner, count[None, :] + 1])

    def velocity(self, state, inputs):
        # The kick and the count are of steps, not of time.
        inner = self.circuit.velocity(state[:-1], inputs)
        return jnp.concatenate([inner, jnp.zeros((1, inner.shape[1]), inner.dtype)])

    def rates(self, state):
        return self.circuit.rates(state[:-1])


class Forced(_Altered):
    """Another circuit, some of whose states are set before its steps (teacher forcing).

    After the inner circuit's inputs come, as further ones, states of its first units, and last whether these are set
    before this step (1) or not (0).

    Args:
        circuit, n_forced: the inner circuit, and how many of its states are set.
    """

    circuit: AbstractCircuit
    n_forced: int = eqx.field(static=True)

    @property
    def n_inputs(self) -> int | None:
        inner = self.circuit.n_inputs
        return None if inner is None else inner + self.n_forced + 1

    def step(self, state, inputs, noise, dt):
        given, is_set = inputs[-self.n_forced - 1 : -1], inputs[-1:]
        first = jnp.where(is_set > 0, given, state[: self.n_forced])
        state = jnp.concatenate([first, state[self.n_forced :]])
        return self.circuit.step(state, inputs[: -self.n_forced - 1], noise, dt)

    def velocity(self, state, inputs):
        return self.circuit.velocity(state, inputs[: -self.n_forced - 1])


class Transformed(_Altered):
    """Another circuit, in other coordinates of its state, M x, and with other units, M' r; its outputs are the same.

    Args:
        circuit, state_map, rate_map: the inner circuit, M and M', which must be invertible.

    Example:
        >>> import numpy as np
        >>> network = recirc.circuits.RateNetwork.random(n_units=4, n_inputs=1, n_outputs=1, key=jax.random.key(0))
        >>> turn = jax.numpy.eye(4)[::-1]
        >>> turned = Transformed(network, turn, turn)
        >>> bool(np.allclose(turned.rates(turned.initial_state(1))[::-1], network.rates(network.initial_state(1))))
        True
    """

    circuit: AbstractCircuit
    state_map: Float[Array, "unit unit"]
    rate_map: Float[Array, "unit unit"]

    def initial_state(self, n_trials: int):
        return self.state_map @ self.circuit.initial_state(n_trials)

    def step(self, state, inputs, noise, dt):
        return self.state_map @ self.circuit.step(self._inner(state), inputs, noise, dt)

    def velocity(self, state, inputs):
        return self.state_map @ self.circuit.velocity(self._inner(state), inputs)

    def rates(self, state):
        return self.rate_map @ self.circuit.rates(self._inner(state))

    def outputs(self, rates):
        return self.circuit.outputs(jnp.linalg.solve(self.rate_map, rates))

    def _inner(self, state):
        return jnp.linalg.solve(self.state_map, state)
