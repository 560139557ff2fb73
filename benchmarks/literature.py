# ruff: noqa: I001  (timing sets the number of threads, so it comes first)
"""What the literature says of full-FORCE, done again.

    python benchmarks/literature.py [oscillation] [sizes] [ready_set_go]

Errors are those of the trained network running by itself without noise: squared error over squared target.
"""

import sys
import time

from timing import load

import jax
import numpy as np

import recirc
from recirc.circuits import RateNetwork, simulate
from recirc.tasks import Oscillation, ReadySetGo
from recirc.train import Force, FullForce

N_PASSES = 100


def own_outputs(network, trials):
    """What the network does by itself, `(trial, time)`."""
    return np.asarray(simulate(network, trials, key=jax.random.key(0)).outputs)[:, :, 0]


def oscillation_error(trainer, n_units: int, seed: int) -> float:
    trials = Oscillation().trials(1, key=jax.random.key(0))
    network_key, fit_key = jax.random.split(jax.random.key(seed))
    network = RateNetwork.random(n_units=n_units, n_inputs=1, n_outputs=1, gain=1.5, input_scale=1.0, key=network_key)
    trained = recirc.fit(trainer, network, trials, key=fit_key).network
    targets = np.asarray(trials.targets)[:, :, 0]
    return float(np.sum((own_outputs(trained, trials) - targets) ** 2) / np.sum(targets**2))


def show(errors) -> str:
    return " ".join(f"{error:.2g}" for error in errors)


def bench_oscillation():
    """Error at most 1 % on at least 8 of 10 seeds, N=300."""
    errors = [oscillation_error(FullForce.paper(n_passes=N_PASSES), 300, seed) for seed in range(10)]
    print(f"full-FORCE, N=300: {np.sum(np.array(errors) <= 0.01)} of 10 within 1 %; all: {show(errors)}")


def bench_sizes():
    """Full-FORCE against FORCE at equal passes and updates; medians, then every seed."""
    full = FullForce.paper(n_passes=N_PASSES)
    others = {"FORCE": Force(n_passes=N_PASSES), "FORCE, internal": Force(n_passes=N_PASSES, learn="internal")}
    for n_units in (50, 100, 200):
        for name, trainer in {"full-FORCE": full, **others}.items():
            errors = [oscillation_error(trainer, n_units, seed) for seed in range(7)]
            print(f"N={n_units:<4} {name:<16} median {np.median(errors):.2g}; all: {show(errors)}", flush=True)


def timing_errors(outputs, trials) -> np.ndarray:
    """How far the response's peak is from where it should be, as a share of the interval, per trial."""
    targets, last = np.asarray(trials.targets)[:, :, 0], np.asarray(trials.mask).sum(axis=1).astype(int)
    first, go = (trials.epochs[f"{name} 1"] for name in ("set", "go"))
    begin = np.round(first[:, 1] / trials.dt).astype(int)
    peak = lambda signal, i: int(np.argmax(signal[i, begin[i] : last[i]]))  # noqa: E731
    late = [(peak(outputs, i) - peak(targets, i)) * trials.dt for i in range(trials.n_trials)]
    return np.abs(late) / (go[:, 0] - first[:, 0])


def bench_ready_set_go():
    """Intervals of 0.1 to 0.9 s, N=400, 150 trials in groups of 10, three passes; 60 new trials as a test.

    A trial counts as solved if the response peaks within 20 % of its interval from where it should.
    """
    for seed in range(3):
        for hint in (True, False):
            began = time.perf_counter()
            keys = jax.random.split(jax.random.key(seed), 4)
            task = ReadySetGo(longest=0.9, shortest_pause=0.2, mean_pause=0.2, dt=0.002, hint=hint)
            trials, test = task.trials(150, key=keys[0]), task.trials(60, key=keys[1])
            network = RateNetwork.random(n_units=400, n_outputs=1, input_scale=1.0, key=keys[2])
            trainer = FullForce.paper(n_passes=3, lockstep=10)
            trained = recirc.fit(trainer, network, trials, key=keys[3]).network
            outputs, targets, mask = own_outputs(trained, test), np.asarray(test.targets)[:, :, 0], test.mask
            late = timing_errors(outputs, test)
            mean = np.sum(targets * mask) / np.sum(mask)
            share = np.sum(mask * (outputs - targets) ** 2) / np.sum(mask * (targets - mean) ** 2)
            print(
                f"seed {seed}, {'hint' if hint else 'no hint':<8} solved {np.mean(late < 0.2):.2f} of new trials, "
                f"median timing error {np.median(late):.3f} of the interval, squared error {share:.3f} of the variance "
                f"({time.perf_counter() - began:.0f} s)",
                flush=True,
            )


if __name__ == "__main__":
    recirc.enable_x64()
    for part in sys.argv[1:] or ["oscillation", "sizes", "ready_set_go"]:
        print(f"\n{part}: {load()}", flush=True)
        globals()[f"bench_{part}"]()
