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
from recirc.analyses import FitConfig
from recirc.analyses.fit_conditions import Tuning, choose_completion, known_of, left_out_groups, process_scales
from recirc.analyses.fit_prepare import prepare
from recirc.compare.interpolation import interpolated
from recirc.compare.left_out import left_out_r2, left_out_scales


def scores(made: made_up.MadeUp, averages: recirc.Activity) -> dict[str, tuple[float, float]]:
    """R² to averages and to the truth, by method; and of "truth" itself."""
    config = FitConfig(covariates=made.covariates)
    ready = prepare(averages, config)
    groups = left_out_groups(ready, config, seed=0)
    found = [choose_completion(ready, config, Tuning(group)).metadata["completion"] for group in groups]
    rates, truth, n = np.asarray(ready.rates, float), np.asarray(made.truth.rates, float), ready.n_trials
    made_of = interpolated(
        known_of(ready, config), rates, dt=ready.dt, groups=groups, processes=[each.process for each in found],
        scales=np.stack([process_scales(ready, group, config) for group in groups]),
    )  # fmt: skip
    scales = left_out_scales(rates, groups=groups)
    own = {place: scale for group, scale in zip(groups, scales) for place in group}

    def r2(right: np.ndarray, predicted: np.ndarray) -> float:
        return float(np.mean([left_out_r2(right[i], predicted[i], own[i]) for i in range(n)]))

    return {name: (r2(rates, each), r2(truth, each)) for name, each in {"truth": truth, **made_of}.items()}


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
            told = " ".join(f"{name} {a:.2f}/{b:.2f}" for name, (a, b) in scores(made, prepared.averages).items())
            print(f"{kind} {seed} reliability {np.median(prepared.reliability):.2f} {told}", flush=True)


if __name__ == "__main__":
    main()
