"""How the tuned regimes of the study were chosen: the same search and the same rule for both arms, on another circuit.

The circuit, networks and samples of recorded units are not those of the study. Both arms get the same random candidates
(hints have one range more, their gain) and as many refined by hand. Of the candidates that train (output nMSE
at most .005)
and withstand private noise 0.1 (at most .03), the one with the least error on held-out directions is chosen,
medians over
three networks. Similarity to the circuit has no part in the choice.

Run: python benchmarks/regime_search.py [candidates]
"""

import os

os.environ.update(NPROC="1", OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1")

import dataclasses
import sys

import jax
import numpy as np

import recirc

recirc.enable_x64()

from recirc.circuits import RateNetwork
from recirc.compare import SVCCA, NewTrials, PrivateNoise
from recirc.data import hints_from
from recirc.studies.salatiello2020 import TAIL, Regime, reference
from recirc.studies.salatiello2020.network import train

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


REFINED = {  # embedder_gain, drive, hint_gain, input_scale, bias_scale, noise
    "hints": (
        (0.94, 0.14, 4.4, 0.72, 0.06, 0.06), (0.9, 0.12, 4.0, 0.5, 0.1, 0.06),
        (1.0, 0.15, 4.0, 0.5, 0.05, 0.05), (0.85, 0.1, 4.0, 0.6, 0.15, 0.06),
        (1.0, 0.1, 4.0, 0.7, 0.1, 0.06), (0.94, 0.14, 4.4, 0.72, 0.06, 0.03),
        (0.9, 0.08, 4.0, 0.5, 0.1, 0.06), (0.9, 0.06, 4.0, 0.4, 0.15, 0.06),
        (0.9, 0.08, 4.0, 0.4, 0.2, 0.06), (0.95, 0.05, 4.0, 0.5, 0.1, 0.06),
        (0.85, 0.06, 5.0, 0.4, 0.1, 0.06), (0.8, 0.06, 5.0, 0.4, 0.2, 0.05),
        (0.9, 0.08, 4.0, 0.5, 0.1, 0.07), (0.93, 0.08, 4.0, 0.5, 0.1, 0.06),
        (0.92, 0.08, 4.3, 0.5, 0.06, 0.07),
    ),
    "no_hints": (
        (1.2, 0.3, 4.0, 0.3, 0.0, 0.05), (1.2, 0.2, 4.0, 0.3, 0.0, 0.05),
        (1.1, 0.2, 4.0, 0.5, 0.0, 0.06), (1.2, 0.15, 4.0, 0.5, 0.06, 0.06),
        (1.15, 0.25, 4.0, 0.3, 0.05, 0.07), (1.3, 0.2, 4.0, 0.3, 0.0, 0.05),
        (1.1, 0.15, 4.0, 0.5, 0.1, 0.05), (1.15, 0.12, 4.0, 0.5, 0.0, 0.05),
        (1.1, 0.12, 4.0, 0.4, 0.06, 0.05), (1.15, 0.15, 4.0, 0.7, 0.06, 0.06),
        (1.2, 0.1, 4.0, 0.5, 0.06, 0.05), (1.2, 0.15, 4.0, 0.5, 0.0, 0.06),
        (1.15, 0.15, 4.0, 0.5, 0.06, 0.07), (1.15, 0.12, 4.0, 0.5, 0.06, 0.07),
        (1.2, 0.12, 4.0, 0.6, 0.06, 0.07),
    ),
}  # fmt: skip


def refined(arm: str) -> list[Regime]:
    """Candidates made by hand from what the random ones showed."""
    return [Regime(g, d, h, "maximum", i, b, n, 0.01, 50) for g, d, h, i, b, n in REFINED[arm]]


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
    network = RateNetwork.random(
        key=keys[1], gain=regime.embedder_gain, input_scale=regime.input_scale, bias_scale=regime.bias_scale
    )
    trained = train(arm, regime, network, shown, keys[2])
    repeated = trials.select(np.tile(np.arange(8), 4))
    made = recirc.simulate(trained.network, trials, key=keys[3])
    return {
        "train": NewTrials("train")(trained.network, trials, key=keys[3]).value,
        "held out": NewTrials()(trained.network, new_trials, key=keys[3]).value,
        "noise": PrivateNoise(0.1)(trained.network, repeated, key=keys[3]).value,
        "svcca": SVCCA()(made, target).value,
    }


def main(n_random: int) -> None:
    for arm in REFINED:
        generator, best = np.random.default_rng(0), (np.inf, None)
        for index, regime in enumerate([*(draw(generator) for _ in range(n_random)), *refined(arm)]):
            rows = [errors(arm, regime, seed) for seed in SEEDS]
            median = {name: float(np.median([row[name] for row in rows])) for name in rows[0]}
            allowed = median["train"] <= 0.005 and median["noise"] <= 0.03
            best = min(best, (median["held out"] if allowed else np.inf, regime), key=lambda entry: entry[0])
            numbers = " ".join(f"{name} {value:.4f}" for name, value in median.items())
            print(
                f"{arm:9s} {index:3d} {'ok ' if allowed else 'out'} {numbers} {dataclasses.astuple(regime)}", flush=True
            )
        print(f"chosen for {arm}: held out {best[0]:.4f}, {best[1]}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 12)
