"""Inputs that prepare a movement by feedback, only as far as the movement depends on it."""

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg
from jaxtyping import Array, Float

from recirc.circuits.motor_cortex import StabilityOptimized, holding_current, linearization
from recirc.ranges import check_within


def anticipatory_currents(
    circuit: StabilityOptimized,
    states: Float[Array | np.ndarray, "unit trial"],
    readout: Float[np.ndarray, "output unit"],
    *,
    n_steps: int,
    dt: float,
    onset: float,
    go: float,
    effort: float = 0.01,
) -> Float[Array, "trial time unit"]:
    r"""Inputs of optimal anticipatory control: feedback on what a wrong state at go would cost the movement.

    $$\min_u \int_0^\infty \frac{n}{\mathrm{tr}\,Q}\, e^\top Q\, e + \lambda \|u - u^*\|^2\, dt, \qquad
      e = x - x^*, \qquad \tau \dot e = A e + u - u^*, \\
      A^\top Q + Q A = -\tau\, C^\top C$$

    $e^\top Q\, e$ is the prospective error: the squared error of the outputs C x that a state e away from the wanted
    $x^*$ would cause if the circuit, linearized at rest, were let go there. The solution is the feedback
    $u = u^* - P e / \lambda \tau$ with the P of its Riccati equation, and $u^*$ the holding current. It runs from
    target onset to go, on the circuit itself, nonlinear as it is. Dimensions that move no output find their own way, so
    that preparation uses other dimensions than it does under a constant `holding_current`.

    Args:
        circuit, states: whose inputs they are, stable at rest, and x*, one column per trial.
        readout: C, of the rates that the movement is read from.
        n_steps, dt: length of a trial in steps, and of a step in seconds.
        onset, go: seconds from trial start at which the feedback is switched on and off.
        effort: lambda, positive.

    Raises:
        ValueError: if `effort` or `dt` is not positive.

    Source: Kao, Sadabadi & Hennequin 2021 (doi 10.1016/j.neuron.2021.03.009), without their thalamo-cortical loop; that
    Q has a mean of 1 is ours.

    Example:
        >>> import numpy as np
        >>> circuit = StabilityOptimized(np.zeros((4, 4)), n_excitatory=2)
        >>> times = {"n_steps": 50, "dt": 0.01, "onset": 0.1, "go": 0.4}
        >>> anticipatory_currents(circuit, np.ones((4, 3)), np.eye(4)[:2], **times).shape
        (3, 50, 4)
    """
    check_within("(0, inf]", effort=effort, dt=dt)
    n, tau = circuit.n_units, circuit.time_constant
    a, readout = linearization(circuit) / tau, np.asarray(readout, float)
    cost = scipy.linalg.solve_continuous_lyapunov(a.T, -readout.T @ readout)
    cost = n * (cost + cost.T) / (2 * np.trace(cost))
    solution = scipy.linalg.solve_continuous_are(a, np.eye(n) / tau, cost, effort * np.eye(n))
    wanted = jnp.asarray(states, circuit.recurrent.dtype)
    feedback, held = jnp.asarray(solution / (effort * tau), wanted.dtype), holding_current(circuit, wanted)
    time = np.arange(n_steps) * dt + dt / 2
    is_on = jnp.asarray((onset < time) & (time < go), wanted.dtype)

    def advance(state, now):
        current = now * (held + feedback @ (wanted - state))
        return circuit.step(state, current, jnp.zeros((), wanted.dtype), dt), current

    currents = jax.jit(lambda: jax.lax.scan(advance, circuit.initial_state(wanted.shape[1]), is_on)[1])()
    return jnp.transpose(currents, (2, 0, 1))
