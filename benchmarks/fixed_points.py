"""1,024 starts of 200 units: this package's search beside joint Adam, as the well-known finder for PyTorch does it.

    python benchmarks/fixed_points.py [rnn gru]

The networks (`torch.nn.RNN`, `nn.GRU` by their equations) are trained here on the finder's own example, three bits that
are flipped by pulses and held; starts are states along trials with noise of .5, as in the example. Both search in the
same run and process, after compilation, which is told apart. The points there are: all ends of all methods with q =
|F(x) - x|^2 / 2 under 1e-12, those within .01 of each other once; recall is the share of them that a method found.

The other method is written afresh from its description (Golub & Sussillo 2018, doi 10.21105/joss.01003, and the code of
`FixedPointFinderTorch`): one Adam over all starts on the mean of q, in single precision, at a learning rate of 1 that
falls by .95 when the mean has not improved for 3 steps, until every start has q < 1e-12 or changes by less than 1e-20
times the rate, at most 5,000 steps. A rate of .05, that of its earlier version, is shown too.
"""

import functools
import sys
import time

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

import recirc
from recirc.circuits import from_arrays
from recirc.circuits.base import trajectory
from recirc.compare.fixed_points import gather, search_between, search_ends

N_UNITS, N_STARTS, NOISE, TOLERANCE, CLOSE = 200, 1024, 0.5, 1e-12, 1e-2
GATES = {"rnn": 1, "gru": 3}


def flip_flop(key, n_trials=64, n_steps=80):
    """Pulses of three channels, and the sign of the last one in each, `(time, channel, trial)`."""
    when, sign = jax.random.split(key)
    sign = jnp.where(jax.random.bernoulli(sign, 0.5, (n_steps, 3, n_trials)), 1.0, -1.0)
    pulses = jnp.where(jax.random.bernoulli(when, 0.1, sign.shape), sign, 0.0).at[0].set(sign[0])
    hold = lambda held, pulse: 2 * (jnp.where(pulse != 0, pulse, held),)  # noqa: E731
    return pulses, jax.lax.scan(hold, jnp.zeros((3, n_trials)), pulses)[1]


def trained(kind, n_updates=800):
    """A network that holds three bits."""
    random, rows = np.random.default_rng(0), GATES[kind] * N_UNITS
    network = from_arrays(
        weight_hh=random.normal(size=(rows, N_UNITS)) * 0.9 / np.sqrt(N_UNITS), bias_hh=np.zeros(rows),
        weight_ih=random.normal(size=(rows, 3)) / 2, W_out=random.normal(size=(3, N_UNITS)) / np.sqrt(N_UNITS), dt=0.01,
    )  # fmt: skip
    parts = lambda n: (n.update.recurrent, n.update.input_weights, n.update.bias, n.output.weights)  # noqa: E731
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(1e-3))

    def loss(weights, key):
        own, (pulses, bits) = eqx.tree_at(parts, network, weights), flip_flop(key)
        made = trajectory(own, pulses, own.dt, key=key, seen=lambda state: own.outputs(own.rates(state)))
        return jnp.mean((made - bits) ** 2)

    @jax.jit
    def update(weights, state, key):
        value, gradient = jax.value_and_grad(loss)(weights, key)
        step, state = optimizer.update(gradient, state)
        return optax.apply_updates(weights, step), state, value

    weights, value = parts(network), np.inf
    state = optimizer.init(weights)
    for key in jax.random.split(jax.random.key(0), n_updates):
        weights, state, value = update(weights, state, key)
    network = eqx.tree_at(parts, network, weights)
    states = trajectory(network, flip_flop(jax.random.key(9))[0], network.dt, key=jax.random.key(0))
    return network, np.asarray(states, np.float64), float(value)


