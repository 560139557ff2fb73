"""Whether a ridge student of a tenth of a circuit has slow modes that the circuit lacks, seed by seed.

    python benchmarks/subset.py [--teacher feedforward random ...] [--tanh] [--rest] [--seeds 10]

The regime of Qian et al. 2024 (NeurIPS 37): 500 units with tau = .1 s that start from random states of s.d. 1
(`--rest`: from 0), 50 of them recorded for 30,000 steps of 1 ms under noise of .2 that the student does not know,
penalty .001 on weights (of squared errors in x), no bias. A slow mode is spurious where its time constant is over three
times that of the teacher's mode of the same rank. "matched" is the median R² of the recorded units when the student is
driven by their share of the noise, from their states at the start; the recorded units are called matched from .5.
"""

import argparse
import dataclasses
import time

import jax
import jax.numpy as jnp
import numpy as np

import recirc
from recirc import circuits, compare

N_UNITS, N_RECORDED, N_STEPS, RHO, DT, TAU = 500, 50, 30_000, 1e-3, 0.001, 0.1


def relative_penalty(hints: np.ndarray) -> float:
    """The published penalty in the units of `OneStepRidge`."""
    in_one_step = 1 - np.exp(-DT / TAU)
    return float(RHO / in_one_step**2 / (np.mean(hints**2) * N_STEPS))


def matched(network, fit, trials, seen) -> float:
    """Median over units of R² of their rates, student against teacher, both driven by the units' own noise."""
    index = np.array([int(name) for name in seen.hint_units])
    driven = recirc.circuits.RateNetwork(
        recurrent=fit.network.recurrent, input_weights=jnp.eye(len(index)), readout=fit.network.readout,
        bias=fit.network.bias, start=fit.network.start, time_constant=TAU, nonlinearity=network.nonlinearity,
    )  # fmt: skip
    own = seen.replace(inputs=trials.inputs[:, :, index])
    made, hints = np.asarray(circuits.simulate(driven, own, key=jax.random.key(0)).rates)[0], np.asarray(seen.hints)[0]
    return float(np.median(1 - ((made - hints) ** 2).sum(0) / ((hints - hints.mean(0)) ** 2).sum(0)))


def one(kind: str, seed: int, nonlinearity, spread: float) -> tuple[int, float]:
    keys = jax.random.split(jax.random.key(seed), 4)
    made = circuits.teacher(kind, n_units=N_UNITS, key=keys[0], nonlinearity=nonlinearity)
    network = dataclasses.replace(made.network, start=spread * jax.random.normal(keys[3], (N_UNITS,)))
    trials = circuits.noise_trials(N_UNITS, n_steps=N_STEPS, key=keys[1])
    student, seen = circuits.recorded(network, trials, range(N_RECORDED), key=keys[2])
    trainer = recirc.train.OneStepRidge(relative_penalty(np.asarray(seen.hints)), learns=())
    fit = recirc.fit(trainer, student, seen, key=keys[2])
    truth, modes = compare.linear_modes(made), compare.linear_modes(fit.network, state=np.zeros(N_RECORDED))
    n_spurious, r2 = compare.n_spurious_slow(modes, truth), matched(network, fit, trials, seen)
    slowest = f"{modes.time_constants[0] / TAU:6.1f} tau, teacher {truth.time_constants[0] / TAU:6.1f}"
    growing = f", {modes.n_growing} growing" if modes.n_growing else ""
    print(f"{kind:22} seed {seed}: {n_spurious:2} spurious; slowest {slowest}; matched {r2:.2f}{growing}", flush=True)
    return n_spurious, r2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--teacher", nargs="+", default=["feedforward", "random"], choices=list(circuits.TEACHERS))
    parser.add_argument("--tanh", action="store_true", help="nonlinear teachers; linear ones otherwise")
    parser.add_argument("--rest", action="store_true", help="start from 0, so that noise is all that moves the circuit")
    parser.add_argument("--seeds", type=int, default=10)
    options = parser.parse_args()
    recirc.enable_x64()
    for kind in options.teacher:
        began = time.perf_counter()
        how = jnp.tanh if options.tanh else circuits.linear, 0.0 if options.rest else 1.0
        done = [one(kind, seed, *how) for seed in range(options.seeds)]
        found, fits = (np.array(each) for each in ([n > 0 for n, _ in done], [r2 >= 0.5 for _, r2 in done]))
        print(
            f"{kind}: spurious slow modes in {found.sum()}, matched in {fits.sum()}, both in {(found & fits).sum()} of "
            f"{options.seeds}; {time.perf_counter() - began:.0f} s"
        )


if __name__ == "__main__":
    main()
