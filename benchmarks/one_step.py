"""What one-step fits cost, beside their bare products: `python benchmarks/one_step.py [--units 1000] [--bits 32]`.

The bare fit is the Gram product of the regressors and its Cholesky factorization, in the same process and precision; a
second number adds the product of regressors with what they predict, which no one-step fit can do without.
`--curbd` times a pass of `Curbd` beside one of `FullForce` instead, both on 300 units.
"""

import argparse
import resource
import time

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg

import recirc


def timed(call) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def one_step(n_units: int, n_steps: int, bits: int, n_passes: int, free_run: int) -> None:
    dtype = np.float32 if bits == 32 else np.float64
    rates = np.random.default_rng(0).standard_normal((n_steps, n_units), dtype=dtype)
    np.tanh(0.3 * rates, out=rates)
    gram = np.zeros((n_units, n_units), dtype)
    product = timed(lambda: gram.__iadd__(rates.T @ rates))
    factor = timed(lambda: scipy.linalg.cholesky(gram + np.eye(n_units, dtype=dtype), lower=True, check_finite=False))
    cross = timed(lambda: rates[1:].T @ rates[:-1])
    weights = jnp.zeros((n_units, n_units), dtype)
    network = recirc.circuits.RateNetwork(
        recurrent=weights, input_weights=weights[:, :0], readout=weights[:0], bias=weights[0], start=weights[0],
        time_constant=0.1,
    )  # fmt: skip
    trials = recirc.Trials(rates[None, :, :0], rates[None, :, :0], dt=0.001, conditions=["0"], hints=rates[None])
    trainer = recirc.train.Cornn(n_passes=n_passes, bits=bits, free_run=free_run)
    took = timed(lambda: recirc.fit(trainer, network, trials, key=jax.random.key(0)))
    bare, peak = product + factor, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"{n_units} units, {n_steps} steps, {bits} bits, {n_passes} passes: {took:.2f} s; Gram product {product:.2f}, "
        f"factorization {factor:.2f}, product with targets {cross:.2f}; {took / bare:.1f} times the bare Gram and "
        f"factorization, {took / (bare + cross):.1f} with the product; {peak:.1f} GiB"
    )


def curbd() -> None:
    task = recirc.tasks.CenterOutReach()
    trials = task.trials(8, key=jax.random.key(0))
    network = recirc.circuits.RateNetwork.random(n_units=300, key=jax.random.key(1))
    hints = 0.9 * recirc.simulate(network, trials, key=jax.random.key(2)).rates
    dt = trials.dt
    for trainer, given in (
        (recirc.train.FullForce(n_passes=20, update_interval=dt), trials),
        (recirc.train.Curbd(n_passes=20, update_interval=dt), trials.replace(hints=hints)),
    ):
        recirc.fit(trainer.__class__(n_passes=1, update_interval=dt), network, given, key=jax.random.key(3))
        took = timed(lambda t=trainer, g=given: recirc.fit(t, network, g, key=jax.random.key(3)))
        print(f"{type(trainer).__name__}, 300 units, 20 passes, an update every {dt} s: {took:.1f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in {"units": 1000, "steps": 30_000, "bits": 32, "passes": 1, "free-run": 200}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--curbd", action="store_true")
    options = parser.parse_args()
    recirc.enable_x64()
    if options.curbd:
        curbd()
    else:
        one_step(options.units, options.steps, options.bits, options.passes, options.free_run)


if __name__ == "__main__":
    main()
