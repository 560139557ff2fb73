"""Fixed points of a circuit under held input, by Newton's method and by descent of the speed."""

import dataclasses
from functools import cached_property

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Complex, Float

from recirc.circuits import AbstractCircuit
from recirc.compare.between_points import between_points
from recirc.compare.newton_krylov import newton_krylov
from recirc.compare.states import noiseless
from recirc.types import require_x64

FAR = 10.0  # points further than this many spreads of the starts from their centroid are left out
SAME = 1e-3  # points closer than this many spreads are one
MANY, FEW = 256, 4  # starts that are worth a search side by side, and of the rest those of one call
SLOW = 0.1  # a slow point has at most this share of the speed of its start


@dataclasses.dataclass(frozen=True)
class FixedPoints:
    r"""What was found under one held input.

    $$\dot{\delta x} = J \delta x, \qquad \tau_k = -1 / \mathrm{Re} \lambda_k, \qquad
      f_k = |\mathrm{Im} \lambda_k| / 2\pi$$

    Args:
        inputs: the input that was held.
        points: states where nothing moves, the slowest rounding error first.
        speeds: |dx/dt| there, state per second.
        eigenvalues: lambda of the Jacobian J of the velocity at each point, per second, by falling real part; of a
            network of steps (`time_step`), of the flow that does in dt what a step does: log(1 + lambda dt) / dt.
        slow_points: states where the descent of the speed stopped without reaching a fixed point, at less
            than a tenth of the speed of its start. Where the velocity has kinks they need not be smooth minima.
        slow_speeds: |dx/dt| there.
        n_starts: starts that were given; from each two searches were made.
        n_converged: starts from which a search reached a fixed point by either method.
        n_far: ends of searches, fixed but left out because they are far from all starts.

    Example:
        >>> size = {"n_units": 5, "n_inputs": 1, "n_outputs": 1, "gain": 0.5}
        >>> network = recirc.circuits.RateNetwork.random(**size, key=jax.random.key(0))
        >>> found = recirc.compare.find_fixed_points(network, [0.0], jax.numpy.zeros((2, 5)))
        >>> len(found.points), found.n_unstable.tolist()
        (1, [0])
    """

    inputs: Float[np.ndarray, " input"]
    points: Float[np.ndarray, "point unit"]
    speeds: Float[np.ndarray, " point"]
    eigenvalues: Complex[np.ndarray, "point unit"]
    slow_points: Float[np.ndarray, "slow unit"]
    slow_speeds: Float[np.ndarray, " slow"]
    n_starts: int
    n_converged: int
    n_far: int

    @cached_property
    def n_unstable(self) -> np.ndarray:
        """Number of growing modes (Re lambda >= 0) of each point."""
        return np.sum(np.real(self.eigenvalues) >= 0, axis=1)

    @property
    def stable(self) -> Bool[np.ndarray, " point"]:
        """Whether every mode decays."""
        return self.n_unstable == 0

    @property
    def time_constants(self) -> Float[np.ndarray, "point unit"]:
        """Seconds in which a mode falls to 1/e; negative for a growing mode."""
        with np.errstate(divide="ignore"):
            return -1 / np.real(self.eigenvalues)

    @property
    def frequencies(self) -> Float[np.ndarray, "point unit"]:
        """Cycles per second of each mode."""
        return np.abs(np.imag(self.eigenvalues)) / (2 * np.pi)

    @property
    def slowest_mode_s(self) -> Float[np.ndarray, " point"]:
        """Longest time constant among the decaying modes of each point, seconds; nan if none decays."""
        decaying = np.where(np.real(self.eigenvalues) < 0, self.time_constants, -np.inf)
        longest = decaying.max(axis=1, initial=-np.inf)
        return np.where(np.isfinite(longest), longest, np.nan)


