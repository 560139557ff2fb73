"""How reliable made-up sessions are, and how near to their ceiling interpolations get in left-out conditions.

    python benchmarks/interpolations.py [KIND ...] [--seeds 3] [--noise]

A line per kind and seed: the units' median reliability, and the mean R² over left-out conditions of the truth (the
ceiling) and of every interpolation, to averages and, after the stroke, to the truth.
"""

import argparse

import timing  # noqa: F401  # first: it asks for one thread per library  # isort: skip

import jax
import made_up
import numpy as np

import recirc
from recirc.compare.covariates import covariates_of
from recirc.compare.interpolation import Process, interpolated
from recirc.compare.left_out import left_out_r2, left_out_scales

N_GROUPS = 8  # in which conditions are left out


def scores(made: made_up.MadeUp) -> dict[str, tuple[float, float]]:
    """R² to averages and to the truth, by method; and of "truth" itself."""
    averages = made.preprocessing.apply(made.session, key=jax.random.key(0)).averages
    rates, truth = (np.asarray(each.rates, float) for each in (averages, made.truth))
    n, known = len(rates), covariates_of(averages, made.covariates)
    groups = [list(range(i, n, N_GROUPS)) for i in range(min(n, N_GROUPS))]
    scales, processes = left_out_scales(rates, groups=groups), []
    for group, scale in zip(groups, scales):
        rest = np.delete(np.arange(n), group)
        n_tests = min(len(rest), N_GROUPS)
        tests = [list(range(i, len(rest), n_tests)) for i in range(n_tests)]
        processes.append(Process.choose(known.select(rest), rates[rest] / scale, dt=averages.dt, tests=tests))
    found = interpolated(known, rates, dt=averages.dt, scales=scales, groups=groups, processes=processes)
    own = {place: scale for group, scale in zip(groups, scales) for place in group}

    def r2(right: np.ndarray, predicted: np.ndarray) -> float:
        return float(np.mean([left_out_r2(right[i], predicted[i], own[i]) for i in range(n)]))

    return {name: (r2(rates, each), r2(truth, each)) for name, each in {"truth": truth, **found}.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kinds", nargs="*", default=list(made_up.KINDS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--noise", action="store_true")
    asked = parser.parse_args()
    recirc.enable_x64()
    for kind in asked.kinds:
        for seed in range(asked.seeds):
            made = made_up.make(kind, seed, noise=asked.noise)
            prepared = made.preprocessing.apply(made.session, key=jax.random.key(0))
            told = " ".join(f"{name} {a:.2f}/{b:.2f}" for name, (a, b) in scores(made).items())
            print(f"{kind} {seed} reliability {np.median(prepared.reliability):.2f} {told}", flush=True)


if __name__ == "__main__":
    main()
