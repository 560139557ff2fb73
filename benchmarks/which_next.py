"""Whether units that `which_next` names tell more of a circuit than units drawn at random.

    python benchmarks/which_next.py [--teachers 60] [--first 0]

Every seed draws a teacher of 300 units and its trials as `benchmarks/subset_verdict.py` does. 30 units are recorded. Of
60 more there is a pilot: an eighth of the trials. The 15 of these that are ranked first are recorded too; better means
a larger R², in trials that no map was fitted to, of the 210 units beyond, than 15 units at random give on average (10
draws). Beside it stands what 15 units of the largest variance give, which needs no fits.
"""

import argparse

import jax
import numpy as np
import subset_verdict

import recirc
from recirc.analyses import which_next

FEW, POOL, MORE, N_DRAWS, PENALTY = 30, 60, 15, 10, 1e-3


def r2_of_others(rates: np.ndarray, units: np.ndarray, others: np.ndarray) -> float:
    """R² of other units in every second trial, from maps fitted to the rest."""
    (x, new_x), (y, new_y) = (
        [rates[first::2][:, :, some].reshape(-1, len(some)) for first in (0, 1)] for some in (units, others)
    )
    gram = x.T @ x + PENALTY * np.trace(x.T @ x) / len(units) * np.eye(len(units))
    left = new_y - new_x @ np.linalg.solve(gram, x.T @ y)
    return float(1 - np.sum(left**2) / np.sum((new_y - new_y.mean(axis=0)) ** 2))


def one(seed: int) -> tuple[str, float, float, float]:
    """What was drawn, and R² with units that are ranked first, at random, and of the largest variance."""
    what = subset_verdict.drawn(seed, ("trials", "tanh"))._replace(n_recorded=subset_verdict.N_UNITS)
    rates = np.asarray(subset_verdict.recording(what, seed)[1].rates)
    random = np.random.default_rng(seed)
    few, pool, others = np.split(random.permutation(rates.shape[2]), [FEW, FEW + POOL])
    both = np.concatenate([few, pool])
    pilot = rates[::8][:, :, both]
    trials, names = [str(i) for i in range(len(pilot))], [str(unit) for unit in both]
    seen = recirc.Activity(pilot, dt=subset_verdict.DT, conditions=trials, units=names)
    ranked = which_next(seen, kinds={name: [name] for name in names[FEW:]}, key=jax.random.key(seed))
    first = np.array([int(each.kind) for each in ranked[:MORE]])
    largest = pool[np.argsort(-pilot[:, :, FEW:].var(axis=(0, 1)))[:MORE]]
    score = lambda more: r2_of_others(rates, np.concatenate([few, more]), others)  # noqa: E731
    at_random = np.mean([score(random.permutation(pool)[:MORE]) for _ in range(N_DRAWS)])
    return " ".join(map(str, what)), score(first), float(at_random), score(largest)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--teachers", type=int, default=60)
    parser.add_argument("--first", type=int, default=0, help="first seed")
    options = parser.parse_args()
    recirc.enable_x64()
    better, by_variance = 0, 0
    for seed in range(options.first, options.first + options.teachers):
        what, first, at_random, largest = one(seed)
        better, by_variance = better + (first > at_random), by_variance + (largest > at_random)
        print(f"{seed} {what}: first {first:.4f}, random {at_random:.4f}, largest {largest:.4f}", flush=True)
    print(f"better than at random in {better} of {options.teachers}; by variance alone in {by_variance}")


if __name__ == "__main__":
    main()
