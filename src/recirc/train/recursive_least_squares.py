"""The engine of FORCE and full-FORCE: exact recursive least squares, many trials in lockstep, lazily blocked."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.scipy.linalg as jsl
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from recirc.circuits import RateNetwork
from recirc.circuits.rate_network import leak, noise_scale


class Schedule(eqx.Module):
    """When and on what the engine learns; every field is static.

    Args:
        interval, block: steps between updates; updates whose terms are applied together, which changes only speed.
        noise: sigma of the private noise while learning.
        rows: which rows learn: "all" (recurrent rows toward target currents, readout toward targets), "readout"
            (readout only), "internal" (recurrent rows through the output error, weighted like a feedback), or "rates"
            (as "all", with errors of the rates that currents make, from the network's own weights on).
    """

    interval: int = eqx.field(static=True)
    block: int = eqx.field(static=True)
    noise: float = eqx.field(static=True)
    rows: str = eqx.field(static=True)


class Learner(NamedTuple):
    """What learning changes.

    `weights` holds the recurrent rows above the readout rows; `precision` is P. With a sparse J every unit regresses on
    its own inputs: `row_inputs` lists them (padded with n_units) and `row_precision` holds one small P per unit.
    `error_weights` carry the output error to the recurrent rows where those learn from it.
    """

    weights: Float[Array, "row unit"]
    precision: Float[Array, "unit unit"]
    row_inputs: Int[Array, "unit slot"] | None
    row_precision: Float[Array, "unit slot slot"] | None
    error_weights: Float[Array, "unit output"] | None


class Drive(NamedTuple):
    """One pass's signals, time first and trial last.

    `currents` at t is what J should give from the rates after step t; `forced`, if any, replaces J's own in step t. For
    errors of rates, `wanted` are those that J's currents and the others, `added`, should make. `start` holds states,
    the network's if omitted.
    """

    inputs: Float[Array, "time input trial"]
    targets: Float[Array, "time output trial"]
    mask: Float[Array, "time trial"]
    currents: Float[Array, "time unit trial"] | None = None
    forced: Float[Array, "time unit trial"] | None = None
    added: Float[Array, "time unit trial"] | None = None
    wanted: Float[Array, "time unit trial"] | None = None
    start: Float[Array, "unit trial"] | None = None


def start_learner(network: RateNetwork, penalty: float, *, rows: str, error_weights=None) -> Learner:
    """A learner with $P = I / \\alpha$; where all rows learn toward targets of their own, all start at zero."""
    weights = jnp.concatenate([network.recurrent, network.readout])
    weights = jnp.zeros_like(weights) if rows == "all" else weights
    precision = jnp.eye(network.n_units, dtype=weights.dtype) / penalty
    if network.connections is None or rows == "readout":
        return Learner(weights, precision, None, None, error_weights)
    connected = np.asarray(network.connections)
    row_inputs = np.full((network.n_units, max(1, connected.sum(1).max())), network.n_units)
    for unit, row in enumerate(connected):
        row_inputs[unit, : row.sum()] = np.flatnonzero(row)
    eye = jnp.eye(row_inputs.shape[1], dtype=weights.dtype) / penalty
    return Learner(weights, precision, jnp.asarray(row_inputs), jnp.tile(eye, (network.n_units, 1, 1)), error_weights)


def choose_block(n_trials: int, n_units: int) -> int:
    """Updates per block: what fits in the cache gains nothing, what does not is fastest with about 32 columns."""
    return 1 if n_units < 500 else max(1, 32 // n_trials)


@eqx.filter_jit
def learn_pass(network: RateNetwork, learner: Learner, drive: Drive, schedule: Schedule, dt: float, key: PRNGKeyArray):
    r"""One pass over all trials, each from the network's initial state, on its own activity and private noise.

    All rows of $\Omega = [J; W]$ are regressed on the same rates, and so share $P = (\alpha I + \sum r r^\top)^{-1}$.
    At an update all trials' rates $R$ (unit, trial) and errors $E$ enter at once (Woodbury), and P stays symmetric:

    $$S = I + R^\top P R = L L^\top,\quad V = P R L^{-\top},\quad P \leftarrow P - V V^\top,\quad
    \Omega \leftarrow \Omega - (E L^{-\top}) V^\top .$$

    Terms of up to `block` updates are kept aside, correct every product with P or Omega, and are applied in one.

    Returns:
        The learner, and the outputs `(time, output, trial)` that the network gave while it learned.
    """
    n_steps, n_trials = drive.mask.shape
    grouped = (-(-n_steps // (schedule.interval * schedule.block)), schedule.block, schedule.interval)
    split = jax.tree.map(lambda a: _grouped(a, grouped), drive._replace(start=None))
    last = split.targets, split.mask, split.currents, split.added, split.wanted
    by_step, at_update = (split.inputs, split.forced), jax.tree.map(lambda a: a[:, :, -1], last)
    keys = jax.random.split(key, grouped[:2])
    elapsed = dt / network.time_constant
    noise_sd = schedule.noise * noise_scale(dt, network.time_constant)
    n_units = network.n_units

    def update(carry, now):
        learner, pending, activity = carry
        slot, steps, (targets, mask, currents, added, wanted), update_key = now
        noise = _noise(update_key, schedule, (n_units, n_trials), activity[0].dtype, noise_sd)

        def advance(activity, now):
            (state, current), ((inputs, forced), step_noise) = activity, now
            total = current[:n_units] if forced is None else forced
            if forced is None and network.feedback is not None:
                total = total + network.feedback @ current[n_units:]
            total = total + network.input_weights @ inputs + network.bias[:, None]
            state = leak(state, total, elapsed) + step_noise
            current = _product(learner, pending, network.nonlinearity(state))
            return (state, current), current[n_units:]

        activity, outputs = jax.lax.scan(advance, activity, (steps, noise))
        state, current = activity
        rates = network.nonlinearity(state)
        if added is not None:  # errors of rates
            currents = current[:n_units] - (network.nonlinearity(current[:n_units] + added) - wanted)
        recurrent_error, output_error = _errors(learner, schedule, current, targets, currents, mask)
        if learner.row_inputs is not None:
            learner, current = _absorb_sparse(learner, rates, mask, recurrent_error, current)
            recurrent_error = recurrent_error[:0]
        error = jnp.concatenate([recurrent_error, output_error])
        learner, pending, current = _absorb(learner, pending, slot, rates, mask, error, current)
        return (learner, pending, (state, current)), outputs

    def run_block(carry, now):
        learner, activity = carry
        pending = _no_pending(learner, schedule, n_trials)
        (learner, pending, activity), outputs = jax.lax.scan(
            update, (learner, pending, activity), (jnp.arange(schedule.block), *now)
        )
        return (learner if pending is None else _apply(learner, *pending), activity), outputs

    state = (network.initial_state(n_trials) if drive.start is None else drive.start).astype(learner.weights.dtype)
    activity = (state, learner.weights @ network.nonlinearity(state))
    (learner, _), outputs = jax.lax.scan(run_block, (learner, activity), (by_step, at_update, keys))
    return learner, outputs.reshape(int(np.prod(grouped)), *outputs.shape[3:])[:n_steps]


def _grouped(a, grouped: tuple[int, int, int]):
    padding = int(np.prod(grouped)) - a.shape[0]
    return jnp.pad(a, [(0, padding)] + [(0, 0)] * (a.ndim - 1)).reshape(*grouped, *a.shape[1:])


def _noise(key, schedule: Schedule, shape: tuple[int, int], dtype, noise_sd: float):
    if schedule.noise == 0:
        return jnp.zeros((schedule.interval, 1, 1), dtype)
    # A flat draw in single precision: three times faster than a shaped one in double, and noise needs no more.
    draw = jax.random.normal(key, (schedule.interval * shape[0] * shape[1],), jnp.float32) * np.float32(noise_sd)
    return draw.astype(dtype).reshape(schedule.interval, *shape)


def _product(learner: Learner, pending, rates):
    """Omega r, with the pending terms."""
    own = learner.weights @ rates
    return own if pending is None else _add_to_last_rows(own, -(pending[1] @ (pending[0].T @ rates)))


def _add_to_last_rows(whole, part):
    first = whole.shape[0] - part.shape[0]
    return whole + part if first == 0 else whole.at[first:].add(part)


def _errors(learner: Learner, schedule: Schedule, current, targets, currents, mask):
    """Masked errors of the recurrent rows that learn (none for "readout") and of the readout rows."""
    n_units = learner.weights.shape[1]
    output_error = (current[n_units:] - targets) * mask[None]
    if schedule.rows in ("all", "rates"):
        return (current[:n_units] - currents) * mask[None], output_error
    if schedule.rows == "internal":
        return learner.error_weights @ output_error, output_error
    return output_error[:0], output_error


def _no_pending(learner: Learner, schedule: Schedule, n_trials: int):
    """Empty buffers for one block's gains and steps; None where updates are applied at once."""
    if schedule.block == 1:
        return None
    n_rows, n_units = learner.weights.shape
    learning = n_rows if schedule.rows != "readout" and learner.row_inputs is None else n_rows - n_units
    columns, dtype = schedule.block * n_trials, learner.weights.dtype
    return jnp.zeros((n_units, columns), dtype), jnp.zeros((learning, columns), dtype)


def _absorb(learner: Learner, pending, slot, rates, mask, error, current):
    """One update; returns the learner, the pending terms, and the product of the new weights with `rates`."""
    counted = rates * mask[None]
    spread = learner.precision @ counted
    if pending is not None:
        spread = spread - pending[0] @ (pending[0].T @ counted)
    gain, step = _gain_and_step(counted, spread, error)
    current = _add_to_last_rows(current, -(step @ (gain.T @ rates)))
    if pending is None:
        return _apply(learner, gain, step), None, current
    place = (0, slot * counted.shape[1])
    gains = jax.lax.dynamic_update_slice(pending[0], gain, place)
    return learner, (gains, jax.lax.dynamic_update_slice(pending[1], step, place)), current


def _gain_and_step(counted, spread, error):
    """V and E L^-T of `learn_pass`."""
    eye = jnp.eye(counted.shape[1], dtype=counted.dtype)
    factor = jnp.linalg.cholesky(eye + counted.T @ spread, symmetrize_input=True)
    # The small inverse, not two wide solves: those would wake the linear-algebra library's threads at every update.
    inverse = jsl.solve_triangular(factor, eye, lower=True)
    return spread @ inverse.T, error @ inverse.T


def _apply(learner: Learner, gain, step) -> Learner:
    return learner._replace(
        weights=_add_to_last_rows(learner.weights, -(step @ gain.T)), precision=learner.precision - gain @ gain.T
    )


def _absorb_sparse(learner: Learner, rates, mask, error, current):
    """One update of every unit's own regression on the units that it receives from."""

    def one(row, inputs, precision, row_error):
        own = rates.at[inputs].get(mode="fill", fill_value=0.0)
        gain, step = _gain_and_step(own * mask[None], precision @ (own * mask[None]), row_error[None])
        change = -(gain @ step[0])
        return row.at[inputs].add(change, mode="drop"), precision - gain @ gain.T, change @ own

    n_units = rates.shape[0]
    rows, precision, change = jax.vmap(one)(learner.weights[:n_units], learner.row_inputs, learner.row_precision, error)
    weights = learner.weights.at[:n_units].set(rows)
    return learner._replace(weights=weights, row_precision=precision), current.at[:n_units].add(change)
