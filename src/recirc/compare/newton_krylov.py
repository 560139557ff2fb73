"""Newton's method from many states side by side, without a matrix; every distinct end is made exact once."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

KRYLOV = 10  # dimensions in which a step is sought
BLOCK = 64  # starts side by side: what they need stays in the cache of a core
N_STEPS, N_ROUNDS = 5, 4  # after every round those that have not converged close ranks
EXACT = 1e-10  # last step of an end that is exact, as a share of the spread of the starts


def newton_krylov(
    circuit,
    inputs: Float[np.ndarray, "start input"],
    starts: Float[np.ndarray, "start unit"],
    *,
    unit: float,
    same: float,
) -> tuple[Float[np.ndarray, "method start unit"], Bool[np.ndarray, "method start"]]:
    r"""Where Newton's method, and a descent of the speed along its steps, end from each start under its own input.

    $$x \leftarrow x + \delta, \qquad \delta = \arg\min_{\delta \in K_m} \|F(x) + J \delta\|, \qquad
      K_m = \mathrm{span}(F, JF, \dots, J^{m-1} F)$$

    A step costs m products with J for all starts of a block at once, in place of a matrix and its factors for each.
    The descent halves a step until |F| falls; from starts where it falls anyway the two are one. First all go in single
    precision, until a step is under `same`; of ends under `same` apart one goes on in double.

    Args:
        circuit: without noise.
        inputs, starts: one row each.
        unit, same: spread of the starts, and the distance under which ends are one, in units of the state.

    Returns:
        The ends, and whether each is exact; what is not has not converged in 20 steps.

    Source: GMRES without restarts, Saad & Schultz 1986 (doi 10.1137/0907058), its least squares solved from their
    normal equations, as a step need not be exact; Newton's method with such steps: Dembo et al. 1982 (doi
    10.1137/0719025); halved until |F| falls: Eisenstat & Walker 1994 (doi 10.1137/0804022).
    """
    found, is_near, fell = _in_rounds(circuit, inputs, starts, same, jnp.float32, False)
    found, are_near = np.stack([found, found]), np.stack([is_near, is_near & fell])
    if len(rest := np.flatnonzero(~are_near[1])):
        damped = _in_rounds(circuit, inputs[rest], starts[rest], same, jnp.float32, True)
        found[1, rest], are_near[1, rest] = damped[:2]
    ends, are_exact = found.copy(), np.zeros_like(are_near)
    if are_near.any():
        held = np.stack([inputs, inputs])[are_near]
        exact, is_done, group = _made_exact(circuit, held, found[are_near], unit, same)
        ends[are_near], are_exact[are_near] = exact[group], is_done[group]
    return ends, are_exact


def new_points(
    circuit,
    inputs: Float[np.ndarray, " input"],
    starts: Float[np.ndarray, "start unit"],
    known: Float[np.ndarray, "point unit"],
    *,
    unit: float,
    same: float,
) -> Float[np.ndarray, "end unit"]:
    """Exact ends of Newton's method alone that are not `same` as those that are known, one of each, under one input."""
    held = np.broadcast_to(inputs, (len(starts), len(inputs)))
    rough, is_near, _ = _in_rounds(circuit, held, starts, same, jnp.float32, False)
    rough = rough[is_near]
    rough = rough[np.linalg.norm(rough[:, None] - known[None], axis=2).min(axis=1, initial=np.inf) > 2 * same]
    if not len(rough):
        return rough
    exact, is_done, _ = _made_exact(circuit, held[: len(rough)], rough, unit, same)
    return exact[is_done]


def _made_exact(circuit, inputs, rough, unit: float, same: float):
    """One end of each group of those that are the same, in double, whether it is exact, and the group of every end."""
    first, group = _groups(rough, inputs, same)
    exact, is_done, _ = _in_rounds(circuit, inputs[first], rough[first], EXACT * unit, jnp.float64, False)
    return exact, is_done & (np.linalg.norm(exact - rough[first], axis=1) <= 2 * same), group


