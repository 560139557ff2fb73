"""States of a circuit along trials, without noise: what fixed points and mechanism tests start from."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from recirc.circuits import AbstractCircuit
from recirc.circuits.base import trajectory
from recirc.types import Trials


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


def epoch_steps(trials: Trials, epoch: str) -> Int[np.ndarray, "trial 2"]:
    """First step of an epoch and the first after it, per trial.

    Raises:
        ValueError: if the trials have no such epoch, or it leaves a trial.
    """
    if epoch not in trials.epochs:
        raise ValueError(f"the trials have no epoch {epoch!r}, only {sorted(trials.epochs)}; name one of these.")
    steps = np.round(trials.epochs[epoch] / trials.dt).astype(int)
    if steps.min() < 0 or steps.max() > trials.n_steps or (steps[:, 0] > steps[:, 1]).any():
        raise ValueError(
            f"epoch {epoch!r} runs from {trials.epochs[epoch][:, 0].min():g} to "
            f"{trials.epochs[epoch][:, 1].max():g} s and does not fit the {trials.time[-1]:g} s trials."
        )
    return steps
