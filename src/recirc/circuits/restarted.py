"""A circuit that starts from given states."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from recirc.circuits.base import AbstractCircuit


class Restarted(AbstractCircuit):
    """Another circuit, with other states at the start of its trials.

    Args:
        circuit: the inner circuit.
        states: one column per trial, or one column for all.

    Raises:
        ValueError: when run, if there are neither as many columns as trials nor one.
    """

    circuit: AbstractCircuit
    states: Float[Array, "unit trial"]

    @property
    def is_noisy(self) -> bool:
        return self.circuit.is_noisy

    def initial_state(self, n_trials: int):
        n_units, n_states = self.states.shape
        if n_states not in (1, n_trials):
            raise ValueError(f"{n_states} states are given for {n_trials} trials; give one per trial, or one.")
        return jnp.broadcast_to(self.states, (n_units, n_trials))

    def step(self, state, inputs, noise, dt):
        return self.circuit.step(state, inputs, noise, dt)

    def velocity(self, state, inputs):
        return self.circuit.velocity(state, inputs)

    def rates(self, state):
        return self.circuit.rates(state)

    def outputs(self, rates):
        return self.circuit.outputs(rates)
