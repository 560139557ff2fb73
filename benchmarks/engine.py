# ruff: noqa: I001  (timing sets the number of threads, so it comes first)
"""Time of training: against one second, against the textbook, against the bare matrix products, and by block size.

    python benchmarks/engine.py [train] [textbook] [floor] [blocks]

Eight reach directions in lockstep, 550 steps of 1 ms, 20 passes, an update every 10 ms, one thread.
"""

import dataclasses
import functools
import sys

from timing import interleaved, load, row

import jax
import jax.numpy as jnp
import numpy as np

import recirc
from recirc.circuits import RateNetwork, simulate
from recirc.train.embedder import embed
from recirc.train.full_force import drive_from
from recirc.train.recursive_least_squares import Schedule, choose_block, learn_pass, start_learner

N_PASSES = 20
KEYS = jax.random.split(jax.random.key(0), 4)
REGIME = {"gain": 1.5, "drive": 1.0, "hint_drive": 1.0}


def reach(n_units, n_trials=8):
    """A network, its trials, and a pass's signals in the published regime."""
    trials = recirc.tasks.CenterOutReach().trials(n_trials, key=KEYS[0])
    network = RateNetwork.random(n_units=n_units, input_scale=1.0, key=KEYS[1])
    embedding = embed(network, trials, key=KEYS[2], **REGIME)
    return network, trials, embedding, drive_from(trials, embedding.currents[1:])


def first_steps(drive, n_steps):
    return jax.tree.map(lambda a: a[:n_steps], drive)


def own_error(network, trials, recurrent, readout, noise) -> float:
    """Output nMSE of the trained network running by itself."""
    changes = {"recurrent": jnp.asarray(recurrent), "readout": jnp.asarray(readout), "noise": noise}
    trained = dataclasses.replace(network, **changes)
    outputs = simulate(trained, trials, key=KEYS[3]).outputs
    return float(jnp.sum((outputs - trials.targets) ** 2) / jnp.sum(trials.targets**2))


def passes(network, drive, *, noise=0.0, interval=10, block=None, n_passes=N_PASSES):
    """The engine alone; returns the learner."""
    block = choose_block(drive.mask.shape[1], network.n_units) if block is None else block
    schedule = Schedule(interval=interval, block=block, noise=noise, rows="all")
    learner = start_learner(network, 1.0, rows="all")
    for index in range(n_passes):
        learner, _ = learn_pass(network, learner, drive, schedule, 0.001, jax.random.key(index))
    return jax.block_until_ready(learner)


def bench_train():
    """`recirc.fit` from start to end, everything compiled."""
    network, trials, _, _ = reach(300)
    arms = {
        f"fit, N=300, private noise {noise}": lambda noise=noise: recirc.fit(
            recirc.train.FullForce(noise=noise, n_passes=N_PASSES), network, trials, key=KEYS[3]
        )
        for noise in (0.0, 0.1)
    }
    for name, taken in interleaved(arms, 5).items():
        print(row(name, taken, "target 1000"))


def textbook(network, trials, embedding, *, probability, n_passes=N_PASSES, seed=0):
    """Full-FORCE as the literature writes it: plain NumPy, one trial after the other, rank one at a time.

    It is given the target currents, which published code computes anew in every trial.
    """
    random = np.random.default_rng(seed)
    n_units, decay = network.n_units, np.exp(-trials.dt / network.time_constant)
    input_weights, start = np.asarray(network.input_weights), np.asarray(network.start)
    inputs, targets = np.asarray(trials.inputs), np.asarray(trials.targets)
    currents = np.ascontiguousarray(np.transpose(embedding.currents[1:], (2, 0, 1)))
    recurrent, readout = np.zeros((n_units, n_units)), np.zeros((targets.shape[2], n_units))
    precision = np.eye(n_units)
    for _ in range(n_passes):
        for trial in range(trials.n_trials):
            state = start
            rates = np.tanh(state)
            for step in range(trials.n_steps):
                total = recurrent @ rates + input_weights @ inputs[trial, step]
                state = total + (state - total) * decay
                rates = np.tanh(state)
                if random.random() < probability:
                    spread = precision @ rates
                    gain = spread / (1 + rates @ spread)
                    precision -= np.outer(spread, gain)
                    recurrent -= np.outer(recurrent @ rates - currents[trial, step], gain)
                    readout -= np.outer(readout @ rates - targets[trial, step], gain)
    return np.concatenate([recurrent, readout])


