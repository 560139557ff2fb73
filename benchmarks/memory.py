# ruff: noqa: I001  (timing sets the number of threads, so it comes first)
"""Peak memory of training a large network.

    python benchmarks/memory.py [n_units]

Eight directions, 550 steps of 1 ms, two passes; the limit is 1 GB above what the imports take, at 2,000 units.
"""

import resource
import sys
import time

from timing import load

import jax

import recirc


def peak_mb() -> float:
    """Largest resident size of this process so far (Linux counts in kilobytes)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    recirc.enable_x64()
    n_units = int(sys.argv[1]) if sys.argv[1:] else 2000
    keys = jax.random.split(jax.random.key(0), 3)
    recirc.simulate(
        recirc.circuits.RateNetwork.random(n_units=2, key=keys[0]),
        recirc.tasks.CenterOutReach().trials(1, key=keys[0]),
        key=keys[0],
    )
    before = peak_mb()
    trials = recirc.tasks.CenterOutReach().trials(8, key=keys[0])
    network = recirc.circuits.RateNetwork.random(n_units=n_units, key=keys[1])
    began = time.process_time()
    fit = recirc.fit(recirc.train.FullForce(n_passes=2), network, trials, key=keys[2])
    print(load())
    print(
        f"N={n_units}: {peak_mb() - before:.0f} MB above the {before:.0f} MB of the imports and a first small run; "
        f"{time.process_time() - began:.1f} processor seconds, compilation included; {fit.message}"
    )
