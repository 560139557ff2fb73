"""How the regimes of the arms trained by backpropagation were chosen, by the rule of `regime_search.py`.

On other circuits than the study's, with other networks and samples of units: eight candidates for each arm, the same
but for the weight of hints and the last, on one circuit; the best three on further ones. The one with the least
geometric mean of the output error on held-out directions over all of them is chosen. Similarity has no part in it.

Run: python benchmarks/bptt_search.py; with --pilot the study's regimes on the first circuit, beside those of
full-FORCE, and beside a clock of 1 ms.
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
from recirc.compare import SVCCA, NeuronMap, NewTrials, PrivateNoise
from recirc.data import hints_from
from recirc.studies.salatiello2020 import REGIMES, TAIL, reference
from recirc.studies.salatiello2020.bptt import BPTT_REGIMES, EVERY, BpttRegime, coarser, train_bptt
from recirc.studies.salatiello2020.network import train

FIRST_CIRCUIT, N_CIRCUITS, N_LAST, FRACTION = 1000, 3, 3, 0.05
START = BpttRegime(1.0, 0.5, 0.06, 0.05, 2e-3, 0.0, 1e-3, 0.2, 500)
CHANGES: dict[str, tuple[dict, ...]] = {
    arm: (
        {"hint_weight": weight, "noise": 0.1},
        {"hint_weight": weight, "noise": 0.2},
        {"hint_weight": weight, "noise": 0.4},
        {"hint_weight": weight, "noise": 0.1, "gain": 1.3},
        {"hint_weight": weight, "noise": 0.2, "gain": 1.3},
        {"hint_weight": weight, "noise": 0.2, "rate_penalty": 0.1},
        {"hint_weight": weight, "noise": 0.2, "learning_rate": 5e-4},
        last,
    )
    for arm, weight, last in (
        ("bptt", 0.0, {"hint_weight": 0.0, "noise": 0.2, "n_updates": 1000}),
        ("bptt_hints", 1.0, {"hint_weight": 10.0, "noise": 0.2}),
    )
}


def errors(regime: BpttRegime | str, seed: int, every: int = EVERY) -> dict[str, float]:
    """Output errors, map to unrecorded units and similarity of one network; "hints" and "no_hints" are full-FORCE."""
    (trials, target), (new_trials, new_target) = reference(seed, 0, 200)
    keys = jax.random.split(jax.random.key(seed), 4)
    shown = hints_from(
        target, fraction=FRACTION, trials=trials, key=keys[0], gain=4.3, normalization="maximum", tail=TAIL
    )
    trained, new = coarser(shown, every), coarser(new_trials, every)
    began = time.process_time()
    if isinstance(regime, BpttRegime):
        network = train_bptt(regime, trained, n_units=300, network_key=keys[1], fit_key=keys[2])[1].network
    else:
        tuned = REGIMES[regime]
        scales = {"gain": tuned.embedder_gain, "input_scale": tuned.input_scale, "bias_scale": tuned.bias_scale}
        given = trained if regime == "hints" else trained.replace(hints=None, hint_units=())
        network = train(regime, tuned, RateNetwork.random(key=keys[1], **scales), given, keys[2]).network
    seconds = time.process_time() - began
    made = [recirc.simulate(network, each, key=keys[3]) for each in (trained, new)]
    thin = lambda each, every: each.replace(rates=each.rates[:, every - 1 :: every], outputs=None, dt=0.01)  # noqa: E731
    made, truth = [thin(each, 10 // every) for each in made], [thin(each, 10) for each in (target, new_target)]
    unrecorded = [each.without_units(shown.hint_units) for each in truth]
    repeated = trained.select(np.tile(np.arange(8), 4))
    return {
        "train": NewTrials("train")(network, trained, key=keys[3]).value,
        "held out": NewTrials()(network, new, key=keys[3]).value,
        "noise": PrivateNoise(0.1)(network, repeated, key=keys[3]).value,
        "unrecorded": NeuronMap.fit(made[0], unrecorded[0]).score(made[1], unrecorded[1]).value,
        "svcca": SVCCA()(made[0], truth[0]).value,
        "svcca held out": SVCCA()(made[1], truth[1]).value,
        "seconds": seconds,
    }


def pilot() -> None:
    """One network of every arm."""
    arms: dict[str, tuple] = {f"full-FORCE, {name}": (name, 1) for name in ("hints", "no_hints")}
    arms |= {name: (regime, EVERY) for name, regime in BPTT_REGIMES.items()}
    arms["bptt_hints, 1 ms"] = BPTT_REGIMES["bptt_hints"], 1
    for name, (regime, every) in arms.items():
        found = errors(regime, FIRST_CIRCUIT, every)
        print(f"{name:22s}", " ".join(f"{what} {value:.4f}" for what, value in found.items()), flush=True)


def heldout_error(arm: str, change: dict, circuit: int) -> float:
    """Print all errors of one network; its output error on held-out directions."""
    row = errors(dataclasses.replace(START, **change), FIRST_CIRCUIT + circuit)
    numbers = " ".join(f"{name} {value:.4f}" for name, value in row.items())
    print(f"{arm:10s} circuit {circuit} {numbers} {change}", flush=True)
    return row["held out"]


def main() -> None:
    for arm, changes in CHANGES.items():
        found = [[heldout_error(arm, change, 0)] for change in changes]
        last = np.argsort(np.ravel(found))[:N_LAST]
        for i in last:
            found[i] += [heldout_error(arm, changes[i], circuit) for circuit in range(1, N_CIRCUITS)]
        for mean, i in sorted((np.exp(np.mean(np.log(found[i]))), i) for i in last):
            print(f"{arm:10s} {mean:.4f} on {N_CIRCUITS} circuits {changes[i]}", flush=True)


if __name__ == "__main__":
    pilot() if "--pilot" in sys.argv else main()
