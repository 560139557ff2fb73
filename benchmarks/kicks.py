"""What networks of the study of Salatiello & Giese 2020 make of a kick of the state, beside linear systems and twins.

For every circuit, in the tuned regime and with weak drives: networks trained with hints from 5 % and 100 % of the units
and without, each with its twin (the network before training), and linear systems fitted to the 5 % of units with the
outputs, and to all units. Kicks come on held-out directions, 80 ms after go (`recirc.compare.KickedStates`).

Run: python benchmarks/kicks.py [circuits]
"""

import os

os.environ.update(NPROC="1", OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1")

import dataclasses
import sys

import jax
import numpy as np

import recirc

recirc.enable_x64()

from recirc import circuits
from recirc.circuits import RateNetwork, StabilityOptimized, simulate
from recirc.compare import KickedStates, NeuronMap, NewTrials, PrivateNoise
from recirc.data import hints_from
from recirc.studies.salatiello2020 import REGIMES, TAIL, ground_truth, tailed, with_muscles
from recirc.studies.salatiello2020.circuit import driving
from recirc.studies.salatiello2020.kicks import linear_system, map_to_units
from recirc.studies.salatiello2020.network import train
from recirc.tasks import CenterOutReach
from recirc.types import Activity, Trials

FIRST_CIRCUIT, N_CIRCUITS, NETWORK_SEED = 3000, 4, 0
WEAK = {"drive": 0.02, "hint_gain": 1.1, "input_scale": 0.125, "noise": 0.005}  # a quarter of the tuned drives
ARMS: dict[str, tuple[str, float | None, dict]] = {
    "hints 5 %": ("hints", 0.05, {}),
    "hints 100 %": ("hints", 1.0, {}),
    "no hints": ("no_hints", None, {}),
    "hints 5 %, weak": ("hints", 0.05, WEAK),
    "hints 100 %, weak": ("hints", 1.0, WEAK),
}


def circuit(seed: int) -> tuple[StabilityOptimized, list[tuple[Trials, Activity, Trials]]]:
    """The study's circuit; for trained and held-out directions trials, activity, and what drives the circuit."""
    circuit_key, key = jax.random.split(jax.random.key(seed))
    task = CenterOutReach()
    cortex = with_muscles(circuits.stability_optimized(key=circuit_key), task, key=key)
    both = task, task.between()
    return cortex, [(*tailed(*ground_truth(cortex, each, key=key)), driving(cortex, each, key=key)) for each in both]


def row(name: str, cortex, driven: Trials, network, trials: Trials, fitted: NeuronMap, *errors: float):
    """Print and return one result."""
    score = KickedStates(cortex, driven, fitted)(network, trials, key=jax.random.key(0))
    n_kept = int((score.parts["component_r2"] >= 0.9).sum())
    errors = errors or (np.nan, np.nan)
    line = [score.value, float(score.parts["correlation"]), float(score.parts["decay"]), n_kept, *errors]
    print(f"{name:22s} " + " ".join(f"{value:8.3f}" for value in line), flush=True)
    return line


def main(n_circuits: int) -> None:
    rows: dict[str, list] = {}
    for seed in range(FIRST_CIRCUIT, FIRST_CIRCUIT + n_circuits):
        cortex, ((trials, target, _), (new_trials, new_target, driven)) = circuit(seed)
        print(f"circuit {seed}: R², correlation, R² of decay, components, error on held-out directions and under noise")
        keys = jax.random.split(jax.random.key(NETWORK_SEED), 3)
        for name, (arm, fraction, changes) in ARMS.items():
            regime = dataclasses.replace(REGIMES[arm], **changes)
            shown = hints_from(
                target, trials=trials, key=keys[0], fraction=fraction or 0.05, gain=regime.hint_gain,
                normalization=regime.normalization, tail=TAIL,
            )  # fmt: skip
            recorded = shown.hint_units
            shown = shown if fraction else shown.replace(hints=None, hint_units=())
            twin = RateNetwork.random(
                key=keys[1], gain=regime.embedder_gain, input_scale=regime.input_scale, bias_scale=regime.bias_scale
            )
            network = train(arm, regime, twin, shown, keys[2]).network
            for what, each in ((name, network), (f"{name}, twin", twin)):
                fitted = map_to_units(simulate(each, trials, key=keys[2]), target)
                errors = [
                    NewTrials()(each, new_trials, key=keys[2]).value,
                    PrivateNoise(0.1)(each, trials, key=keys[2]).value,
                ]
                found = row(what, cortex, driven, each, new_trials, fitted, *errors)
                rows.setdefault(what, []).append(found)
            if fraction and not changes:
                system = linear_system(target, new_target, recorded)
                rows.setdefault(f"linear, {name[6:]}", []).append(row(f"linear, {name[6:]}", cortex, driven, *system))
    print("medians")
    for name, found in rows.items():
        values = np.array(found)
        print(f"{name:22s} " + " ".join(f"{value:8.3f}" for value in np.median(values, axis=0)), values[:, 0].round(2))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else N_CIRCUITS)
