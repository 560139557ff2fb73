"""What a perfect model without noise scores against simulated recordings, and what their trials say it would.

    python benchmarks/ceilings.py [--n-recordings 200] [--n-trials 10] [--signals 1 0.3]

Recordings are of 40 tuned units (`noises.py`) with private noise, unequal over units, and noise that units share, both
smooth over time; SIGNAL is the variance of the rates over that of one trial's private noise.
"""

import argparse
import warnings

import timing  # first: it asks for one thread per library  # isort: skip

import jax
import noises
import numpy as np
from scipy.ndimage import gaussian_filter1d

import recirc
from recirc import compare


def recording(random: np.random.Generator, signal: float, n_trials: int) -> tuple[recirc.Activity, recirc.Activity]:
    """The true rates and single trials."""
    truth = noises.noise(random, "8 even", "tuned")
    rates, n_units = np.asarray(truth.rates), len(truth.units)
    private = gaussian_filter1d(random.normal(size=(n_trials, *rates.shape)), 1.5, axis=2)
    shared = gaussian_filter1d(random.normal(size=(n_trials, *rates.shape[:2], 3)), 3.0, axis=2)
    shared = shared @ random.normal(size=(3, n_units))
    noise = private / private.std() * random.uniform(0.5, 1.5, n_units) + 0.5 * shared / shared.std()
    trials = (rates + rates.std() / np.sqrt(signal) * noise).reshape(-1, *rates.shape[1:])
    return truth, recirc.Activity(trials, dt=truth.dt, conditions=truth.conditions * n_trials)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--n-recordings", type=int, default=200)
    parser.add_argument("--n-trials", type=int, default=10)
    parser.add_argument("--signals", type=float, nargs="*", default=[1.0, 0.3])
    arguments = parser.parse_args()
    print(f"{vars(arguments)}; {timing.load()}\n\n| measure | signal | perfect model | ceiling | bias (s.e.) |")
    print("| --- | --- | --- | --- | --- |")
    for signal in arguments.signals:
        for measure in (*compare.similarities(), *compare.similarities("unit")):
            if isinstance(measure, compare.DSA) or measure.estimates_populations:
                continue
            random, found = np.random.default_rng(0), []
            for i in range(arguments.n_recordings):
                truth, trials = recording(random, signal, arguments.n_trials)
                average = truth.replace(rates=np.asarray(trials.rates).reshape(-1, *truth.rates.shape).mean(0))
                ceiling = compare.noise_ceiling(measure, trials, n_draws=5, key=jax.random.key(i)).value
                found.append((measure(truth, average).value, ceiling))
            reached, allowed = np.mean(found, axis=0)
            error = np.std(np.diff(found)) / np.sqrt(len(found))
            bias = f"{allowed - reached:+.4f} ({error:.4f})"
            print(f"| `{measure.metric}` | {signal:g} | {reached:.3f} | {allowed:.3f} | {bias} |", flush=True)


if __name__ == "__main__":
    recirc.enable_x64()
    warnings.simplefilter("ignore")
    main()
