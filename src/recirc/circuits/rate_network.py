"""The trainable rate network."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from recirc.circuits.base import AbstractCircuit


class RateNetwork(AbstractCircuit):
    r"""Rate network with leaky units.

    $$\tau\dot x = -x + J r + U_{in} u + U_{fb} z + b, \qquad r = f(x), \qquad z = W r + c$$

    One step holds the right-hand side and decays toward it exactly,
    $x \leftarrow x_\infty + (x - x_\infty) e^{-dt/\tau}$, and then adds private noise
    $\sigma\sqrt{1 - e^{-2dt/\tau}}\,\xi$, so that $\sigma$ is the standard deviation that noise alone gives a unit's x,
    whatever dt.

    Args:
        recurrent: J, from column unit to row unit.
        input_weights: U_in.
        readout: W.
        readout_bias: c.
        bias: b.
        start: x at the start of every trial.
        feedback: U_fb, or None for a network without output feedback.
        connections: True where J may be nonzero; None for all.
        time_constant: tau, seconds.
        noise: sigma.
        nonlinearity: f, elementwise; tanh by default.

    Source: DePasquale et al. 2018 (doi 10.1371/journal.pone.0191527) for the step; the noise scale is ours.
    """

    recurrent: Float[Array, "unit unit"]
    input_weights: Float[Array, "unit input"]
    readout: Float[Array, "output unit"]
    readout_bias: Float[Array, " output"]
    bias: Float[Array, " unit"]
    start: Float[Array, " unit"]
    feedback: Float[Array, "unit output"] | None = None
    connections: Bool[Array, "unit unit"] | None = None
    time_constant: float = eqx.field(static=True, default=0.01)
    noise: float = eqx.field(static=True, default=0.0)
    nonlinearity: Callable = eqx.field(static=True, default=jnp.tanh)

    @classmethod
    def random(
        cls,
        *,
        key: PRNGKeyArray,
        n_units: int = 300,
        n_inputs: int = 2,
        n_outputs: int = 2,
        gain: float = 1.5,
        density: float = 1.0,
        input_scale: float = 1.0,
        time_constant: float = 0.01,
        noise: float = 0.0,
    ) -> "RateNetwork":
        """A network with random weights and no readout, ready to be trained.

        Args:
            key: random key.
            n_units, n_inputs, n_outputs: sizes.
            gain: g; nonzero J are N(0, g² / (density · n_units)).
            density: share of connections that exist (no others are ever made by a trainer).
            input_scale: input weights are uniform in ± this.
            time_constant: seconds.
            noise: private noise, s.d. of x.

        Raises:
            ValueError: if a size is not positive or `density` is not in (0, 1].
        """
        if min(n_units, n_inputs, n_outputs) < 1:
            raise ValueError(f"sizes must be positive, got {n_units} units, {n_inputs} inputs, {n_outputs} outputs.")
        if not 0 < density <= 1:
            raise ValueError(f"density must be in (0, 1], got {density}.")
        recurrent_key, mask_key, input_key, start_key = jax.random.split(key, 4)
        connections = None
        if density < 1:
            connections = jax.random.uniform(mask_key, (n_units, n_units)) < density
        recurrent = jax.random.normal(recurrent_key, (n_units, n_units)) * gain / np.sqrt(density * n_units)
        return cls(
            recurrent=recurrent if connections is None else jnp.where(connections, recurrent, 0.0),
            input_weights=jax.random.uniform(input_key, (n_units, n_inputs), minval=-input_scale, maxval=input_scale),
            readout=jnp.zeros((n_outputs, n_units)),
            readout_bias=jnp.zeros(n_outputs),
            bias=jnp.zeros(n_units),
            start=0.1 * jax.random.normal(start_key, (n_units,)),
            connections=connections,
            time_constant=time_constant,
            noise=noise,
        )

    @property
    def n_units(self) -> int:
        return self.recurrent.shape[0]

    @property
    def is_noisy(self) -> bool:
        return self.noise > 0

    def initial_state(self, n_trials: int):
        return jnp.broadcast_to(self.start[:, None], (self.n_units, n_trials))

    def step(self, state, inputs, noise, dt):
        rates = self.rates(state)
        drive = self.recurrent @ rates + self.input_weights @ inputs + self.bias[:, None]
        if self.feedback is not None:
            drive = drive + self.feedback @ self.outputs(rates)
        return leak(state, drive, noise, self.noise, dt / self.time_constant)

    def rates(self, state):
        return self.nonlinearity(state)

    def outputs(self, rates):
        return self.readout @ rates + self.readout_bias[:, None]


def leak(state, drive, noise, sigma: float, elapsed: float):
    """State after `elapsed` time constants under constant `drive`, plus private noise of stationary s.d. `sigma`."""
    moved = drive + (state - drive) * float(np.exp(-elapsed))
    return moved + noise * (sigma * float(np.sqrt(-np.expm1(-2 * elapsed)))) if sigma > 0 else moved
