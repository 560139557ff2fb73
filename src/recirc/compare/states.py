"""States of a circuit along trials, without noise, and movements cut out of them at the go cue."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from recirc.circuits import AbstractCircuit, simulate
from recirc.circuits.altered import Restarted
from recirc.circuits.base import trajectory
from recirc.compare.samples import condition_groups
from recirc.types import Activity, Trials


def states_along(circuit: AbstractCircuit, trials: Trials) -> Float[np.ndarray, "trial time unit"]:
    """States after every step of every trial, in float64 if that is on, without private noise.

    Raises:
        ValueError: if the circuit is noisy and has no field `noise` to leave out.

    Example:
        >>> import jax, recirc
        >>> trials = recirc.tasks.CenterOutReach().trials(8, key=jax.random.key(0))
        >>> network = recirc.circuits.RateNetwork.random(n_units=20, key=jax.random.key(1))
        >>> states_along(network, trials).shape
        (8, 550, 20)
    """
    inputs = jnp.transpose(jnp.asarray(trials.inputs, float), (1, 2, 0))
    states = _trajectory(noiseless(circuit), inputs, trials.dt)
    return np.transpose(np.asarray(states, np.float64), (2, 0, 1))


@eqx.filter_jit
def _trajectory(circuit, inputs, dt: float):
    return trajectory(circuit, inputs, dt, key=jax.random.key(0))  # the key is for noise, and there is none


def noiseless(circuit: AbstractCircuit) -> AbstractCircuit:
    """The circuit without private noise, its numbers in float64 if that is on.

    Raises:
        ValueError: if it is noisy and has no field `noise` to leave out.
    """
    if circuit.is_noisy:
        if "noise" not in {field.name for field in dataclasses.fields(circuit)}:
            raise ValueError(
                f"{type(circuit).__name__} is noisy and has no field `noise` to leave out; give the circuit "
                "inside it, or one without noise."
            )
        circuit = dataclasses.replace(circuit, noise=None)  # pyright: ignore[reportCallIssue]
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, float) if eqx.is_inexact_array(leaf) else leaf, circuit)


def epoch_steps(trials: Trials, epoch: str) -> tuple[Int[np.ndarray, " trial"], Int[np.ndarray, "trial 2"]]:
    """Trials in which an epoch is not empty, and its first step and the first after it in each of these.

    Raises:
        ValueError: if the trials have no such epoch, it leaves a trial, or it is empty in all.
    """
    if epoch not in trials.epochs:
        raise ValueError(f"the trials have no epoch {epoch!r}, only {sorted(trials.epochs)}; name one of these.")
    steps = np.round(trials.epochs[epoch] / trials.dt).astype(int)
    if steps.min() < 0 or steps.max() > trials.n_steps or (steps[:, 0] > steps[:, 1]).any():
        raise ValueError(
            f"epoch {epoch!r} runs from {trials.epochs[epoch][:, 0].min():g} to "
            f"{trials.epochs[epoch][:, 1].max():g} s and does not fit the {trials.time[-1]:g} s trials."
        )
    going = np.flatnonzero(steps[:, 1] > steps[:, 0])
    if not going.size:
        raise ValueError(f"epoch {epoch!r} is empty in every trial; name another, or give other trials.")
    return going, steps[going]


@dataclasses.dataclass(frozen=True)
class AtGo:
    """Movements of a circuit without noise, to be made again from other states or under other inputs.

    Args:
        circuit: without its noise.
        states: just before the first step of the movement.
        inputs, targets: of the movement.
        conditions: one label per trial.
        dt: seconds per step.
    """

    circuit: AbstractCircuit
    states: Float[np.ndarray, "trial unit"]
    inputs: Float[np.ndarray, "trial time input"]
    targets: Float[np.ndarray, "trial time output"]
    conditions: tuple[str, ...]
    dt: float

    def activity(self, *, states=None, inputs=None) -> Activity:
        """What the circuit does, from its own states and inputs unless others are given."""
        return simulate(*self._run(states, inputs), key=jax.random.key(0))  # the key is for noise, and there is none

    def visited(self) -> Float[np.ndarray, "trial time unit"]:
        """States after every step."""
        return states_along(*self._run(None, None))

    def _run(self, states, inputs) -> tuple[AbstractCircuit, Trials]:
        states, inputs = self.states if states is None else states, self.inputs if inputs is None else inputs
        n_trials, n_steps = inputs.shape[:2]
        silent = jnp.zeros((n_trials, n_steps, 1))
        trials = Trials(inputs, silent, dt=self.dt, conditions=[str(i) for i in range(n_trials)])
        return Restarted(self.circuit, jnp.asarray(states).T), trials

    def outputs(self, *, states=None, inputs=None) -> Float[np.ndarray, "trial time output"]:
        """What it produces."""
        return np.asarray(self.activity(states=states, inputs=inputs).outputs)

    def first_of_each(self) -> "AtGo":
        """The first trial of every condition."""
        groups = condition_groups(self.conditions)
        first = [group[0] for group in groups.values()]
        arrays = {name: getattr(self, name)[first] for name in ("states", "inputs", "targets")}
        return dataclasses.replace(self, conditions=tuple(groups), **arrays)

    def opposite(self) -> np.ndarray:
        """For every trial the first trial of the condition half way round, in order; a ValueError if there is one."""
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
    going, steps = epoch_steps(trials, epoch)
    start = steps[:, 0] + int(np.round(time_s / trials.dt))
    n_steps = int((steps[:, 1] - start).min())
    if start.min() < 0 or n_steps < 2:
        raise ValueError(
            f"{time_s} s from the start of epoch {epoch!r} is outside a trial or after the epoch; give a time inside."
        )
    circuit = noiseless(circuit)
    first = np.asarray(circuit.initial_state(trials.n_trials)).T[going, None]
    states = np.concatenate([first, states_along(circuit, trials)[going]], axis=1)
    check_n_outputs(circuit.outputs(circuit.rates(jnp.asarray(first[:, 0].T))).shape[0], trials)
    time = start[:, None] + np.arange(n_steps)[None, :]
    return AtGo(
        circuit=circuit,
        states=states[np.arange(going.size), start],
        inputs=np.asarray(trials.inputs)[going[:, None], time],
        targets=np.asarray(trials.targets, np.float64)[going[:, None], time],
        conditions=tuple(trials.conditions[i] for i in going),
        dt=trials.dt,
    )


def check_n_outputs(n_outputs: int, trials: Trials) -> None:
    """Raise a ValueError if a circuit has other than the outputs that trials ask for."""
    n_asked = trials.targets.shape[2]
    if n_outputs != n_asked:
        raise ValueError(
            f"the circuit has {n_outputs} outputs and the trials ask for {n_asked}; give a circuit with a readout for "
            "this task."
        )


def movement_r2(outputs, targets, group) -> float:
    """R², pooled over a group of outputs as in `OutputR2`; -inf if one is not finite; targets must vary."""
    outputs, targets = outputs[..., list(group)], targets[..., list(group)]
    axes = tuple(range(targets.ndim - 1))
    spread = ((targets - targets.mean(axes)) ** 2).sum()
    if not spread > 0:
        raise ValueError(f"target outputs {tuple(group)} are constant in the movement; name others.")
    with np.errstate(over="ignore", invalid="ignore"):
        error = ((outputs - targets) ** 2).sum()
    return float(1 - error / spread) if np.isfinite(error) else -np.inf
