# ruff: noqa: I001  (timing sets the number of threads, so it comes first)
"""Many networks at once (`vmap` over seeds) against one after the other.

    python benchmarks/gpu.py [n_units] [n_networks ...]

Runs on whatever device JAX finds. On one core it says what a device has to beat.
"""

import functools
import sys

from timing import interleaved, load, row

import equinox as eqx
import jax

import recirc
from recirc.circuits import RateNetwork
from recirc.train.recursive_least_squares import Drive, Schedule, choose_block, learn_pass, start_learner

N_STEPS, N_TRIALS, INTERVAL = 100, 8, 10


def one_pass(key, drive: Drive, n_units: int):
    """One pass of a network drawn from `key`, towards currents drawn from it; returns the readout."""
    network_key, current_key, noise_key = jax.random.split(key, 3)
    network = RateNetwork.random(n_units=n_units, key=network_key)
    currents = jax.random.normal(current_key, (N_STEPS, n_units, N_TRIALS)) / 10
    schedule = Schedule(interval=INTERVAL, block=choose_block(N_TRIALS, n_units), noise=0.1, rows="all")
    learner = start_learner(network, 1.0, rows="all")
    learner, _ = learn_pass(network, learner, drive._replace(currents=currents), schedule, 0.001, noise_key)
    return learner.weights[n_units:]


def _wait(run, keys):
    return jax.block_until_ready(run(keys))


if __name__ == "__main__":
    recirc.enable_x64()
    n_units = int(sys.argv[1]) if sys.argv[1:] else 300
    numbers = [int(text) for text in sys.argv[2:]] or [1, 4, 64, 256]
    trials = recirc.tasks.CenterOutReach().trials(N_TRIALS, key=jax.random.key(0))
    inputs, targets = ((a[:, :N_STEPS]).transpose(1, 2, 0) for a in (trials.inputs, trials.targets))
    drive = Drive(inputs, targets, trials.mask[:, :N_STEPS].T)
    single = eqx.filter_jit(functools.partial(one_pass, drive=drive, n_units=n_units))
    many = eqx.filter_jit(eqx.filter_vmap(functools.partial(one_pass, drive=drive, n_units=n_units)))
    print(f"{jax.devices()[0].device_kind}; {load()}")
    for number in numbers:
        run, keys = (many, jax.random.split(jax.random.key(1), number)) if number > 1 else (single, jax.random.key(1))
        name = f"{number} networks of {n_units} units"
        # One size at a time: freeing the buffers of a large arm would be charged to the next.
        times = interleaved({name: functools.partial(_wait, run, keys)}, 3)[name]
        each = times.min(axis=0) / number * 1e3
        print(row(name, times, f"each network {each[0]:.1f} ms cpu, {each[1]:.1f} ms wall"), flush=True)
