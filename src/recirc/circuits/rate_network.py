"""The trainable rate network."""

import dataclasses
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from recirc.circuits.base import AbstractCircuit, numpy_generator
from recirc.circuits.updates import name_of
from recirc.notebook import fields_table
from recirc.ranges import check_within

WEIGHT_AXES = {  # of every weight of a `RateNetwork`, as files have them
    "recurrent": ("unit", "from_unit"), "input_weights": ("unit", "input"), "readout": ("output", "unit"),
    "bias": ("unit",), "start": ("unit",), "feedback": ("unit", "output"),
}  # fmt: skip


def _noise_or_none(noise):
    if noise is None or (isinstance(noise, (int, float)) and noise == 0):
        return None
    return jnp.asarray(noise)


class RateNetwork(AbstractCircuit):
    r"""Rate network with leaky units.

    $$\tau\dot x = -x + J r + U_{in} u + U_{fb} z + b + \sigma\eta, \qquad r = f(x), \qquad z = W r$$

    One step holds the right-hand side and decays toward it exactly, $x \leftarrow x_\infty + (x - x_\infty)
    e^{-dt/\tau}$. The private noise $\eta$ is white; $\sigma$ is the s.d. of the noise current averaged over 1 ms,
    whatever dt, and alone it gives x an s.d. of $\sigma\sqrt{1\,\mathrm{ms} / 2\tau}$ (0.22 sigma at 10 ms).

    Args:
        recurrent: J, from column unit to row unit.
        input_weights: U_in.
        readout: W.
        bias: b.
        start: x at the start of every trial.
        feedback: U_fb, or None for a network without output feedback.
        connections: True where J may be nonzero; None for all.
        signs: 1 for units that only excite and -1 for those that only inhibit others (Dale's law: column j of J has
            the sign of unit j or is zero); None if units may do both.
        time_constant: tau, seconds.
        noise: sigma; None or 0 for none.
        nonlinearity: f, elementwise; tanh by default.

    Source: DePasquale et al. 2018 (doi 10.1371/journal.pone.0191527) for the step; the noise scale is ours.
    """

    recurrent: Float[Array, "unit unit"]
    input_weights: Float[Array, "unit input"]
    readout: Float[Array, "output unit"]
    bias: Float[Array, " unit"]
    start: Float[Array, " unit"]
    feedback: Float[Array, "unit output"] | None = None
    connections: Bool[Array, "unit unit"] | None = None
    signs: Float[Array, " unit"] | None = None
    time_constant: float = eqx.field(static=True, default=0.01)
    noise: Float[Array, ""] | None = eqx.field(converter=_noise_or_none, default=None)
    nonlinearity: Callable = eqx.field(static=True, default=jnp.tanh)
    _repr_html_ = fields_table

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
        input_scale: float = 0.5,
        time_constant: float = 0.01,
        noise: float = 0.0,
        bias_scale: float = 0.0,
        readout_scale: float = 0.0,
        autapses: bool = True,
        excitatory_fraction: float | None = None,
        nonlinearity: Callable = jnp.tanh,
    ) -> "RateNetwork":
        """A network with random weights, ready to be trained.

        Args:
            key: random key.
            n_units, n_inputs, n_outputs: sizes.
            gain: g; nonzero J are N(0, g² / (density · n_units)). With Dale's law, the spectral radius of J.
            density: share of connections that exist (no others are ever made by a trainer).
            input_scale, bias_scale, readout_scale: input weights, biases and the readout are uniform in ± this.
            time_constant, noise, nonlinearity: tau in seconds, sigma of the private noise, and f.
            autapses: whether units may connect to themselves.
            excitatory_fraction: share of units that only excite, the first ones; the others only inhibit, so
                strongly that each unit's inputs cancel on average. None for units that do both.

        Raises:
            ValueError: if a size is not positive, `density` not in (0, 1], or a kind is left without units.
        """
        check_within("[1, inf]", n_units=n_units, n_inputs=n_inputs, n_outputs=n_outputs)
        check_within("(0, 1]", density=density)
        recurrent_key, mask_key, input_key, start_key, bias_key, readout_key = jax.random.split(key, 6)
        connections = None
        if density < 1 or not autapses:
            connections = jax.random.uniform(mask_key, (n_units, n_units)) < density
            connections &= autapses | ~np.eye(n_units, dtype=bool)
        if excitatory_fraction is None:
            signs = None
            recurrent = jax.random.normal(recurrent_key, (n_units, n_units)) * gain / np.sqrt(density * n_units)
        else:
            signs = _signs(n_units, excitatory_fraction)
            recurrent = _balanced(signs, connections, gain, key=recurrent_key)
        return cls(
            recurrent=recurrent if connections is None else jnp.where(connections, recurrent, 0.0),
            input_weights=jax.random.uniform(input_key, (n_units, n_inputs), minval=-input_scale, maxval=input_scale),
            readout=jax.random.uniform(readout_key, (n_outputs, n_units), minval=-readout_scale, maxval=readout_scale),
            bias=jax.random.uniform(bias_key, (n_units,), minval=-bias_scale, maxval=bias_scale),
            start=0.1 * jax.random.normal(start_key, (n_units,)),
            connections=connections, signs=signs, time_constant=time_constant, noise=noise, nonlinearity=nonlinearity,
        )  # fmt: skip

    def twin(self, *, key: PRNGKeyArray) -> "RateNetwork":
        """The same network untrained: its recurrent weights of every unit go to other units at random.

        Input weights, bias, readout, signs and the size of weights stay; which unit drives which is lost. What is alike
        of a twin is alike because of inputs and size, not because of training.
        """
        recurrent = shuffled_targets(self.recurrent, self.connections, key=key)
        return dataclasses.replace(self, recurrent=jnp.asarray(recurrent))

    def to_arrays(self) -> dict[str, np.ndarray]:
        found = {name: getattr(self, name) for name in (*WEIGHT_AXES, "connections", "signs", "noise", "time_constant")}
        found |= {"form": "rate_network", "nonlinearity": name_of(self.nonlinearity)}
        return {name: np.asarray(value) for name, value in found.items() if value is not None}

    def constrained(self) -> "RateNetwork":
        """The network with every weight zero that `connections` or `signs` forbid."""
        recurrent = self.recurrent
        if self.connections is not None:
            recurrent = jnp.where(self.connections, recurrent, 0.0)
        if self.signs is not None:
            recurrent = jnp.where(recurrent * self.signs[None, :] >= 0, recurrent, 0.0)
        return dataclasses.replace(self, recurrent=recurrent)

    @property
    def n_units(self) -> int:
        return self.recurrent.shape[0]

    @property
    def n_inputs(self) -> int:
        return self.input_weights.shape[1]

    @property
    def effective_recurrent(self) -> Float[Array, "unit unit"]:
        """J with what runs through the feedback, J + U_fb W."""
        return self.recurrent if self.feedback is None else self.recurrent + self.feedback @ self.readout

    @property
    def is_noisy(self) -> bool:
        return self.noise is not None

    def initial_state(self, n_trials: int):
        return jnp.broadcast_to(self.start[:, None], (self.n_units, n_trials))

    def _drive(self, state: Float[Array, "unit trial"], inputs: Float[Array, "input trial"]):
        """What the state decays toward, J r + U_in u + U_fb z + b."""
        rates = self.rates(state)
        drive = self.recurrent @ rates + self.input_weights @ inputs + self.bias[:, None]
        return drive if self.feedback is None else drive + self.feedback @ self.outputs(rates)

    def velocity(self, state, inputs):
        return (self._drive(state, inputs) - state) / self.time_constant

    def step(self, state, inputs, noise, dt):
        state = leak(state, self._drive(state, inputs), dt / self.time_constant)
        return state if self.noise is None else state + noise * self.noise * noise_scale(dt, self.time_constant)

    def rates(self, state):
        return self.nonlinearity(state)

    def outputs(self, rates):
        return self.readout @ rates


