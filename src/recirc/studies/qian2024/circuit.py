"""The circuits at work: what is recorded of them, and what they do when they are kicked."""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from recirc import circuits
from recirc.analyses import specification_key
from recirc.circuits import RateNetwork, Restarted, Teacher, simulate
from recirc.studies.qian2024.design import (
    ACTIVE,
    BENT,
    CENTRAL,
    CONNECTED,
    CONTROL,
    DT,
    FINE,
    LONG,
    N_OUTPUTS,
    N_TRIALS,
    NOISE,
    SECONDS,
    START,
    STEPS,
    TAU,
    TRIAL,
)  # fmt: skip
from recirc.types import Trials

KICK, AFTER, N_KICKED = 0.1, 0.5, 50  # size of a kick, seconds that are looked at after it, and units kicked at most


class Recording(NamedTuple):
    """A run of a circuit, all of it: trials whose inputs are the noise that drove each unit, and what units did."""

    trials: Trials
    rates: Float[np.ndarray, "trial time unit"]
    outputs: Float[np.ndarray, "trial time output"]

    def until(self, n_steps: int) -> "Recording":
        """Its first steps."""
        inputs, targets = self.trials.inputs[:, :n_steps], self.trials.targets[:, :n_steps]
        trials = Trials(inputs, targets, dt=self.trials.dt, conditions=self.trials.conditions)
        return Recording(trials, self.rates[:, :n_steps], self.outputs[:, :n_steps])


@functools.lru_cache(maxsize=1)
def made(study_seed: int, seed: int, circuit: str, n_units: int) -> tuple[Teacher, np.ndarray]:
    """A circuit with outputs that are random sums of all its units, and the order in which its units are recorded."""
    key = specification_key({"study_seed": study_seed, "seed": seed, "circuit": circuit, "n_units": n_units})
    teacher_key, output_key, order_key = jax.random.split(key, 3)
    kind, nonlinearity = (CENTRAL, jnp.tanh) if circuit == BENT else (circuit, circuits.linear)
    found = circuits.teacher(kind, n_units=n_units, key=teacher_key, time_constant=TAU, nonlinearity=nonlinearity)
    readout = jax.random.normal(output_key, (N_OUTPUTS, n_units)) / np.sqrt(n_units)
    order = np.asarray(jax.random.permutation(order_key, n_units))
    return found._replace(network=dataclasses.replace(found.network, readout=readout)), order


def step_of(data: str, circuit: str) -> float:
    """Seconds in a step of a run of a circuit of this kind; of runs after kicks, as of a recording."""
    return FINE if data == "fine_steps" else STEPS.get(circuit, DT)


@functools.lru_cache(maxsize=2)
def recording(data: str, is_new: bool, noise: float = NOISE, **circuit) -> Recording:
    """A run from random states: "recording" and "fine_steps" are one, "trials" many short ones.

    Args:
        data: which.
        is_new: another run than that which students are shown.
        noise: of the circuit, as `noise_trials` has it; the same draws, whatever their strength.
        circuit: arguments of `made`.
    """
    network = made(**circuit)[0].network
    start_key, noise_key, key = jax.random.split(specification_key(circuit | {"data": data, "is_new": is_new}), 3)
    is_long = data == "recording" and circuit["circuit"] in (CENTRAL, CONTROL) and not is_new and noise == NOISE
    seconds, n_trials = LONG if is_long else SECONDS, 1
    dt = step_of(data, circuit["circuit"])
    if data == "trials":
        seconds, n_trials = TRIAL, round(SECONDS / TRIAL) if is_new else N_TRIALS
    sizes = {"n_steps": round(seconds / dt), "n_trials": n_trials}
    trials = circuits.noise_trials(network.n_units, **sizes, dt=dt, noise=noise, key=noise_key)
    starts = START * jax.random.normal(start_key, (network.n_units, n_trials))
    run = simulate(Restarted(network, starts), trials, key=key)
    return Recording(trials, np.asarray(run.rates), np.asarray(run.outputs))


def shown_run(asked: Mapping[str, Any], is_new: bool, circuit: dict) -> Recording:
    """The seconds of a run that all students of it are measured on."""
    whole = recording(asked["data"], is_new, asked["noise"], **circuit)
    if asked["data"] == "trials":
        n_trials = round(SECONDS / TRIAL)
        return Recording(whole.trials.select(np.arange(n_trials)), whole.rates[:n_trials], whole.outputs[:n_trials])
    return whole.until(round(SECONDS / whole.trials.dt))


def in_trials(values: np.ndarray, dt: float) -> np.ndarray:
    """A run, cut into trials of `TRIAL` seconds."""
    return values.reshape(-1, round(TRIAL / dt), values.shape[2])


def units_of(asked: Mapping[str, Any], circuit: dict) -> tuple[np.ndarray, np.ndarray]:
    """Units that are recorded, and those that are not.

    They are the first ones of a random order; or those of largest variance in the run that is shown; or, from one of
    them on, always that with the largest weights from and to those that are recorded already.
    """
    teacher, order = made(**circuit)
    if asked["recorded"] == ACTIVE:
        order = np.argsort(-shown_run(asked, False, circuit).rates.var(axis=(0, 1)), kind="stable")
    if asked["recorded"] == CONNECTED:
        order = by_connection(np.asarray(teacher.network.recurrent), int(order[0]))
    recorded, others = np.split(order, [round(asked["fraction"] * len(order))])
    return recorded, others


def by_connection(weights: np.ndarray, first: int) -> np.ndarray:
    """All units, each with the largest summed |J| from and to those before it."""
    strengths = np.abs(weights) + np.abs(weights).T
    order, pull = [first], strengths[first].copy()
    while len(order) < len(weights):
        pull[order] = -1.0
        order.append(int(np.argmax(pull)))
        pull = pull + strengths[order[-1]]
    return np.array(order)


def kicked(asked: Mapping[str, Any], circuit: dict) -> Float[np.ndarray, "kick time unit"]:
    """What recorded units do after a kick to each of them in turn, at the origin, without noise."""
    units = units_of(asked, circuit)[0]
    return _after_kicks_of(tuple(units[:N_KICKED].tolist()), **circuit)[:, :, units]


@functools.lru_cache(maxsize=2)
def _after_kicks_of(units: tuple[int, ...], **circuit) -> np.ndarray:
    """What all units of a circuit do after a kick to each of these."""
    return after_kicks(made(**circuit)[0].network, np.array(units), step_of("recording", circuit["circuit"]))


def after_kicks(network: RateNetwork, units: np.ndarray, dt: float) -> Float[np.ndarray, "kick time unit"]:
    """What all units do after a kick to each of these in turn (of many, to the first ones), in steps of dt."""
    network = dataclasses.replace(network, noise=None, input_weights=jnp.zeros((network.n_units, 0)))
    kicks = KICK * jnp.eye(network.n_units)[:, units[:N_KICKED]]
    shape = kicks.shape[1], round(AFTER / dt)
    silent = [jnp.zeros((*shape, n)) for n in (0, len(network.readout))]
    still = Trials(*silent, dt=dt, conditions=["kick"] * shape[0])
    rates = simulate(Restarted(network, kicks), still, key=jax.random.key(0)).rates  # nothing is random
    return np.asarray(rates)
