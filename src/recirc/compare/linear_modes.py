"""Modes of a circuit around a fixed point: its mechanism as numbers, and which of a student's its teacher lacks."""

import dataclasses

import jax.numpy as jnp
import numpy as np
from jaxtyping import Complex, Float

from recirc.circuits import AbstractCircuit, Teacher
from recirc.compare.fixed_points import find_fixed_points, jacobian
from recirc.compare.states import noiseless
from recirc.ranges import check_within


@dataclasses.dataclass(frozen=True)
class LinearModes:
    r"""Modes of a circuit linearized at a fixed point, the slowest first; a complex pair is one mode.

    $$\dot{\delta x} = A \delta x, \qquad \tau_k = -1 / \mathrm{Re} \lambda_k, \quad
      f_k = |\mathrm{Im} \lambda_k| / 2\pi, \quad
      h = \sqrt{\|A\|_F^2 - \textstyle\sum |\lambda|^2} \Big/ \|A - \tfrac{\mathrm{tr} A}{n} I\|_F$$

    Args:
        eigenvalues: lambda, per second, with Im lambda >= 0, by falling real part.
        nonnormality: h, Henrici's departure from normality as a share: 0 for a normal A, 1 for a nilpotent one. A leak
            that all units share does not count.
        state: the fixed point.

    Source: Henrici 1962 (doi 10.1007/BF01386294). Departure: the trace is taken from the norm it is divided by.

    Example:
        >>> teacher = recirc.circuits.teacher("line_attractor", n_units=20, key=jax.random.key(0))
        >>> modes = recirc.compare.linear_modes(teacher.network)
        >>> isinstance(modes, LinearModes)
        True
    """

    eigenvalues: Complex[np.ndarray, " mode"]
    nonnormality: float
    state: Float[np.ndarray, " unit"]

    @property
    def time_constants(self) -> Float[np.ndarray, " mode"]:
        """Seconds in which a mode falls to 1/e; infinite for one that does not."""
        decay = -np.real(self.eigenvalues)
        return np.where(decay > 0, 1 / np.where(decay > 0, decay, 1.0), np.inf)

    @property
    def frequencies(self) -> Float[np.ndarray, " mode"]:
        """Cycles per second."""
        return np.imag(self.eigenvalues) / (2 * np.pi)

    @property
    def n_growing(self) -> int:
        """Modes that do not decay."""
        return int(np.sum(np.real(self.eigenvalues) >= 0))


def linear_modes(circuit: AbstractCircuit | Teacher, *, inputs=None, state=None) -> LinearModes:
    """Modes of a circuit at a fixed point; of a `Teacher` at the origin, with the eigenvalues that it was built with.

    Args:
        circuit: any; its private noise is left out.
        inputs: one number per input channel, held; zeros if omitted.
        state: a fixed point; if omitted the origin where that is one, else the slowest that is found from there.

    Raises:
        RuntimeError: if a fixed point is searched for and 64-bit floats are off.
        ValueError: if none is found.

    Example:
        >>> import jax, recirc
        >>> recirc.enable_x64()
        >>> made = recirc.circuits.teacher("low_rank_oscillation", n_units=30, key=jax.random.key(0))
        >>> modes = recirc.compare.linear_modes(made)
        >>> modes.time_constants[:2].round(3).tolist(), modes.frequencies[:2].round(3).tolist()
        ([0.2, 0.1], [0.796, 0.0])
    """
    known = circuit.eigenvalues if isinstance(circuit, Teacher) else None
    quiet = noiseless(circuit.network if isinstance(circuit, Teacher) else circuit)
    n_units = quiet.initial_state(1).shape[0]
    inputs = np.zeros(n_units if quiet.n_inputs is None else quiet.n_inputs) if inputs is None else inputs
    inputs = np.asarray(inputs, float)
    if state is None:
        state = _fixed_point(quiet, inputs, np.zeros(n_units))
    matrix = np.asarray(jacobian(quiet, jnp.asarray(inputs), jnp.asarray(state, float)), np.float64)
    eigenvalues = np.linalg.eigvals(matrix) if known is None else (known - 1) / quiet.time_constant  # pyright: ignore
    departure = np.sum(matrix**2) - np.sum(np.abs(eigenvalues) ** 2)
    centered = np.linalg.norm(matrix - np.trace(matrix) / n_units * np.eye(n_units))
    kept = eigenvalues[np.imag(eigenvalues) >= 0].astype(complex)
    order = np.lexsort([np.imag(kept), -np.real(kept)])
    henrici = np.sqrt(max(departure, 0.0)) / centered if centered > 0 else 0.0
    return LinearModes(kept[order], float(henrici), np.asarray(state, np.float64))


def _fixed_point(circuit, inputs: np.ndarray, origin: np.ndarray) -> np.ndarray:
    if not np.any(circuit.velocity(jnp.asarray(origin)[:, None], jnp.asarray(inputs)[:, None])):
        return origin
    found = find_fixed_points(circuit, inputs, origin[None])
    if not len(found.points):
        raise ValueError("no fixed point was found from the origin; give one that `find_fixed_points` found elsewhere.")
    return found.points[0]


def n_spurious_slow(student: LinearModes, truth: LinearModes, *, factor: float = 3.0) -> int:
    r"""How many slow modes of a student its teacher does not have.

    $$\#\{k : \hat\tau_k > c\, \tau_k\}$$

    The k-th slowest mode of the student is held against the k-th slowest of the teacher, so that a slow mode which is
    there does not count; one that does not decay is slower than any that does. A student of fewer units has no more
    slow modes than its teacher by chance alone.

    Args:
        student, truth: modes of both.
        factor: c, above 1.

    Example:
        >>> teacher = recirc.circuits.teacher("line_attractor", n_units=20, key=jax.random.key(0))
        >>> modes = recirc.compare.linear_modes(teacher.network)
        >>> n_spurious_slow(modes, modes)
        0
    """
    check_within("(1, inf)", factor=factor)
    n_modes = min(len(student.eigenvalues), len(truth.eigenvalues))
    return int(np.sum(student.time_constants[:n_modes] > factor * truth.time_constants[:n_modes]))
