"""A movement cut out at the go cue: the states it starts from, the inputs that follow, and what it should be."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from recirc.circuits import AbstractCircuit, simulate
from recirc.circuits.altered import Restarted
from recirc.compare.states import epoch_steps, noiseless, states_along
from recirc.types import Trials


@dataclasses.dataclass(frozen=True)
class AtGo:
    """Movements of a circuit without noise, to be made again from other states or under other inputs.

    Args:
        circuit: without its noise.
        states: just before the first step of the movement.
        inputs: of the movement.
        targets: of the movement.
        conditions: one label per trial.
        dt: seconds per step.
    """

    circuit: AbstractCircuit
    states: Float[np.ndarray, "trial unit"]
    inputs: Float[np.ndarray, "trial time input"]
    targets: Float[np.ndarray, "trial time output"]
    conditions: tuple[str, ...]
    dt: float

    def outputs(self, *, states=None, inputs=None) -> Float[np.ndarray, "trial time output"]:
        """What the circuit produces, from its own states and inputs unless others are given."""
        states, inputs = self.states if states is None else states, self.inputs if inputs is None else inputs
        n_trials, n_steps = inputs.shape[:2]
        silent = jnp.zeros((n_trials, n_steps, 1))
        trials = Trials(inputs, silent, dt=self.dt, conditions=[str(i) for i in range(n_trials)])
        restarted = Restarted(self.circuit, jnp.asarray(states).T)
        return np.asarray(simulate(restarted, trials, key=jax.random.key(0)).outputs)  # the key is for noise

    def first_of_each(self) -> "AtGo":
        """The first trial of every condition."""
        index = [self.conditions.index(condition) for condition in dict.fromkeys(self.conditions)]
        return dataclasses.replace(
            self,
            states=self.states[index],
            inputs=self.inputs[index],
            targets=self.targets[index],
            conditions=tuple(self.conditions[i] for i in index),
        )

    def opposite(self) -> np.ndarray:
        """For every trial the first trial of the condition half way round, in the order of the conditions.

        Raises:
            ValueError: if there is only one condition.
        """
        order = list(dict.fromkeys(self.conditions))
        if len(order) < 2:
            raise ValueError("there is one condition and none to swap it with; give trials of two or more.")
        other = {name: order[(i + len(order) // 2) % len(order)] for i, name in enumerate(order)}
        return np.array([self.conditions.index(other[condition]) for condition in self.conditions])


def at_go(circuit: AbstractCircuit, trials: Trials, *, epoch: str = "movement", time_s: float = 0.0) -> AtGo:
    """Cut the trials at the start of an epoch, or `time_s` after it, up to the end of the epoch.

    Trials in which the epoch is empty (no go) are left out; epochs of unequal length are cut to the shortest.

    Raises:
        ValueError: if there is no such epoch, it is empty in every trial, the cut is outside a trial or after
            its epoch, or the circuit's outputs are not those of the trials.
    """
    steps = epoch_steps(trials, epoch)
    going = np.flatnonzero(steps[:, 1] > steps[:, 0])
    if not going.size:
        raise ValueError(f"epoch {epoch!r} is empty in every trial; name another, or give other trials.")
    start = steps[going, 0] + int(np.round(time_s / trials.dt))
    n_steps = int((steps[going, 1] - start).min())
    if start.min() < 0 or n_steps < 2:
        raise ValueError(
            f"{time_s} s from the start of epoch {epoch!r} is outside a trial or after the epoch; give a time inside."
        )
    circuit = noiseless(circuit)
    first = np.asarray(circuit.initial_state(trials.n_trials)).T[going, None]
    states = np.concatenate([first, states_along(circuit, trials)[going]], axis=1)
    n_outputs = circuit.outputs(circuit.rates(jnp.asarray(first[:, 0].T))).shape[0]
    if n_outputs != trials.targets.shape[2]:
        raise ValueError(
            f"the circuit has {n_outputs} outputs and the trials ask for {trials.targets.shape[2]}; give a "
            "circuit with a readout for this task."
        )
    time = start[:, None] + np.arange(n_steps)[None, :]
    return AtGo(
        circuit=circuit,
        states=states[np.arange(going.size), start],
        inputs=np.asarray(trials.inputs)[going[:, None], time],
        targets=np.asarray(trials.targets, np.float64)[going[:, None], time],
        conditions=tuple(trials.conditions[i] for i in going),
        dt=trials.dt,
    )


def movement_r2(outputs, targets, group) -> float:
    r"""R², pooled over a group of outputs as in `OutputR2`; -inf if an output is not finite.

    Raises:
        ValueError: if the targets do not vary.
    """
    outputs, targets = outputs[..., list(group)], targets[..., list(group)]
    axes = tuple(range(targets.ndim - 1))
    spread = ((targets - targets.mean(axes)) ** 2).sum()
    if not spread > 0:
        raise ValueError(f"target outputs {tuple(group)} are constant in the movement; name others.")
    with np.errstate(over="ignore", invalid="ignore"):
        error = ((outputs - targets) ** 2).sum()
    return float(1 - error / spread) if np.isfinite(error) else -np.inf
