"""Flow of a circuit's rates around a state, evaluated in all dimensions and seen in a plane."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from recirc.circuits import AbstractCircuit
from recirc.compare.states import noiseless
from recirc.types import require_x64


@dataclasses.dataclass(frozen=True)
class ProjectionPlane:
    """Two orthonormal directions through a center.

    Args:
        center: a state, or rates.
        axes: one column per direction.
        share: of the variance that the plane was made for, if it was.

    Example:
        >>> import numpy as np
        >>> ProjectionPlane(np.zeros(5), np.eye(5)[:, :2]).axes.shape
        (5, 2)
    """

    center: Float[np.ndarray, " unit"]
    axes: Float[np.ndarray, "unit 2"]
    share: float = np.nan

    def __post_init__(self):
        axes = np.asarray(self.axes, np.float64)
        shape = (np.size(self.center), 2)
        if axes.shape != shape or not np.allclose(axes.T @ axes, np.eye(2), atol=1e-6):
            raise ValueError(
                f"axes must be two orthonormal columns of shape {shape}, got shape {axes.shape}; take the Q of "
                "a QR decomposition."
            )

    def project(self, points) -> Float[np.ndarray, "... 2"]:
        """Coordinates of points, `(..., unit)`, in the plane."""
        return (np.asarray(points, np.float64) - self.center) @ self.axes


def principal_plane(samples) -> ProjectionPlane:
    """The plane of most variance of states or rates, `(..., unit)`, such as averages over conditions.

    The sign of each axis is such that its largest entry is positive.

    Raises:
        ValueError: if the samples do not span a plane.

    Example:
        >>> import numpy as np
        >>> plane = principal_plane(np.random.default_rng(0).normal(size=(50, 4)) * [9.0, 1.0, 3.0, 1.0])
        >>> np.abs(plane.axes).argmax(axis=0).tolist()
        [0, 2]
    """
    from sklearn.decomposition import PCA  # slow to load, and only this needs it

    samples = np.asarray(samples, np.float64)
    samples = samples.reshape(-1, samples.shape[-1])
    if np.linalg.matrix_rank(samples - samples.mean(axis=0)) < 2:
        raise ValueError(f"samples of shape {samples.shape} do not span a plane; give more that differ.")
    model = PCA(2, svd_solver="full").fit(samples)
    axes = np.asarray(model.components_).T
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), [0, 1]])
    return ProjectionPlane(np.asarray(model.mean_), axes, float(np.sum(model.explained_variance_ratio_)))


@dataclasses.dataclass(frozen=True)
class FlowField:
    """Arrows of rates in a plane, to be drawn.

    Args:
        x, y: where each arrow starts. The grid is regular in states, so it is not where rates are not linear.
        u, v: rates per second along both axes.
        out_of_plane: share of the squared speed of the rates that the plane does not show, in [0, 1]; 0
            where nothing moves.
        inputs: the input that was held.

    Example:
        >>> network = recirc.circuits.RateNetwork.random(n_units=5, n_inputs=1, n_outputs=1, key=jax.random.key(0))
        >>> axes = np.eye(5)[:, :2]
        >>> plane = recirc.compare.ProjectionPlane(np.zeros(5), axes)
        >>> field = recirc.compare.flow_field(network, [0.0], np.zeros(5), axes, plane, n_grid=7)
        >>> isinstance(field, FlowField), field.u.shape
        (True, (7, 7))
    """

    x: Float[np.ndarray, "grid grid"]
    y: Float[np.ndarray, "grid grid"]
    u: Float[np.ndarray, "grid grid"]
    v: Float[np.ndarray, "grid grid"]
    out_of_plane: Float[np.ndarray, "grid grid"]
    inputs: Float[np.ndarray, " input"]


def flow_field(
    circuit: AbstractCircuit,
    inputs,
    center_state,
    state_axes,
    plane: ProjectionPlane,
    *,
    extent: float = 5.0,
    n_grid: int = 15,
) -> FlowField:
    r"""Velocity of the rates on a grid of states, projected on a plane of rates.

    $$x = x_0 + a\, p_1 + b\, p_2, \qquad \dot r = f'(x)\, \dot x(x, u), \qquad
      (x, y) = (r - \bar r) Q, \qquad (u, v) = \dot r\, Q$$

    All units move as they would; only what is drawn is projected, well where `out_of_plane` is small.

    Args:
        circuit: whose flow it is; its private noise is left out.
        inputs: u, one number per input channel, held.
        center_state: x_0, such as the average over conditions at one time.
        state_axes: p_1 and p_2, two columns in the space of states; `principal_plane(states).axes`.
        plane: of rates, with center r̄ and axes Q; `principal_plane(rates)`.
        extent: largest a and b, in units of the state.
        n_grid: grid points along each direction.

    Raises:
        RuntimeError: if 64-bit floats are off.
        ValueError: if `state_axes` is not two columns, `n_grid` is under 2 or `extent` not positive.

    Source: the grid, its size and the projection are those of the analysis code behind Kao 2019
    (doi 10.1152/jn.00467.2018); the velocity is exact and not a difference over one step.

    Example:
        >>> import jax, jax.numpy as jnp, numpy as np, recirc
        >>> recirc.enable_x64()
        >>> network = recirc.circuits.RateNetwork.random(n_units=10, key=jax.random.key(0))
        >>> axes = np.eye(10)[:, :2]
        >>> field = flow_field(network, np.zeros(2), np.zeros(10), axes, ProjectionPlane(np.zeros(10), axes))
        >>> field.u.shape
        (15, 15)
    """
    require_x64("A flow field")
    center, axes = np.asarray(center_state, np.float64), np.asarray(state_axes, np.float64)
    if axes.shape != (center.size, 2):
        raise ValueError(f"state_axes must have shape {(center.size, 2)}, got {axes.shape}.")
    if n_grid < 2 or not extent > 0:
        raise ValueError(f"n_grid must be 2 or more and extent positive, got {n_grid} and {extent}.")
    offsets = np.stack(np.meshgrid(*[np.linspace(-extent, extent, n_grid)] * 2), axis=-1)
    states = jnp.asarray((center + offsets @ axes.T).reshape(-1, center.size).T)
    held = jnp.tile(jnp.asarray(inputs, jnp.float64)[:, None], states.shape[1])
    rates, velocity = (np.asarray(each).T for each in _rates(noiseless(circuit), states, held))
    places, arrows = plane.project(rates), velocity @ plane.axes
    speed, seen = np.sum(velocity**2, axis=1), np.sum(arrows**2, axis=1)
    hidden = np.clip(1 - np.divide(seen, speed, out=np.ones_like(speed), where=speed > 0), 0, 1)
    x, y, u, v, hidden = (each.reshape(n_grid, n_grid) for each in (*places.T, *arrows.T, hidden))
    return FlowField(x, y, u, v, hidden, np.asarray(inputs, np.float64))


@eqx.filter_jit
def _rates(circuit, states, inputs):
    """Rates and their rate of change."""
    return jax.jvp(circuit.rates, (states,), (circuit.velocity(states, inputs),))
