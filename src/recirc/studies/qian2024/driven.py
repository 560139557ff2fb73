"""Students at work: driven as the recorded units of their circuit were."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, PRNGKeyArray

from recirc import circuits
from recirc.circuits import RateNetwork, Restarted, simulate
from recirc.studies.qian2024 import circuit as work
from recirc.studies.qian2024.circuit import Recording
from recirc.studies.qian2024.design import GAIN, is_hinted
from recirc.studies.qian2024.hinted import run_hinted
from recirc.train.student import first_states
from recirc.types import Trials


def empty_student(asked: Mapping[str, Any], circuit: dict) -> RateNetwork:
    """The circuit, cut down to the recorded units, without weights."""
    network, n_units = work.made(**circuit)[0].network, len(work.units_of(asked, circuit)[0])
    return dataclasses.replace(
        network, recurrent=jnp.zeros((n_units, n_units)), input_weights=jnp.zeros((n_units, 0)),
        readout=jnp.zeros((len(network.readout), n_units)), bias=jnp.zeros(n_units), start=jnp.zeros(n_units),
    )  # fmt: skip


def untrained_student(asked: Mapping[str, Any], circuit: dict, key: PRNGKeyArray) -> RateNetwork:
    """A random network of a student's size, whose first units are the recorded ones."""
    return circuits.with_hidden(empty_student(asked, circuit), asked["n_hidden"], key=key, gain=GAIN)


def driven(
    network: RateNetwork, run: Recording, units: np.ndarray, asked: Mapping[str, Any]
) -> Float[np.ndarray, "trial time unit"]:
    """Rates of a student that starts from what was recorded and gets the recorded units' own noise.

    Students by full-FORCE, which have no such units, get no noise; what they make of these units comes first.
    """
    if is_hinted(asked):
        return run_hinted(network, run, units)
    n_units, inputs, hints = len(units), run.trials.inputs[:, :, units], run.rates[:, :, units]
    shared = {"dt": run.trials.dt, "conditions": run.trials.conditions}
    seen = Trials(inputs, hints[:, :, :0], hints=hints, hint_units=[str(unit) for unit in units], **shared)
    later = Trials(inputs[:, 1:], hints[:, 1:, :0], **shared)
    weights = jnp.eye(network.n_units)[:, :n_units]
    alone = dataclasses.replace(network, input_weights=weights, readout=network.readout[:0], noise=None)
    return np.asarray(simulate(Restarted(alone, first_states(network, seen)), later, key=jax.random.key(0)).rates)


def runs_of(network, asked: Mapping[str, Any], circuit: dict) -> tuple[dict[str, Recording], dict[str, np.ndarray]]:
    """The run that a student saw and a new one, and what it does when it is driven as recorded units were."""
    units, runs = work.units_of(asked, circuit)[0], _shown_runs(asked, circuit)
    return runs, {name: driven(network, run, units, asked) for name, run in runs.items()}


def runs_renamed(network, asked: Mapping[str, Any], circuit: dict, orders: Sequence[np.ndarray]):
    """As `runs_of`, of a student whose units are taken for others of the recorded ones; orders are the first axis."""
    units, runs, made = work.units_of(asked, circuit)[0], _shown_runs(asked, circuit), {}
    for name, run in runs.items():
        inputs, rates = (np.concatenate([np.asarray(each)[:, :, units[order]] for order in orders])
                         for each in (run.trials.inputs, run.rates))  # fmt: skip
        names = [str(i) for i in range(len(rates))]
        trials = Trials(inputs, inputs[:, :, :0], dt=run.trials.dt, conditions=names)
        renamed = Recording(trials, rates, np.tile(run.outputs, (len(orders), 1, 1)))
        found = driven(network, renamed, np.arange(len(units)), asked)
        made[name] = found.reshape(len(orders), -1, *found.shape[1:])
    return runs, made


def _shown_runs(asked: Mapping[str, Any], circuit: dict) -> dict[str, Recording]:
    return {name: work.shown_run(asked, is_new, circuit) for name, is_new in (("train", False), ("new_run", True))}