def find_fixed_points(
    circuit: AbstractCircuit, inputs, starts, *, tolerance: float = 1e-8, n_steps: int = 64
) -> FixedPoints:
    r"""Fixed points of a circuit while its input is held, searched for from many states.

    $$F(x) = \dot x(x, u) = 0, \qquad q(x) = \tfrac12 \|F(x)\|^2$$

    From every start two searches are made in the full state: Newton's method, which converges on points of
    any stability wherever they are, and Powell's dogleg descent of q (Gauss-Newton inside a trust region),
    which stays nearer to its start and also stops at slow points. Each finds points that the other misses.

    From 256 starts on both go side by side along Newton's steps, the descent with steps halved until |F| falls
    (`newton_krylov`); only starts from which one does not converge so are searched from one after the other. Then
    Newton's method goes on from halfway between neighbors among the points found, where saddles are, until there is
    nothing new, three times at most.

    Where F is piecewise linear (ReLU), a Newton step from the right region is exact, so that a search ends when it
    enters the region of its solution; it may also cycle among regions, and then does not count as converged. At a kink
    the Jacobian is that of one side, and so are stability and eigenvalues of a fixed point there.

    Points further from the centroid of the starts than 10 times their root-mean-square distance from it are
    left out and counted (unless all starts are equal); of points closer than a thousandth of it, the slowest is kept.

    Args:
        circuit: whose velocity is followed; its private noise is left out.
        inputs: u, one number per input channel, held.
        starts: x to search from, one row each; states along trials and jittered copies are a good choice.
        tolerance: largest |F| of a fixed point, as a share of the spread of the starts per typical time
            constant (root-mean-square entry of the Jacobian's singular values, inverted).
        n_steps: at most, per search.

    Returns:
        Points, their speeds, eigenvalues and stability; slow points apart.

    Raises:
        RuntimeError: if 64-bit floats are off.
        ValueError: if the starts are not finite rows of states, or the inputs not one row of finite numbers, or there
            are more or fewer of them than the circuit has.

    Source: Sussillo & Barak 2013 (doi 10.1162/NECO_a_00409) for q and slow points; Maheswaranathan et al. 2019
    (arXiv 1906.10720) for time constants of networks of steps; stability is judged from
    the Jacobian of F, whose eigenvalues tell it, and not from the Hessian of q, which is never negative.

    Example:
        >>> import jax.numpy as jnp, numpy as np, recirc
        >>> recirc.enable_x64()
        >>> one = recirc.circuits.RateNetwork(
        ...     recurrent=jnp.full((1, 1), 2.0), input_weights=jnp.ones((1, 1)), readout=jnp.ones((1, 1)),
        ...     bias=jnp.zeros(1), start=jnp.zeros(1),
        ... )
        >>> found = recirc.compare.find_fixed_points(one, [0.0], np.linspace(-3, 3, 7)[:, None])
        >>> sorted(found.points[:, 0].round(3).tolist()), int(found.stable.sum())
        ([-1.915, 0.0, 1.915], 2)
    """
    require_x64("A search for fixed points")
    inputs, starts = np.asarray(inputs, np.float64), np.asarray(starts, np.float64)
    if starts.ndim != 2 or not len(starts) or not np.isfinite(starts).all():
        raise ValueError(f"starts must be one or more rows of finite states, got shape {starts.shape}.")
    if inputs.ndim != 1 or not np.isfinite(inputs).all():
        raise ValueError(f"inputs must be one row of finite numbers, got shape {inputs.shape}.")
    n_states = jax.eval_shape(lambda: circuit.initial_state(1)).shape[0]
    if starts.shape[1] != n_states or circuit.n_inputs not in (None, len(inputs)):
        wanted = f"{n_states} states and {circuit.n_inputs} inputs"
        raise ValueError(f"the circuit has {wanted}, got starts of {starts.shape[1]} and {len(inputs)} inputs.")
    ends = search_ends(circuit, np.tile(inputs, (len(starts), 1)), starts, n_steps=n_steps)
    more = search_between(circuit, inputs, starts, ends, tolerance=tolerance) if len(starts) >= MANY else ends[0, :0]
    return gather(circuit, inputs, starts, ends, more, tolerance=tolerance)


def search_ends(circuit, inputs, starts, *, n_steps: int = 64) -> Float[np.ndarray, "method start unit"]:
    """Where both searches end, for each start and its own row of inputs."""
    circuit, ends = noiseless(circuit), np.stack([starts, starts])
    are_exact = np.zeros(ends.shape[:2], bool)
    if len(starts) >= MANY:
        unit = _spread(starts)[1]
        ends, are_exact = newton_krylov(circuit, inputs, starts, unit=unit, same=SAME * unit)
    pace = _pace(jacobian(circuit, jnp.asarray(inputs[0]), jnp.asarray(starts.mean(axis=0))))
    for method, is_exact in enumerate(are_exact):
        rest = np.flatnonzero(~is_exact)
        for some in np.split(rest, range(FEW, len(rest), FEW)) if len(rest) else ():
            rows = np.concatenate([some, np.repeat(some[:1], FEW - len(some))])  # calls are of one size
            found = _searches(circuit, jnp.asarray(inputs[rows]), jnp.asarray(starts[rows]), pace, n_steps, method == 0)
            ends[method, some] = np.asarray(found)[: len(some)]
    return ends


@eqx.filter_jit
def _searches(circuit, inputs, starts, pace, n_steps: int, is_newton: bool):
    """Ends of Newton's method, or of the descent."""
    import optimistix  # slow to load, and only a search needs it

    newton = optimistix.Newton(rtol=1e-10, atol=1e-10)
    dogleg = optimistix.Dogleg(rtol=1e-10, atol=1e-10)

    def one(start_and_inputs):
        start, held = start_and_inputs

        def residual(state, _):
            return _flow(state, (circuit, held)) / pace

        if is_newton:
            return optimistix.root_find(residual, newton, start, max_steps=n_steps, throw=False).value
        return optimistix.least_squares(residual, dogleg, start, max_steps=n_steps, throw=False).value

    # One after the other: side by side all would make as many steps as the one that needs most.
    return jax.lax.map(one, (starts, inputs))


