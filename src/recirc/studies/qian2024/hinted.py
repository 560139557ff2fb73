"""Students by full-FORCE: units of their own, the sums of which are the recorded ones."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from recirc.circuits import RateNetwork, simulate
from recirc.compare.output_error import normalized_error
from recirc.studies.qian2024.circuit import KICK, N_KICKED, Recording, in_trials
from recirc.studies.qian2024.design import DRIVE, FORCE, FRACTION, GAIN, N_MANY, N_OUTPUTS, PULSE, TAU
from recirc.train import Fit, FullForce, fit
from recirc.types import Activity, Outcome, Score, Trials


def hinted_trials(rates: np.ndarray, outputs: np.ndarray, dt: float) -> Trials:
    """Trials of a second: hints are the recorded rates; targets are these and, after them, the circuit's outputs.

    Inputs are, for `PULSE` seconds, what the recorded units did at first: the network starts every trial in one state.
    """
    rates, outputs = in_trials(rates, dt), in_trials(outputs, dt)
    names = [str(i) for i in range(len(rates))]
    targets = np.concatenate([rates, outputs], axis=2)
    return Trials(_told(rates, dt), targets, dt=dt, conditions=names, hints=rates)


def _told(rates: np.ndarray, dt: float) -> np.ndarray:
    """Inputs: for `PULSE` seconds the first of these rates, then nothing."""
    inputs = np.zeros(rates.shape)
    inputs[:, : round(PULSE / dt)] = rates[:, :1]
    return inputs


def untrained(trials: Trials, n_units: int, key) -> RateNetwork:
    """A random network with the inputs of these trials, whose sums are the targets as nearly as they can be.

    All inputs together are as strong, however many units are recorded.
    """
    network = RateNetwork.random(
        n_units=n_units, n_inputs=trials.inputs.shape[2], n_outputs=1, gain=GAIN, time_constant=TAU, key=key
    )
    weights = network.input_weights * _each_of(trials.inputs.shape[2])
    network = dataclasses.replace(network, input_weights=weights, readout=network.readout[:0])
    return read_out(network, trials, trials.targets)


def _each_of(n: int) -> float:
    """Factor of each of n weights, so that they sum up to as much as those of a tenth of the usual circuit's units."""
    return float(np.sqrt(FRACTION * N_MANY / n))


def train_hinted(network: RateNetwork, trials: Trials, *, with_task: bool, key) -> Fit:
    """Full-FORCE; without the task its outputs are fitted afterwards, by least squares, and J knows nothing of them."""
    recorded, task = np.split(np.asarray(trials.targets), [-N_OUTPUTS], axis=2)
    trainer = FullForce(**FORCE, drive=DRIVE * _each_of(recorded.shape[2]), update_interval=trials.dt)
    if with_task:
        return fit(trainer, network, trials, key=key)
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


def hinted_kicks(network: RateNetwork, n_recorded: int, n_steps: int, dt: float) -> Float[np.ndarray, "kick time unit"]:
    """What a student makes of the recorded units when it is told of a kick to each of them, or to the first of many.

    That is the change which the kick makes: told of nothing, its tanh units are not silent.

    Args:
        network: the student.
        n_recorded: how many recorded units it makes.
        n_steps: that are looked at.
        dt: seconds per step.
    """
    n_kicks = min(n_recorded, N_KICKED)
    rates = np.zeros((n_kicks + 1, n_steps, n_recorded))
    rates[np.arange(n_kicks), 0, np.arange(n_kicks)] = KICK
    told = _told(rates, dt)
    trials = Trials(told, told[:, :, :0], dt=dt, conditions=["kick"] * len(told))
    recorded = dataclasses.replace(network, readout=network.readout[:n_recorded])
    made = np.asarray(_alone(recorded, trials).outputs)
    return made[:-1] - made[-1]


def task_error(network: RateNetwork, trials: Trials) -> Score:
    """Of the task's outputs, in a run by itself."""
    made = np.asarray(_alone(network, trials).outputs)[:, :, -N_OUTPUTS:]
    wanted = np.asarray(trials.targets)[:, :, -N_OUTPUTS:]
    return normalized_error(made, wanted, np.ones(wanted.shape[:2]), trials.conditions, level="performance")


def _alone(network: RateNetwork, trials: Trials) -> Activity:
    return simulate(dataclasses.replace(network, noise=None), trials, key=jax.random.key(0))  # nothing is random


def _flat(values) -> np.ndarray:
    return np.asarray(values, float).reshape(-1, values.shape[2])
