"""Students by full-FORCE: units of their own, the sums of which are the recorded ones."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from recirc.circuits import RateNetwork, simulate
from recirc.studies.qian2024.circuit import Recording, in_trials
from recirc.studies.qian2024.design import FORCE, GAIN, N_FORCE, N_OUTPUTS, PULSE, TAU
from recirc.train import Fit, FullForce, fit
from recirc.types import Activity, Outcome, Trials


def hinted_trials(rates: np.ndarray, outputs: np.ndarray, dt: float) -> Trials:
    """Trials of a second: hints are the recorded rates; targets are these and, after them, the circuit's outputs.

    Inputs are, for `PULSE` seconds, what the recorded units did at first: the network starts every trial in one state.
    """
    rates, outputs = in_trials(rates, dt), in_trials(outputs, dt)
    inputs = np.zeros(rates.shape)
    inputs[:, : round(PULSE / dt)] = rates[:, :1]
    names = [str(i) for i in range(len(rates))]
    return Trials(inputs, np.concatenate([rates, outputs], axis=2), dt=dt, conditions=names, hints=rates)


def untrained(trials: Trials, key) -> RateNetwork:
    """A random network with the inputs of these trials, whose sums are the targets as nearly as they can be."""
    network = RateNetwork.random(
        n_units=N_FORCE, n_inputs=trials.inputs.shape[2], n_outputs=1, gain=GAIN, time_constant=TAU, key=key
    )
    return read_out(dataclasses.replace(network, readout=network.readout[:0]), trials, trials.targets)


def train_hinted(network: RateNetwork, trials: Trials, *, with_task: bool, key) -> Fit:
    """Full-FORCE; without the task its outputs are fitted afterwards, by least squares, and J knows nothing of them."""
    trainer = FullForce(**FORCE, update_interval=trials.dt)
    if with_task:
        return fit(trainer, network, trials, key=key)
    recorded, task = np.split(np.asarray(trials.targets), [-N_OUTPUTS], axis=2)
    own = dataclasses.replace(network, readout=network.readout[:-N_OUTPUTS])
    trained = fit(trainer, own, trials.replace(targets=recorded), key=key)
    if trained.outcome is Outcome.DIVERGED:
        return trained
    return dataclasses.replace(trained, network=read_out(trained.network, trials, task))


def read_out(network: RateNetwork, trials: Trials, targets) -> RateNetwork:
    """The network with further outputs, which make these targets best, by least squares, where it runs by itself."""
    rates, wanted = (_flat(each) for each in (_alone(network, trials).rates, targets))
    rows = np.linalg.lstsq(rates, wanted, rcond=1e-6)[0].T
    return dataclasses.replace(network, readout=jnp.concatenate([network.readout, jnp.asarray(rows)]))


def run_hinted(network: RateNetwork, run: Recording, units: np.ndarray) -> Float[np.ndarray, "trial time unit"]:
    """What a student makes of the recorded units, and after them its own units, from the second step of a run on."""
    trials = hinted_trials(run.rates[:, :, units], run.outputs, run.trials.dt)
    made = _alone(network, trials)
    both = np.concatenate([np.asarray(made.outputs)[:, :, : len(units)], np.asarray(made.rates)], axis=2)
    return both.reshape(*run.rates.shape[:2], both.shape[2])[:, 1:]


def task_error(network: RateNetwork, trials: Trials) -> float:
    """Normalized squared error of the task's outputs in a run by itself."""
    made = np.asarray(_alone(network, trials).outputs)[:, :, -N_OUTPUTS:]
    wanted = np.asarray(trials.targets)[:, :, -N_OUTPUTS:]
    return float(np.sum((made - wanted) ** 2) / np.sum(wanted**2))


def _alone(network: RateNetwork, trials: Trials) -> Activity:
    return simulate(dataclasses.replace(network, noise=None), trials, key=jax.random.key(0))  # nothing is random


def _flat(values) -> np.ndarray:
    return np.asarray(values, float).reshape(-1, values.shape[2])