def _in_rounds(circuit, inputs, starts, tolerance: float, dtype, is_damped: bool):
    """Ends in one precision, whether the last step is under the tolerance, and whether |F| fell in every step."""
    circuit = jax.tree.map(lambda leaf: leaf.astype(dtype) if eqx.is_inexact_array(leaf) else leaf, circuit)
    n = len(starts)
    with np.errstate(over="ignore"):  # what is no number in single precision converges nowhere
        states, given = np.array(starts, dtype), np.asarray(inputs, dtype)
    before, step, least = states.copy(), np.zeros_like(states), np.full(n, np.inf, dtype)
    carried = [states, before, step, least, np.zeros(n, bool), np.ones(n, bool)]
    for _ in range(N_ROUNDS):
        if not len(left := np.flatnonzero(~carried[4])):
            break
        rows = np.concatenate([left, np.repeat(left[:1], -len(left) % BLOCK)]).reshape(-1, BLOCK)
        blocks = [np.moveaxis(each[rows], 1, -1) for each in (given, *carried)]
        made = _steps(circuit, blocks[0], blocks[1:], jnp.asarray(tolerance, dtype), jnp.asarray(is_damped))
        for each, new in zip(carried, made):
            each[left] = np.moveaxis(np.asarray(new), -1, 1).reshape(-1, *each.shape[1:])[: len(left)]
    return carried[0].astype(np.float64), carried[4], carried[5]


@eqx.filter_jit
def _steps(circuit, inputs, carried, tolerance, is_damped):
    """Some steps of every block: of its states, those before, the steps made, |F|, and what was asked of it."""

    def of_block(inputs_and_carried):
        held, carried = inputs_and_carried

        def advance(i_and_carried):
            i, (state, before, step, least, is_done, fell) = i_and_carried
            flow, derivative = jax.linearize(lambda x: circuit.velocity(x, held).astype(x.dtype), state)
            speed = jnp.linalg.norm(flow, axis=0)
            rose = ~(speed < least) & ~is_done
            back = rose & is_damped
            new = jnp.where(is_done[None, :], 0, _krylov_step(derivative, -flow))
            step = jnp.where(back[None, :], step / 2, new)
            before = jnp.where(back[None, :], before, state)
            is_done |= ~back & (jnp.linalg.norm(step, axis=0) < tolerance)
            return i + 1, (before + step, before, step, jnp.where(back, least, speed), is_done, fell & ~rose)

        goes_on = lambda i_and_carried: (i_and_carried[0] < N_STEPS) & ~i_and_carried[1][4].all()  # noqa: E731
        return jax.lax.while_loop(goes_on, advance, (0, tuple(carried)))[1]

    return jax.lax.map(of_block, (inputs, carried))


def _krylov_step(derivative, target: Float[jax.Array, "unit start"]) -> Float[jax.Array, "unit start"]:
    """What `derivative` makes nearest to `target`, within the first `KRYLOV` dimensions that they span."""
    n_dimensions, tiny = min(KRYLOV, target.shape[0]), jnp.finfo(target.dtype).tiny
    size = jnp.linalg.norm(target, axis=0, keepdims=True)
    basis, columns = [target / (size + tiny)], []
    for j in range(n_dimensions):
        made = derivative(basis[j])
        shares = [jnp.sum(each * made, axis=0, keepdims=True) for each in basis]
        made = made - sum(share * each for share, each in zip(shares, basis))
        length = jnp.linalg.norm(made, axis=0, keepdims=True)
        basis.append(made / (length + tiny))
        blank = [jnp.zeros_like(length)] * (n_dimensions - j - 1)
        columns.append(jnp.concatenate([*shares, length, *blank]))
    matrix = jnp.moveaxis(jnp.stack(columns), -1, 0)  # (start, dimension, dimension + 1)
    gram = matrix @ jnp.swapaxes(matrix, 1, 2)
    ridge = 1e-10 * jnp.trace(gram, axis1=1, axis2=2)[:, None, None] + tiny  # no less where nothing moves
    ridge = ridge * jnp.eye(n_dimensions, dtype=target.dtype)[None]
    weights = jnp.linalg.solve(gram + ridge, size.T[:, :, None] * matrix[:, :, :1])  # (start, dimension, 1)
    return sum((weights[None, :, j, 0] * basis[j] for j in range(n_dimensions)), jnp.zeros_like(target))


def _groups(ends, inputs, same: float) -> tuple[Int[np.ndarray, " group"], Int[np.ndarray, " start"]]:
    """The first end of each group of ends under one input that are `same`, and the group of every end."""
    group, first = np.full(len(ends), -1), []
    while len(left := np.flatnonzero(group < 0)):
        is_same = np.linalg.norm(ends[left] - ends[left[0]], axis=1) <= same
        group[left[is_same & (inputs[left] == inputs[left[0]]).all(axis=1)]] = len(first)
        first.append(left[0])
    return np.array(first), group
