"""How the regimes of the arms trained by backpropagation were chosen, by the rule of `regime_search.py`.

On other circuits than the study's, with other networks and samples of units: eight candidates for each arm, the same
but for the weight of hints and the last. Of those with output nMSE at most .005 trained and .03 under private noise
0.1, the one with the least error on held-out directions is chosen, medians over circuits. Similarity has no part in it.

Run: python benchmarks/bptt_search.py [circuits]
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

from recirc.compare import SVCCA, NeuronMap, NewTrials, PrivateNoise
from recirc.data import hints_from
from recirc.studies.salatiello2020 import TAIL, reference
from recirc.studies.salatiello2020.bptt import BPTT, EVERY, BpttRegime, coarser, train_bptt

FIRST_CIRCUIT, N_CIRCUITS, FRACTION = 1000, 3, 0.05
CHANGES: dict[str, tuple[dict, ...]] = {
    arm: (
        {"hint_weight": weight},
        {"hint_weight": weight, "noise": 0.1},
        {"hint_weight": weight, "rate_penalty": 0.1},
        {"hint_weight": weight, "gain": 0.8},
        {"hint_weight": weight, "gain": 1.3},
        {"hint_weight": weight, "learning_rate": 5e-4},
        {"hint_weight": weight, "gain": 0.8, "noise": 0.1, "rate_penalty": 0.1},
        last,
    )
    for arm, weight, last in (
        ("bptt", 0.0, {"hint_weight": 0.0, "input_scale": 0.2}),
        ("bptt_hints", 1.0, {"hint_weight": 10.0}),
    )
}


def errors(regime: BpttRegime, seed: int) -> dict[str, float]:
    """Output errors, map to unrecorded units and similarity of one network."""
    (trials, target), (new_trials, new_target) = reference(seed, 200)
    keys = jax.random.split(jax.random.key(seed), 4)
    shown = hints_from(target, fraction=FRACTION, trials=trials, key=keys[0], tail=TAIL)
    trained, new = coarser(shown), coarser(new_trials)
    began = time.process_time()
    _, found = train_bptt(regime, trained, n_units=300, network_key=keys[1], fit_key=keys[2])
    seconds, network = time.process_time() - began, found.network
    made = [recirc.simulate(network, each, key=keys[3]) for each in (trained, new)]
    thin = lambda each, every: each.replace(rates=each.rates[:, every - 1 :: every], outputs=None, dt=0.01)  # noqa: E731
    made, truth = [thin(each, 10 // EVERY) for each in made], [thin(each, 10) for each in (target, new_target)]
    unrecorded = [each.without_units(shown.hint_units) for each in truth]
    repeated = trained.select(np.tile(np.arange(8), 4))
    return {
        "train": NewTrials("train")(network, trained, key=keys[3]).value,
        "held out": NewTrials()(network, new, key=keys[3]).value,
        "noise": PrivateNoise(0.1)(network, repeated, key=keys[3]).value,
        "unrecorded": NeuronMap.fit(made[0], unrecorded[0]).score(made[1], unrecorded[1]).value,
        "svcca": SVCCA()(made[0], truth[0]).value,
        "seconds": seconds,
    }


def main(n_circuits: int) -> None:
    for arm, changes in CHANGES.items():
        best = (np.inf, {})
        for change in changes:
            regime = dataclasses.replace(BPTT, **change)
            rows = [errors(regime, FIRST_CIRCUIT + i) for i in range(n_circuits)]
            median = {name: float(np.median([row[name] for row in rows])) for name in rows[0]}
            allowed = median["train"] <= 0.005 and median["noise"] <= 0.03
            best = min(best, (median["held out"] if allowed else np.inf, change), key=lambda entry: entry[0])
            numbers = " ".join(f"{name} {value:.4f}" for name, value in median.items())
            print(f"{arm:10s} {'ok ' if allowed else 'out'} {numbers} {change}", flush=True)
        print(f"chosen for {arm}: held out {best[0]:.4f}, {best[1]}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else N_CIRCUITS)
