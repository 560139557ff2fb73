"""Construction of the reference circuit: strong excitation kept stable by optimized inhibition."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg
from jaxtyping import Float, PRNGKeyArray

from recirc.circuits.cache import cached_arrays
from recirc.circuits.motor_cortex import StabilityOptimized
from recirc.ranges import check_within

_VERSION = "1"
_BLOCK = 48  # rows below which LAPACK solves a Lyapunov equation by itself


def stability_optimized(
    *,
    key: PRNGKeyArray,
    n_units: int = 200,
    density: float = 0.1,
    ie_ratio: float = 3.0,
    radius: float = 10.0,
    inhibitory_density: float = 0.4,
    abscissa: float = 0.15,
    rate: float = 10.0,
    momentum: float = 0.95,
    max_iterations: int = 2000,
    cache: bool = True,
    progress: Callable[[int, float], None] | None = None,
) -> StabilityOptimized:
    r"""A stability-optimized circuit, the model of motor cortex during reaching.

    The first half of the units excites, the second half inhibits. Only inhibitory weights move, down the gradient G of
    the smoothed spectral abscissa of W, until $\alpha(W) = \max \mathrm{Re}\,\lambda(W)$ is within its bound:

    $$A = W - sI, \quad A^\top Q + QA = -2I, \quad AP + PA^\top = -2I, \quad G = QP / \mathrm{tr}(QP)$$
    $$V \leftarrow \mu V + G, \qquad W \leftarrow W - \eta \frac{N}{200} (\mu V + G)$$

    with $s = \max(1.5\alpha, \alpha + 0.2)$. After each step inhibitory weights stay negative, their
    strongest share survives, and their mean onto each class of units is $-\gamma$ times that of excitation.

    Args:
        key: random key of the initial connections.
        n_units: N, even; half excite, half inhibit.
        density, radius: p, share of connections of the initial circuit, in (0, 1), and R, its spectral radius.
        ie_ratio: gamma, mean inhibitory over mean excitatory weight.
        inhibitory_density: share of inhibitory connections that survive, in (0, 1].
        abscissa: bound at which the descent stops, in (0, 1); below 1 the circuit is stable.
        rate, momentum: eta, and mu in [0, 1); the published descent has 0 and takes over ten times as many iterations.
        max_iterations: after which the descent gives up.
        cache: keep the weights on disk and read them from there next time (`recirc.circuits.cache`).
        progress: called with (iteration, spectral abscissa) at every iteration.

    Returns:
        The circuit, with gains of 1 and no readout.

    Raises:
        ValueError: if `n_units` is odd or under 10, or an argument is out of the range above.
        RuntimeError: if the bound is not reached in `max_iterations`; says what was reached.

    Source: Hennequin et al. 2014 (doi 10.1016/j.neuron.2014.04.045) and the code of Stroud et al. 2018 (doi
    10.1038/s41593-018-0276-0). Departures: Nesterov's momentum; the rate grows with N; the density of inhibition is
    counted off the diagonal; the means are restored last, so that their ratio is exact.

    Example:
        >>> import jax, recirc
        >>> cortex = recirc.circuits.stability_optimized(n_units=60, key=jax.random.key(0), cache=False)
        >>> cortex.recurrent.shape
        (60, 60)
    """
    if n_units < 10 or n_units % 2:
        raise ValueError(f"n_units must be even and at least 10, got {n_units}.")
    check_within("(0, 1)", density=density, abscissa=abscissa)
    check_within("(0, 1]", inhibitory_density=inhibitory_density)
    check_within("(0, inf)", ie_ratio=ie_ratio, radius=radius, rate=rate)
    check_within("[0, 1)", momentum=momentum)
    check_within("[1, inf]", max_iterations=max_iterations)
    numbers = {"density": density, "ie_ratio": ie_ratio, "radius": radius, "inhibitory_density": inhibitory_density}
    numbers |= {"abscissa": abscissa, "rate": rate, "momentum": momentum}
    parameters = {"n_units": n_units} | {name: float(value) for name, value in numbers.items()}
    seed = np.asarray(jax.random.key_data(key)).tolist()

    def compute() -> dict[str, np.ndarray]:
        weights = initial_weights(n_units, density, ie_ratio, radius, np.random.default_rng(seed))
        project = functools.partial(project_inhibition, ie_ratio=ie_ratio, inhibitory_density=inhibitory_density)
        return {"weights": _descend(weights, project, abscissa, rate, momentum, max_iterations, progress)}

    specification = {"version": _VERSION, "key": seed, **parameters}
    arrays = cached_arrays("stability_optimized", specification, compute) if cache else compute()
    return StabilityOptimized(jnp.asarray(arrays["weights"]), n_excitatory=n_units // 2)


def initial_weights(
    n_units: int, density: float, ie_ratio: float, radius: float, generator: np.random.Generator
) -> Float[np.ndarray, "unit unit"]:
    r"""Random weights with the first half of the columns excitatory and the second inhibitory.

    A share `density` of the off-diagonal weights is nonzero, $w_0/\sqrt N$ or $-\gamma w_0/\sqrt N$ with
    $w_0 = R\sqrt{2 / (p (1 - p) (1 + \gamma^2))}$, which puts the eigenvalues in a disk of radius R.
    """
    off_diagonal = np.flatnonzero(~np.eye(n_units, dtype=bool))
    chosen = generator.choice(off_diagonal, round(density * off_diagonal.size), replace=False)
    strength = radius * np.sqrt(2 / (density * (1 - density) * (1 + ie_ratio**2) * n_units))
    columns = np.where(np.arange(n_units) < n_units // 2, strength, -ie_ratio * strength)
    weights = np.zeros(n_units**2)
    weights[chosen] = columns[chosen % n_units]
    return weights.reshape(n_units, n_units)


def smoothed_abscissa_gradient(weights: Float[np.ndarray, "unit unit"]) -> tuple[float, np.ndarray]:
    """Spectral abscissa of W, and the gradient QP / tr(QP) of its smoothed version.

    One real Schur form serves both Lyapunov equations, and the abscissa is on its diagonal.
    """
    schur, basis = scipy.linalg.schur(weights, check_finite=False)[:2]
    abscissa = float(np.diag(schur).max())
    identity = np.eye(len(weights))
    shifted = schur - max(1.5 * abscissa, abscissa + 0.2) * identity
    observability = schur_lyapunov(shifted.T[::-1, ::-1], -2 * identity)[::-1, ::-1]
    product = observability @ schur_lyapunov(shifted, -2 * identity)  # with the controllability
    return abscissa, basis @ (product / np.trace(product)) @ basis.T


def project_inhibition(
    weights: Float[np.ndarray, "unit unit"], ie_ratio: float, inhibitory_density: float
) -> Float[np.ndarray, "unit unit"]:
    """Weights with inhibition made negative, thinned to its strongest share, and balanced with excitation."""
    n_units = len(weights)
    half = n_units // 2
    excitation, inhibition = weights[:, :half], np.minimum(weights[:, half:], 0.0)
    inhibition[np.arange(half, n_units), np.arange(half)] = 0.0
    dropped = inhibition.size - round(inhibitory_density * half * (n_units - 1))
    order = np.argpartition(-inhibition, dropped - 1, axis=None)
    inhibition.flat[order[:dropped]] = 0.0
    for rows in (slice(None, half), slice(half, None)):
        if (total := inhibition[rows].sum()) < 0:
            inhibition[rows] *= -ie_ratio * excitation[rows].sum() / total
    return np.concatenate([excitation, inhibition], axis=1)


def _descend(weights, project, bound, rate, momentum, max_iterations, progress):
    iteration, abscissa, n_units = 0, np.inf, len(weights)
    inhibitory = slice(n_units // 2, None)
    velocity = np.zeros_like(weights[:, inhibitory])
    for iteration in range(max_iterations):
        abscissa, gradient = smoothed_abscissa_gradient(weights)
        if progress is not None:
            progress(iteration, abscissa)
        if abscissa <= bound:
            return weights
        velocity = momentum * velocity + gradient[:, inhibitory]
        moved = weights.copy()
        moved[:, inhibitory] -= rate * n_units / 200 * (momentum * velocity + gradient[:, inhibitory])
        weights = project(moved)
    found = f"the spectral abscissa was {abscissa:.4g} at iteration {iteration}, above its bound {bound:g}"
    raise RuntimeError(f"{found}; raise max_iterations, lower rate or radius, or try another key.")


def schur_lyapunov(
    schur: Float[np.ndarray, "unit unit"], constant: Float[np.ndarray, "unit unit"]
) -> Float[np.ndarray, "unit unit"]:
    r"""Symmetric X with $T X + X T^\top = C$, by halving.

    LAPACK's own solver works entry by entry; halving leaves it small blocks: 400 units take 11 ms in place of 64.

    Args:
        schur: T, upper quasi-triangular; no two of its eigenvalues add up to zero.
        constant: C, symmetric.

    For $T^\top X + X T = C$, reverse both axes of $T^\top$ and C, and of the result.

    Example:
        >>> import numpy as np
        >>> schur_lyapunov(-np.eye(2), -2 * np.eye(2))
        array([[1., 0.],
               [0., 1.]])
    """
    if len(schur) <= _BLOCK:
        return _lapack(schur, schur, constant)
    k = _middle(schur)
    top, cross, low = schur[:k, :k], schur[:k, k:], schur[k:, k:]
    last = schur_lyapunov(low, constant[k:, k:])
    side = _sylvester(top, low, constant[:k, k:] - cross @ last)
    coupling = cross @ side.T
    return np.block([[schur_lyapunov(top, constant[:k, :k] - coupling - coupling.T), side], [side.T, last]])


def _sylvester(left: np.ndarray, right: np.ndarray, constant: np.ndarray) -> np.ndarray:
    """X with L X + X R' = C, both in Schur form."""
    if max(constant.shape) <= _BLOCK:
        return _lapack(left, right, constant)
    if len(left) < len(right):
        return _sylvester(right, left, constant.T).T
    k = _middle(left)
    low = _sylvester(left[k:, k:], right, constant[k:])
    return np.concatenate([_sylvester(left[:k, :k], right, constant[:k] - left[:k, k:] @ low), low])


def _lapack(left: np.ndarray, right: np.ndarray, constant: np.ndarray) -> np.ndarray:
    (trsyl,) = scipy.linalg.get_lapack_funcs(("trsyl",), (left, right, constant))
    solution, scale, _ = trsyl(left, right, constant, tranb="T")
    return solution / scale


def _middle(schur: np.ndarray) -> int:
    """Half of the rows, one more if that would split a pair of complex eigenvalues."""
    half = len(schur) // 2
    return half + int(schur[half, half - 1] != 0)