def joint_adam(network, starts, rate, max_steps=5000):
    """Ends of the other method, q there, its steps and its seconds."""
    network = jax.tree.map(lambda leaf: leaf.astype(np.float32) if eqx.is_inexact_array(leaf) else leaf, network)
    held, x = jnp.zeros((3, len(starts)), np.float32), jnp.asarray(starts.T, np.float32)

    def mean_q(x):
        q = 0.5 * jnp.sum((network.step(x, held, None, network.dt) - x) ** 2, axis=0)
        return jnp.mean(q), q

    adam = optax.scale_by_adam()

    def step(carry):
        i, x, state, rate, best, n_bad, before, _ = carry
        (mean, q), gradient = jax.value_and_grad(mean_q, has_aux=True)(x)
        direction, state = adam.update(gradient, state)
        x = x - rate * direction
        is_better = mean < best * (1 - 1e-4)
        n_bad = jnp.where(is_better, 0, n_bad + 1)
        falls = n_bad > 2
        rate = jnp.where(falls, 0.95 * rate, rate)
        is_done = (i > 0) & jnp.all((jnp.abs(q - before) < 1e-20 * rate) | (q < TOLERANCE))
        return i + 1, x, state, rate, jnp.where(is_better, mean, best), jnp.where(falls, 0, n_bad), q, is_done

    @jax.jit
    def search(x):
        infinite = jnp.asarray(np.inf, np.float32)
        begin = 0, x, adam.init(x), jnp.asarray(rate, np.float32), infinite, 0, jnp.full(x.shape[1], infinite), False
        n, end, *_ = jax.lax.while_loop(lambda carry: (carry[0] < max_steps) & ~carry[-1], step, begin)
        return end, mean_q(end)[1], n

    compiled = search.lower(x).compile()
    (end, q, n), seconds = timed(functools.partial(compiled, x))
    return np.asarray(end.T, np.float64), np.asarray(q), int(n), seconds


def timed(function):
    """What it gives, and the least seconds of processor time of two runs."""
    took = []
    for _ in range(2):
        began = time.process_time()
        made = jax.block_until_ready(function())
        took.append(time.process_time() - began)
    return made, min(took)


def distinct(points):
    """Points more than `CLOSE` apart, in their order."""
    kept = []
    for point in points:
        if not kept or np.linalg.norm(np.stack(kept) - point, axis=1).min() > CLOSE:
            kept.append(point)
    return np.array(kept).reshape(-1, N_UNITS)


def compared(kind):
    """Every method on one network."""
    with jax.enable_x64(False):
        network, states, error = trained(kind)
    random = np.random.default_rng(0)
    time_of, trial = random.integers(10, len(states), N_STARTS), random.integers(states.shape[2], size=N_STARTS)
    starts = states[time_of, :, trial] + NOISE * random.normal(size=(N_STARTS, N_UNITS))
    held = np.zeros((N_STARTS, 3))

    def search():
        ends = search_ends(network, held, starts)
        return ends, search_between(network, held[0], starts, ends)

    began = time.process_time()
    search()
    first = time.process_time() - began
    (ends, more), seconds = timed(search)
    found = gather(network, held[0], starts, ends, more)
    rows = [("this package", found.points, found.n_converged, seconds, "")]
    for rate in (1.0, 0.05):
        end, q, n, took = joint_adam(network, starts, rate)
        good = np.argsort(q)[: (q < TOLERANCE).sum()]
        rows.append((f"joint Adam, rate {rate:g}", distinct(end[good]), len(good), took, n))
    everything = distinct(np.concatenate([points for _, points, *_ in rows]))
    print(f"{kind}: error {error:.4f} after training; {len(everything)} points; compiling {first - seconds:.1f} s")
    for name, points, n_converged, took, n in rows:
        apart = np.linalg.norm(everything[:, None] - points[None], axis=2).min(axis=1, initial=np.inf)
        line = f"{len(points)} | {np.mean(apart < 2 * CLOSE):.2f} | {n_converged}"
        print(f"{kind} | {name} | {took:.3g} | {took / seconds:.1f} | {n} | {line}", flush=True)


if __name__ == "__main__":
    recirc.enable_x64()
    print("network | method | seconds | ratio | steps | points | recall | starts that converge")
    for name in sys.argv[1:] or GATES:
        compared(name)
