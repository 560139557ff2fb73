"""The stability-optimized circuit: its dynamics, the states it amplifies, the drive that prepares them."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg
from jaxtyping import Array, Float, PRNGKeyArray

from recirc.circuits.base import AbstractCircuit, check_shapes
from recirc.ranges import check_within


class StabilityOptimized(AbstractCircuit):
    r"""A circuit of excitatory and inhibitory units whose rates are deviations from a baseline.

    $$\tau\dot x = -x + W f(x; g) + u, \qquad f(x; g) =
      \begin{cases} r_0 \tanh(g x / r_0) & x < 0 \\
      (r_{max} - r_0) \tanh(g x / (r_{max} - r_0)) & x \ge 0 \end{cases}, \qquad z = C f(x; g) + c$$

    One step is one step of a fifth-order Runge-Kutta method (Tsitouras), with the input u (one channel per unit) held.

    Args:
        recurrent: W, from column unit to row unit; excitatory units come first.
        n_excitatory: how many units excite.
        gains: g; ones if omitted.
        readout: C; no outputs if omitted (`fit_muscles` makes one, from excitatory units only).
        readout_bias: c; zeros if omitted.
        start: x at the start of every trial; zeros if omitted.
        time_constant: tau, seconds.
        baseline, max_rate: r_0 and r_max, spikes/s.

    Source: Stroud et al. 2018 (doi 10.1038/s41593-018-0276-0), eq. 1-4; they use an adaptive solver.

    Example:
        >>> circuit = recirc.circuits.stability_optimized(n_units=20, key=jax.random.key(0))
        >>> isinstance(circuit, StabilityOptimized), circuit.recurrent.shape
        (True, (20, 20))
    """

    recurrent: Float[Array, "unit unit"] = eqx.field(converter=jnp.asarray)
    _: dataclasses.KW_ONLY
    gains: Float[Array, " unit"] = eqx.field(converter=jnp.asarray, default=None)
    readout: Float[Array, "output unit"] = eqx.field(converter=jnp.asarray, default=None)
    readout_bias: Float[Array, " output"] = eqx.field(converter=jnp.asarray, default=None)
    start: Float[Array, " unit"] = eqx.field(converter=jnp.asarray, default=None)
    n_excitatory: int = eqx.field(static=True)
    time_constant: float = eqx.field(static=True, converter=float, default=0.2)
    baseline: float = eqx.field(static=True, converter=float, default=20.0)
    max_rate: float = eqx.field(static=True, converter=float, default=100.0)

    def __post_init__(self):
        self.recurrent = jnp.asarray(self.recurrent)
        n_units, dtype = self.recurrent.shape[0], self.recurrent.dtype
        self.gains = jnp.ones(n_units, dtype) if self.gains is None else self.gains
        self.start = jnp.zeros(n_units, dtype) if self.start is None else self.start
        self.readout = jnp.zeros((0, n_units), dtype) if self.readout is None else self.readout
        self.readout_bias = jnp.zeros(len(self.readout), dtype) if self.readout_bias is None else self.readout_bias

    def __check_init__(self):
        n_units = self.n_units
        shapes = {"recurrent": (n_units, n_units), "gains": (n_units,), "start": (n_units,)}
        shapes |= {"readout": (len(self.readout), n_units), "readout_bias": (len(self.readout),)}
        check_shapes(self, shapes)
        check_within(f"[0, {n_units}]", n_excitatory=self.n_excitatory)
        check_within("(0, inf]", time_constant=self.time_constant)
        check_within(f"(0, {self.max_rate})", baseline=self.baseline)

    @property
    def n_units(self) -> int:
        return self.recurrent.shape[0]

    def initial_state(self, n_trials: int):
        return jnp.broadcast_to(self.start[:, None], (self.n_units, n_trials))

    def velocity(self, state, inputs):
        return (self.recurrent @ self.rates(state) + inputs - state) / self.time_constant

    def step(self, state, inputs, noise, dt):
        import diffrax  # slow to load, and only a simulation needs it

        solver = diffrax.Tsit5()
        terms = diffrax.ODETerm(lambda t, y, args: self.velocity(y, args))
        first = solver.init(terms, 0.0, dt, state, inputs)
        return solver.step(terms, 0.0, dt, state, inputs, first, made_jump=False)[0]

    def rates(self, state):
        scale = jnp.where(state < 0, self.baseline, self.max_rate - self.baseline)
        return scale * jnp.tanh(self.gains[:, None] * state / scale)

    def outputs(self, rates):
        return self.readout @ rates + self.readout_bias[:, None]


def linearization(circuit: StabilityOptimized) -> Float[np.ndarray, "unit unit"]:
    """A = W diag(g) - I, with which the circuit moves at rest.

    Raises:
        ValueError: if the circuit is not stable at rest.
    """
    jacobian = np.asarray(circuit.recurrent, float) * np.asarray(circuit.gains, float)[None, :] - np.eye(
        circuit.n_units
    )
    if (growth := np.linalg.eigvals(jacobian).real.max()) >= 0:
        found = f"the circuit is unstable at rest (spectral abscissa {growth + 1:.3g}, 1 is the limit)"
        raise ValueError(f"{found}; lower its gains or optimize its stability first.")
    return jacobian


def observability_gramian(circuit: StabilityOptimized) -> Float[np.ndarray, "unit unit"]:
    r"""Q, the energy that the circuit, linearized at rest, makes of a state.

    $$a^\top Q a = \frac{2}{\tau} \int_0^\infty \|x(t)\|^2 dt, \quad x(0) = a, \qquad
      A^\top Q + Q A = -2 I, \quad A = W \mathrm{diag}(g) - I$$

    A circuit without connections gives the identity.

    Raises:
        ValueError: if the circuit is not stable at rest (the energy is infinite).

    Example:
        >>> circuit = recirc.circuits.stability_optimized(n_units=20, key=jax.random.key(0))
        >>> observability_gramian(circuit).shape
        (20, 20)
    """
    gramian = scipy.linalg.solve_continuous_lyapunov(linearization(circuit).T, -2 * np.eye(circuit.n_units))
    return (gramian + gramian.T) / 2


def preferred_states(
    circuit: StabilityOptimized, n_states: int, *, norm: float | None = None
) -> Float[Array, "unit state"]:
    """The states that evoke most energy, in order: leading eigenvectors of the observability Gramian.

    Args:
        circuit, n_states: stable at rest, and how many, at most one per unit.
        norm: Euclidean norm of each state; 1.5 √n_units if omitted. The largest entry of each is positive.

    Raises:
        ValueError: if `n_states` is out of range or the circuit is unstable at rest.

    Source: Hennequin et al. 2014 (doi 10.1016/j.neuron.2014.04.045); the norm is that of Stroud et al. 2018.

    Example:
        >>> circuit = recirc.circuits.stability_optimized(n_units=20, key=jax.random.key(0))
        >>> preferred_states(circuit, 2).shape
        (20, 2)
    """
    n_units = circuit.n_units
    check_within(f"[1, {n_units}]", n_states=n_states)
    states = np.linalg.eigh(observability_gramian(circuit))[1][:, ::-1][:, :n_states]
    largest = states[np.abs(states).argmax(axis=0), np.arange(n_states)]
    states = states * np.sign(largest)[None, :] * (1.5 * np.sqrt(n_units) if norm is None else norm)
    return jnp.asarray(states, circuit.recurrent.dtype)


def holding_current(circuit: StabilityOptimized, states: Float[Array, "unit trial"]) -> Float[Array, "unit trial"]:
    """The input that makes each state a fixed point: u = x - W f(x; g).

    Example:
        >>> circuit = recirc.circuits.stability_optimized(n_units=20, key=jax.random.key(0))
        >>> holding_current(circuit, jax.numpy.zeros((20, 1))).shape
        (20, 1)
    """
    return states - circuit.recurrent @ circuit.rates(states)


def preparation_currents(
    circuit: StabilityOptimized,
    states: Float[Array, "unit trial"],
    *,
    n_steps: int,
    dt: float,
    go,
    rise: float = 0.4,
    decay: float = 0.002,
) -> Float[Array, "trial time unit"]:
    r"""Inputs that prepare a state and let go of it: the holding current times $S(t)$.

    $$S(t) = \begin{cases} e^{(t - t_{go}) / t_{rise}} & t < t_{go} \\
      e^{-(t - t_{go}) / t_{decay}} & t \ge t_{go} \end{cases}$$

    Each sample is the mean of S over its step, so that decay much faster than a step keeps its area.

    Args:
        circuit, states: whose inputs they are, and what to prepare, one column per trial.
        n_steps, dt: length of a trial in steps, and of a step in seconds.
        go: time of the go cue in seconds from trial start, one for all or one per trial.
        rise, decay: seconds; an infinite rise holds the current constant, and the circuit settles in the state itself.

    Raises:
        ValueError: if `states` does not have one row per unit, or `rise` or `decay` is not positive.

    Source: code of Stroud et al. 2018 (doi 10.1038/s41593-018-0276-0); the nonlinear holding current is ours.

    Example:
        >>> circuit = recirc.circuits.stability_optimized(n_units=20, key=jax.random.key(0))
        >>> states = recirc.circuits.preferred_states(circuit, 2)
        >>> preparation_currents(circuit, states, n_steps=100, dt=0.01, go=0.8).shape
        (2, 100, 20)
    """
    if states.ndim != 2 or states.shape[0] != circuit.n_units:
        raise ValueError(f"states must have shape (unit, trial) with {circuit.n_units} units, got {states.shape}.")
    check_within("(0, inf]", rise=rise, decay=decay)
    edges = np.arange(n_steps + 1) * dt - np.broadcast_to(np.asarray(go, float), states.shape[1:])[:, None]
    before, after = np.minimum(edges, 0.0), np.maximum(edges, 0.0)
    area = before if np.isinf(rise) else rise * np.exp(before / rise)
    drive = np.diff(area - decay * np.exp(-after / decay), axis=1) / dt
    current = holding_current(circuit, states)
    return jnp.asarray(drive, current.dtype)[:, :, None] * current.T[:, None, :]


def random_gains(
    circuit: StabilityOptimized, n_patterns: int, sd: float, *, key: PRNGKeyArray
) -> Float[Array, "unit pattern"]:
    """Gains drawn around 1 with standard deviation `sd`, never below 0: another way to make movements.

    Example:
        >>> import dataclasses, jax, numpy as np
        >>> circuit = StabilityOptimized(np.zeros((4, 4)), n_excitatory=2)
        >>> patterns = random_gains(circuit, 3, 0.1, key=jax.random.key(0))
        >>> dataclasses.replace(circuit, gains=patterns[:, 0]).gains.shape
        (4,)

    Raises:
        ValueError: if `n_patterns` or `sd` is not positive.
    """
    check_within("[1, inf]", n_patterns=n_patterns)
    check_within("(0, inf]", sd=sd)
    return jnp.maximum(1 + sd * jax.random.normal(key, (circuit.n_units, n_patterns), circuit.recurrent.dtype), 0.0)