def bench_textbook():
    """The same passes over the same trials; errors of the trained networks running by themselves, quiet and noisy."""
    network, trials, embedding, drive = reach(300)
    made = {}
    learn = {
        "engine, every 10 ms": lambda: passes(network, drive).weights,
        "engine, every 10 ms, private noise 0.1": lambda: passes(network, drive, noise=0.1).weights,
        "engine, every 2 ms": lambda: passes(network, drive, interval=2).weights,
        "textbook, every 10 ms": lambda: textbook(network, trials, embedding, probability=0.1),
        "textbook, every 2 ms": lambda: textbook(network, trials, embedding, probability=0.5),
    }
    arms = {name: lambda name=name: made.__setitem__(name, learn[name]()) for name in learn}
    taken = interleaved(arms, 2)
    slow = taken["textbook, every 2 ms"].min(axis=0)
    for name, times in taken.items():
        recurrent, readout = made[name][:300], made[name][300:]
        quiet, noisy = (own_error(network, trials, recurrent, readout, noise) for noise in (0.0, 0.1))
        ratio = slow / times.min(axis=0)
        note = f"/ {ratio[0]:.1f} cpu, / {ratio[1]:.1f} wall; output nMSE {quiet:.2g}, with noise 0.1 {noisy:.2g}"
        print(row(name, times, note), flush=True)


def floor(n_units, n_trials, n_steps, interval, block):
    """One pass of the matrix products that it cannot do without: J r, P R, and the rank-C terms, `block` at a time."""
    random = np.random.default_rng(0)
    n_rows, columns = n_units + 2, n_trials * block
    sizes = ((n_rows, n_units), (n_units, n_units), (n_units, n_trials), (n_rows, columns))
    arrays = [jnp.asarray(random.normal(size=size)) for size in sizes]

    @jax.jit
    def run(weights, precision, rates, errors):
        def run_block(carry, _):
            weights, precision, rates = carry

            def to_update(rates, _):
                rates = jax.lax.scan(lambda r, _: ((weights @ r)[:n_units] * 1e-3, None), rates, length=interval)[0]
                return rates, precision @ rates

            rates, gains = jax.lax.scan(to_update, rates, length=block)
            gain = jnp.transpose(gains, (1, 0, 2)).reshape(n_units, columns)
            return (weights - errors @ gain.T * 1e-9, precision - gain @ gain.T * 1e-9, rates), None

        return jax.lax.scan(run_block, (weights, precision, rates), length=n_steps // interval // block)[0]

    return lambda: jax.block_until_ready(run(*arrays))


def bench_floor():
    """Ratio of a pass to its bare products, the faster of applying rank-C terms at once or in blocks."""
    for n_units, n_steps, limit in ((300, 560, 2.0), (1000, 320, 1.5)):
        network, _, _, drive = reach(n_units)
        drive = first_steps(drive, n_steps)
        n_steps = drive.mask.shape[0]
        arms = {
            f"bare products, N={n_units}, block {block}": floor(n_units, 8, n_steps, 10, block)
            for block in (1, choose_block(8, n_units))
        }
        for noise in (0.0, 0.1):
            arms[f"engine, N={n_units}, private noise {noise}"] = functools.partial(
                passes, network, drive, noise=noise, n_passes=1
            )
        taken = interleaved(arms, 12)
        least = np.min([times.min(axis=0) for name, times in taken.items() if "bare" in name], axis=0)
        for name, times in taken.items():
            ratio = times.min(axis=0) / least
            print(row(name, times, f"x {ratio[0]:.2f} cpu, x {ratio[1]:.2f} wall (limit {limit})"))


def bench_blocks():
    """One pass by block size."""
    for n_units, n_trials, interval, n_steps in (
        (300, 8, 10, 550),
        (300, 8, 2, 200),
        (300, 1, 2, 550),
        (300, 32, 10, 200),
        (1000, 8, 10, 160),
        (1000, 8, 1, 48),
        (1000, 1, 2, 128),
        (1000, 32, 10, 80),
    ):
        network, _, _, drive = reach(n_units, n_trials)
        drive = first_steps(drive, n_steps)
        arms = {
            f"N={n_units}, C={n_trials}, every {interval}, block {block}": functools.partial(
                passes, network, drive, interval=interval, block=block, n_passes=1
            )
            for block in (1, 2, 4, 8, 16, 32)
            if block * n_trials <= 64
        }
        taken = interleaved(arms, 6)
        best = min(times[:, 0].min() for times in taken.values())
        for name, times in taken.items():
            print(row(name, times, f"x {times[:, 0].min() / best:.2f}"), flush=True)


if __name__ == "__main__":
    recirc.enable_x64()
    chosen = sys.argv[1:] or ["train", "floor", "blocks", "textbook"]
    for part in chosen:
        print(f"\n{part}: {load()}", flush=True)
        globals()[f"bench_{part}"]()
