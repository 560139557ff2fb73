# ruff: noqa: I001  (timing sets the number of threads, so it comes first)
"""Many networks at once (`fit_batch`, on whatever device JAX finds) against one after the other on a core of the CPU.

    python benchmarks/gpu.py [--networks 256] [--units 300] [--passes 5] [--alone 4]

Full-FORCE in 64 bits, eight reaches. Times are without compilation: of a second run. On a CPU `--networks 16` will do.
"""

import argparse
import time

from timing import load

import jax
import numpy as np

import recirc
from recirc.circuits import RateNetwork
from recirc.train import FullForce, fit_batch
from recirc.train.batch import bytes_of_one


def made(n_networks: int, n_units: int):
    """Trials, networks and keys, on the default device."""
    trials = recirc.tasks.CenterOutReach().trials(8, key=jax.random.key(0))
    keys = jax.random.split(jax.random.key(1), n_networks)
    return trials, [RateNetwork.random(n_units=n_units, key=key) for key in keys], keys


def timed(run) -> tuple[list, float, float]:
    """What the second of two runs gives, its wall time and its processor time."""
    run()
    began = time.perf_counter(), time.process_time()
    found = run()
    return found, time.perf_counter() - began[0], time.process_time() - began[1]


def main(n_networks: int, n_units: int, n_passes: int, n_alone: int) -> None:
    """Both ways, and how far their output errors are apart."""
    trainer, device = FullForce(n_passes=n_passes), jax.devices()[0]
    print(f"{device.device_kind}; {load()}; {n_networks} networks of {n_units} units, {n_passes} passes")
    with jax.default_device(jax.devices("cpu")[0]):
        trials, networks, keys = made(n_networks, n_units)
        chosen = list(zip(networks, keys))[:n_alone]
        alone, wall, cpu = timed(lambda: [recirc.fit(trainer, network, trials, key=key) for network, key in chosen])
        each = wall / len(chosen)
        print(
            f"one after the other on a core: {each:.3f} s a network ({cpu / len(chosen):.3f} s of processor)",
            flush=True,
        )
    trials, networks, keys = made(n_networks, n_units)
    size = bytes_of_one(trainer, networks[0], trials)
    many, wall, cpu = timed(lambda: fit_batch(trainer, networks, trials, keys=keys))
    together = wall / n_networks
    said = f"at once: {together:.4f} s a network ({cpu / n_networks:.4f} s of processor)"
    print(f"{said}, {size / 1e6:.1f} MB each by the model")
    errors = np.array([[fit.history[-1]["output_nmse"] for fit in pair] for pair in zip(many, alone)])
    apart = np.abs(errors[:, 0] / errors[:, 1] - 1).max()
    print(f"{each / together:.2f} times as fast; output errors at most {apart:.1e} apart, relative")


if __name__ == "__main__":
    recirc.enable_x64()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", type=int, default=256)
    parser.add_argument("--units", type=int, default=300)
    parser.add_argument("--passes", type=int, default=5)
    parser.add_argument("--alone", type=int, default=4)
    asked = parser.parse_args()
    main(asked.networks, asked.units, asked.passes, asked.alone)