def shuffled_targets(recurrent, allowed=None, *, key: PRNGKeyArray) -> Float[np.ndarray, "unit unit"]:
    """The weights with those of every unit (a column) among its targets at random, where these are allowed."""
    recurrent = np.array(recurrent)
    random = numpy_generator(key)
    allowed = np.ones(recurrent.shape, bool) if allowed is None else np.asarray(allowed)
    for column, targets in zip(recurrent.T, allowed.T):
        column[targets] = random.permutation(column[targets])
    return recurrent


def leak(state, drive, elapsed: float):
    """State after `elapsed` time constants under constant `drive`."""
    return drive + (state - drive) * float(np.exp(-elapsed))


def noise_scale(dt: float, time_constant: float) -> float:
    """What a noise current of s.d. 1 (averaged over 1 ms) adds to x in one step, as an s.d."""
    return float(np.sqrt(0.001 / (2 * time_constant) * -np.expm1(-2 * dt / time_constant)))


def _signs(n_units: int, excitatory_fraction: float) -> Float[Array, " unit"]:
    n_excitatory = round(excitatory_fraction * n_units)
    if not 0 < n_excitatory < n_units:
        found = f"excitatory_fraction {excitatory_fraction} of {n_units} units leaves no unit of one kind"
        raise ValueError(f"{found}; give a share between 0 and 1, such as 0.8.")
    return jnp.where(jnp.arange(n_units) < n_excitatory, 1.0, -1.0)


def _balanced(signs, connections, radius: float, *, key: PRNGKeyArray):
    """Gamma(2)-distributed strengths under Dale's law, inhibition scaled to cancel excitation in every row."""
    strength = jax.random.gamma(key, 2.0, (signs.size, signs.size))
    if connections is not None:
        strength = jnp.where(connections, strength, 0.0)
    of_sign = (jnp.where((signs == sign)[None, :], strength, 0.0) for sign in (1, -1))
    excitation, inhibition = (jnp.sum(part, axis=1, keepdims=True) for part in of_sign)
    scaled = jnp.where(signs[None, :] > 0, strength, strength * excitation / jnp.maximum(inhibition, 1e-9))
    weights = scaled * signs[None, :]
    return weights * radius / np.abs(np.linalg.eigvals(np.asarray(weights))).max()
