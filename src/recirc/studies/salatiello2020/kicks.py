"""What networks of the study make of a kick of the circuit's state, beside what simpler systems make of it."""

import functools
from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from recirc.analyses import Row, specification_key
from recirc.circuits import AbstractCircuit, RateNetwork, simulate
from recirc.circuits.altered import Restarted, Transformed
from recirc.compare import KickedStates, NeuronMap, window
from recirc.studies.salatiello2020.circuit import TAIL, kicked_reference, reference
from recirc.types import Activity, Score, Trials

GO = 0.05  # seconds from trial start
N_DELAYS, DELAY, FLOOR = 5, 0.01, 1e-5  # of linear systems; components with less of the variance are left out
CONTROLS = ("random_map", "linear_all", "linear_recorded", "decay")
FLOW = 0.5  # R² from which a network is said to have the flow
Side = tuple[AbstractCircuit, Trials, NeuronMap]  # a system, its trials in held-out directions, its map to all units


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


def kicked(arm: str, network: RateNetwork, twin: RateNetwork, circuit: Mapping, recorded: Sequence[str]) -> Row:
    """R² of what follows kicks of the circuit in held-out directions (`KickedStates`), as the network maps it.

    Baselines: `untrained`, its twin; `random_map`, the circuit in random coordinates with random mixtures of its units;
    `linear_recorded`, a linear system of the recorded units and outputs and their past; `linear_all`, one of all units;
    `decay`, the kick decaying with the best time constant, in the components that the network's map predicts.

    Args:
        arm: of the network.
        network, twin: trained on the study's trials, and before that.
        circuit: arguments of `kicked_reference`.
        recorded: names of units.
    """
    (trials, target), (new_trials, new_target) = reference(**circuit)
    key = jax.random.key(0)  # for noise, and there is none
    maps = [map_to_units(simulate(each, trials, key=key), target) for each in (network, twin)]
    score, untrained = (kick(circuit, (each, new_trials, own)) for each, own in zip((network, twin), maps))
    linear = kick(circuit, linear_system(target, new_target, recorded))
    baselines = {"untrained": untrained.value, "linear_recorded": linear.value, "decay": score.parts["decay"]}
    baselines = {name: float(value) for name, value in (baselines | whole_circuit(**circuit)).items()}
    lost = {} if np.isfinite(score.value) else {"outcome": "no component of the circuit is mapped well, or it blew up"}
    finite = {name: value for name, value in baselines.items() if np.isfinite(value)}
    return Row.of(score, arm, {**score.settings, **lost}, baselines=finite)


def kick(circuit: Mapping, side: Side) -> Score:
    """The score of one system."""
    system, trials, mapping = side
    return KickedStates(*kicked_reference(**circuit), mapping)(system, trials, key=jax.random.key(0))


@functools.lru_cache(maxsize=2)
def whole_circuit(study_seed: int, index: int, n_units: int) -> dict[str, float]:
    """R² of the controls that do not depend on a network."""
    circuit = {"study_seed": study_seed, "index": index, "n_units": n_units}
    (_, target), (_, new_target) = reference(**circuit)
    cortex, new_trials = kicked_reference(**circuit)
    maps = jax.random.normal(specification_key(circuit | {"control": "random_map"}), (2, n_units, n_units))
    mixed = target.replace(rates=target.rates @ maps[1].T)
    hidden = Transformed(cortex, *maps), new_trials, map_to_units(mixed, target)
    linear = linear_system(target, new_target, target.units)
    return {"random_map": kick(circuit, hidden).value, "linear_all": kick(circuit, linear).value}


def map_to_units(made: Activity, target: Activity) -> NeuronMap:
    """From a network to all units, on the trained directions, before tails begin."""
    until = target.rates.shape[1] * target.dt - TAIL
    sides = (each.replace(outputs=None) for each in (made, target))
    return NeuronMap.fit(*(window(each, 0.0, until) for each in sides), every=10)


def linear_system(target: Activity, heldout: Activity, units: Sequence[str]) -> Side:
    """A linear system of the rates of units, with outputs and their past unless these are all units, from go on.

    It is fitted to the trained directions by least squares; starts of held-out directions are what was recorded then.
    """
    lags = [round(i * DELAY / target.dt) for i in range(N_DELAYS)] if len(units) < len(target.units) else [0]
    until = target.rates.shape[1] * target.dt - TAIL
    first, last = round(GO / target.dt) - 1, round(until / target.dt)
    trained, new = (_delayed(each, units, lags)[:, first:last] for each in (target, heldout))
    samples = trained.reshape(-1, trained.shape[2])
    variances, axes = np.linalg.eigh(samples.T @ samples)
    axes = axes[:, variances > FLOOR * variances.sum()]
    x = trained @ axes
    before, after = (part.reshape(-1, x.shape[2]) for part in (x[:, :-1], x[:, 1:]))
    system = Linear(jnp.asarray(np.linalg.lstsq(before, after, rcond=None)[0].T), target.dt)
    started = [Restarted(system, jnp.asarray(starts).T) for starts in (x[:, 0], (new @ axes)[:, 0])]
    duration, conditions = (last - first - 1) * target.dt, heldout.conditions
    silent = [np.zeros((len(conditions), last - first - 1, n)) for n in (1, 0)]
    still = Trials(*silent, dt=target.dt, conditions=conditions, epochs={"movement": (0.0, duration)})
    moved = window(target, GO, until).replace(outputs=None)
    run = simulate(started[0], still, key=jax.random.key(0)).replace(conditions=moved.conditions, outputs=None)
    return started[1], still, NeuronMap.fit(run, moved, every=10)


def _delayed(activity: Activity, units: Sequence[str], lags: Sequence[int]) -> np.ndarray:
    """Rates of units and outputs as they are and as they were, side by side."""
    parts = activity.select_units(units).rates / 10, np.asarray(activity.outputs)
    seen = np.concatenate(parts, axis=2)
    padded = np.concatenate([np.repeat(seen[:, :1], lags[-1], axis=1), seen], axis=1)
    return np.concatenate([padded[:, lags[-1] - lag :][:, : seen.shape[1]] for lag in lags], axis=2)
