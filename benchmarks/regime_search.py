"""How the tuned regimes of the study were chosen: the same random search for both arms, on another circuit.

The circuit, networks and samples of recorded units are not those of the study. Both arms get the same number of
candidates from the same ranges (hints have one range more, their gain) and the same criterion: the geometric mean of the
output errors on held-out directions and under private noise 0.1, median over three networks. Similarity to the circuit
is not part of the criterion.

Run: python benchmarks/regime_search.py [candidates]
"""

import os

os.environ.update(NPROC="1", OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1")

import dataclasses
import sys
import time

import jax
import numpy as np

import recirc

recirc.enable_x64()

from recirc.circuits import RateNetwork
from recirc.compare import SVCCA, NewTrials, PrivateNoise
from recirc.data import hints_from
from recirc.studies.networks import train
from recirc.studies.salatiello2020 import TAIL, Regime, reference

CIRCUIT_SEED, SEEDS, FRACTION = 1000, (100, 101, 102), 0.05


def draw(generator) -> Regime:
    """One candidate."""
    return Regime(
        embedder_gain=round(generator.uniform(0.7, 1.4), 2),
        drive=round(float(np.exp(generator.uniform(np.log(0.1), np.log(0.8)))), 2),
        hint_gain=round(generator.uniform(3, 6), 1),
        normalization="maximum",
        input_scale=round(float(np.exp(generator.uniform(np.log(0.2), np.log(1.0)))), 2),
        bias_scale=round(generator.uniform(0, 0.25), 2),
        noise=round(generator.uniform(0.03, 0.12), 2),
        update_interval=0.01,
        n_passes=50,
    )


def errors(arm: str, regime: Regime, seed: int) -> dict[str, float]:
    """Output errors and similarity of one network."""
    (trials, target), (new_trials, _) = reference(CIRCUIT_SEED, 200)
    keys = jax.random.split(jax.random.key(seed), 4)
    shown = trials
    if arm == "hints":
        shown = hints_from(
            target, fraction=FRACTION, trials=trials, key=keys[0],
            gain=regime.hint_gain, normalization=regime.normalization, tail=TAIL,
        )  # fmt: skip
    network = RateNetwork.random(key=keys[1], input_scale=regime.input_scale, bias_scale=regime.bias_scale)
    trained = train(arm, regime, network, shown, keys[2])
    repeated = trials.select(np.tile(np.arange(8), 4))
    made = recirc.simulate(trained.network, trials, key=keys[3])
    return {
        "train": NewTrials("train")(trained.network, trials, key=keys[3]).value,
        "held out": NewTrials()(trained.network, new_trials, key=keys[3]).value,
        "noise": PrivateNoise(0.1)(trained.network, repeated, key=keys[3]).value,
        "svcca": SVCCA()(made, target).value,
    }


def main(n_candidates: int) -> None:
    generators = {arm: np.random.default_rng(0) for arm in ("hints", "no_hints")}
    best = dict.fromkeys(generators, (np.inf, None, None))
    for index in range(n_candidates):
        for arm, generator in generators.items():
            began, regime = time.perf_counter(), draw(generator)
            rows = [errors(arm, regime, seed) for seed in SEEDS]
            median = {name: float(np.median([row[name] for row in rows])) for name in rows[0]}
            criterion = float(np.sqrt(median["held out"] * median["noise"]))
            best[arm] = min(best[arm], (criterion, index, regime), key=lambda entry: entry[0])
            numbers = " ".join(f"{name} {value:.4f}" for name, value in median.items())
            fields = " ".join(f"{v}" for v in dataclasses.astuple(regime))
            print(
                f"{arm:9s} {index:3d} {criterion:.4f} | {numbers} | {fields} | {time.perf_counter() - began:.0f} s",
                flush=True,
            )
    for arm, (criterion, index, regime) in best.items():
        print(f"best {arm}: candidate {index}, criterion {criterion:.4f}, {regime}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 24)
