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
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

import recirc

recirc.enable_x64()

from recirc import circuits
from recirc.circuits import AbstractCircuit, RateNetwork, StabilityOptimized, simulate
from recirc.circuits.altered import Restarted
from recirc.compare import KickedStates, NeuronMap, NewTrials, PrivateNoise, window
from recirc.data import hints_from
from recirc.studies.salatiello2020 import REGIMES, TAIL, ground_truth, tailed, with_muscles
from recirc.studies.salatiello2020.circuit import LEAD
from recirc.studies.salatiello2020.network import train
from recirc.tasks import CenterOutReach
from recirc.types import Activity, Trials

FIRST_CIRCUIT, N_CIRCUITS, NETWORK_SEED = 3000, 4, 0
GO, MOVED = 0.05, 0.44  # seconds from trial start: go, and where tails begin
N_DELAYS, DELAY, FLOOR = 5, 0.01, 1e-5  # of linear systems; components with less of the variance are left out
WEAK = {"drive": 0.02, "hint_gain": 1.1, "input_scale": 0.125, "noise": 0.005}  # a quarter of the tuned drives
ARMS: dict[str, tuple[str, float | None, dict]] = {
    "hints 5 %": ("hints", 0.05, {}),
    "hints 100 %": ("hints", 1.0, {}),
    "no hints": ("no_hints", None, {}),
    "hints 5 %, weak": ("hints", 0.05, WEAK),
    "hints 100 %, weak": ("hints", 1.0, WEAK),
}


class Linear(AbstractCircuit):
    """A linear system in discrete time, x after a step of `dt` being A x."""

    weights: Float[Array, "unit unit"]
    dt: float

    def initial_state(self, n_trials: int):
        return jnp.zeros((len(self.weights), n_trials))

    def step(self, state, inputs, noise, dt):
        return self.weights @ state

    def velocity(self, state, inputs):
        return (self.weights @ state - state) / self.dt

    def rates(self, state):
        return state


def circuit(seed: int) -> tuple[StabilityOptimized, list[tuple[Trials, Activity, Trials]]]:
    """The study's circuit; for trained and held-out directions trials, activity, and what drives the circuit."""
    circuit_key, muscle_key = jax.random.split(jax.random.key(seed))
    task = CenterOutReach()
    cortex = with_muscles(circuits.stability_optimized(key=circuit_key), task, key=muscle_key)
    sides = []
    for each in (task, task.between()):
        trials, activity = tailed(*ground_truth(cortex, each, key=muscle_key))
        angles, n_steps = np.deg2rad(each.angles), round(LEAD / each.dt) + trials.n_steps
        states = circuits.preferred_states(cortex, 2) @ np.stack([np.cos(angles), np.sin(angles)])
        go = LEAD + each.preparation
        currents = circuits.preparation_currents(cortex, states, n_steps=n_steps, dt=each.dt, go=go)
        driven = Trials(
            currents, jnp.zeros((len(angles), n_steps, 2)), dt=each.dt, conditions=trials.conditions,
            epochs={"movement": (go, go + each.movement)},
        )  # fmt: skip
        sides.append((trials, activity, driven))
    return cortex, sides


def mapping(made: Activity, target: Activity) -> NeuronMap:
    """From a network to all units, on the trained directions, before tails begin."""
    sides = (each.replace(outputs=None) for each in (made, target))
    return NeuronMap.fit(*(window(each, 0.0, MOVED) for each in sides), every=10)


def linear_system(target: Activity, heldout: Activity, units) -> tuple[AbstractCircuit, Trials, NeuronMap]:
    """A linear system of delayed recorded units and outputs, from go on, fitted to the trained directions.

    Starts of held-out directions are what was recorded then.
    """
    lags = [round(i * DELAY / target.dt) for i in range(N_DELAYS)] if len(units) < len(target.units) else [0]
    first, last = round(GO / target.dt) - 1, round(MOVED / target.dt)

    def delayed(activity: Activity):
        seen = np.concatenate([activity.select_units(units).rates / 10, activity.outputs], axis=2)
        padded = np.concatenate([np.repeat(seen[:, :1], lags[-1], axis=1), seen], axis=1)
        n_steps = seen.shape[1]
        return np.concatenate([padded[:, lags[-1] - lag : lags[-1] - lag + n_steps] for lag in lags], axis=2)

    trained, new = (delayed(each)[:, first:last] for each in (target, heldout))
    values, axes = np.linalg.eigh(trained.reshape(-1, trained.shape[2]).T @ trained.reshape(-1, trained.shape[2]))
    axes = axes[:, values > FLOOR * values.sum()]
    x = trained @ axes
    before, after = (part.reshape(-1, x.shape[2]) for part in (x[:, :-1], x[:, 1:]))
    system = Linear(jnp.asarray(np.linalg.lstsq(before, after, rcond=None)[0].T), target.dt)
    still = lambda starts: Trials(  # noqa: E731
        np.zeros((8, last - first - 1, 1)), np.zeros((8, last - first - 1, 0)), dt=target.dt,
        conditions=heldout.conditions, epochs={"movement": (0.0, (last - first - 1) * target.dt)},
    )  # fmt: skip
    run = simulate(Restarted(system, jnp.asarray(x[:, 0]).T), still(x), key=jax.random.key(0))
    moved = window(target, GO, MOVED).replace(outputs=None)
    fitted = NeuronMap.fit(run.replace(conditions=moved.conditions, outputs=None), moved, every=10)
    return Restarted(system, jnp.asarray((new @ axes)[:, 0]).T), still(new), fitted


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
                fitted = mapping(simulate(each, trials, key=keys[2]), target)
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