def _flow(state, circuit_and_inputs):
    circuit, inputs = circuit_and_inputs
    return circuit.velocity(state[:, None], inputs[:, None])[:, 0]


def _pace(jacobian):
    """Root mean square of the singular values, per second."""
    return jnp.linalg.norm(jacobian) / np.sqrt(jacobian.shape[0])


@eqx.filter_jit
def _speeds(circuit, inputs, states):
    return jnp.linalg.norm(circuit.velocity(states.T, jnp.tile(inputs[:, None], states.shape[0])), axis=0)


@eqx.filter_jit
def jacobian(circuit: AbstractCircuit, inputs, state) -> Float[jax.Array, "unit unit"]:
    """Derivative of the velocity with respect to the state, per second."""
    return jax.jacfwd(_flow)(state, (circuit, inputs))


def search_between(circuit, inputs, starts, ends, *, tolerance: float = 1e-8) -> Float[np.ndarray, "end unit"]:
    """Fixed points found from between those among the ends of searches that share one input."""
    circuit, ends = noiseless(circuit), ends.reshape(-1, starts.shape[1])
    unit, judged = _spread(starts)[1], _judge(circuit, inputs, starts, tolerance)
    speeds, fixed, near = judged(ends)
    points = _distinct(ends[fixed & near], speeds[fixed & near], SAME * unit)[0]
    is_point = lambda states: np.logical_and(*judged(states)[1:])  # noqa: E731
    return between_points(circuit, np.asarray(inputs), points, is_point, unit=unit, same=SAME * unit)


def gather(circuit, inputs, starts, ends, more=None, *, tolerance: float = 1e-8) -> FixedPoints:
    """Fixed and slow points among the ends of searches that share one input, and `more` fixed points."""
    circuit, inputs = noiseless(circuit), jnp.asarray(inputs)
    unit, judged = _spread(starts)[1], _judge(circuit, inputs, starts, tolerance)
    speeds, fixed, near = map(np.stack, zip(*map(judged, ends)))
    slow = ~fixed[1] & near[1] & (speeds[1] <= SLOW * judged(starts)[0])
    good, more = fixed & near, ends[0, :0] if more is None else more
    every = np.concatenate([ends[good], more]), np.concatenate([speeds[good], judged(more)[0]])
    points, point_speeds = _distinct(*every, SAME * unit)
    slow_points, slow_speeds = _distinct(ends[1][slow], speeds[1][slow], SAME * unit)
    jacobians = [np.asarray(jacobian(circuit, inputs, jnp.asarray(point))) for point in points]
    eigenvalues = _per_second(np.array([np.linalg.eigvals(each) for each in jacobians], complex), circuit.time_step)
    order = np.argsort(-np.real(eigenvalues), axis=-1)
    return FixedPoints(
        inputs=np.asarray(inputs),
        points=points,
        speeds=point_speeds,
        eigenvalues=np.take_along_axis(eigenvalues.reshape(points.shape), order.reshape(points.shape), 1),
        slow_points=slow_points,
        slow_speeds=slow_speeds,
        n_starts=len(starts),
        n_converged=int(fixed.any(axis=0).sum()),
        n_far=int((fixed & ~near).sum()),
    )


def _judge(circuit, inputs, starts, tolerance: float):
    """A function that gives the speed at states, whether it is that of a fixed point, and whether starts are near."""
    center, (spread, unit) = starts.mean(axis=0), _spread(starts)
    allowed = tolerance * unit * float(_pace(jacobian(circuit, jnp.asarray(inputs), jnp.asarray(center))))

    def judged(states):
        speeds = np.asarray(_speeds(circuit, jnp.asarray(inputs), jnp.asarray(states)))
        speeds = np.where(np.isfinite(speeds), speeds, np.inf)
        return speeds, speeds <= allowed, np.linalg.norm(states - center, axis=1) <= (FAR * spread or np.inf)

    return judged


def _spread(starts: np.ndarray) -> tuple[float, float]:
    """Root-mean-square distance of the starts from their centroid, and the same where they are not all equal."""
    center = starts.mean(axis=0)
    spread = float(np.sqrt(np.mean(np.sum((starts - center) ** 2, axis=1))))
    return spread, spread or float(np.linalg.norm(center)) or 1.0


def _per_second(eigenvalues: np.ndarray, time_step: float | None) -> np.ndarray:
    """Rates of growth and turning; a mode that a step brings to zero decays at once."""
    if time_step is None:
        return eigenvalues
    with np.errstate(divide="ignore"):
        return np.log(1 + time_step * eigenvalues) / time_step


def _distinct(points: np.ndarray, speeds: np.ndarray, distance: float) -> tuple[np.ndarray, np.ndarray]:
    """Points, slowest first, without those that lie within `distance` of one before."""
    kept, left = [], np.argsort(speeds)
    while len(left):
        kept.append(int(left[0]))
        left = left[np.linalg.norm(points[left] - points[left[0]], axis=1) > distance]
    return points[kept], speeds[kept]
