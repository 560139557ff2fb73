"""Train one network on part of a recording, and predict the rest of it."""

import dataclasses
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from recirc.analyses.arrays import weights_of
from recirc.analyses.fit_conditions import Completion, completed
from recirc.analyses.fit_config import Candidate, FitConfig
from recirc.analyses.fit_trials import (
    make_trials,
    network_clock,
    output_scale,
    recorded_units,
    reliable_units,
    resample,
    unit_folds,
)
from recirc.analyses.pieces import Result, specification_key
from recirc.circuits import RateNetwork, simulate
from recirc.compare import NeuronMap
from recirc.train import fit
from recirc.types import Activity, Outcome, Trials


@dataclasses.dataclass(frozen=True)
class Piece:
    """One network: on what it is trained and what it has to predict.

    Args:
        left_out: places of the conditions that have no part in the training.
        fold: of the units to predict, in the left-out conditions.
        seed: of the network; those that choose the regime have -1.
        candidate: settings of the network.
        penalties: of the map to units; there is a prediction with each.
        is_trained: otherwise a random network, driven alike, with a map fitted to the same.
        completion: smooth tuning of the conditions that are not left out.
    """

    left_out: tuple[int, ...]
    fold: int
    seed: int
    candidate: Candidate
    penalties: tuple[float, ...]
    is_trained: bool = True
    completion: Completion | None = None

    @property
    def is_inner(self) -> bool:
        return self.seed < 0

    @property
    def what(self) -> str:
        """What pieces of this kind are, in the plural."""
        return "networks that choose the regime" if self.is_inner else "networks"


def train_piece(activity: Activity, config: FitConfig, study_seed: int, piece: Piece) -> Result:
    """Predictions of one network for the units of its fold in its left-out conditions, in spikes/s.

    Networks of one seed, fold and left-out conditions share their random numbers, trained or not.

    Args:
        activity: a recording made ready by `prepare`.
        config: of the fit.
        study_seed: decides unit folds and which units are recorded.
        piece: which network.
    """
    trainer = config.trainer.scaled(**piece.candidate.factors)
    place = {"study_seed": study_seed, "left_out": piece.left_out, "fold": piece.fold, "seed": piece.seed}
    network_key, fit_key, run_key = jax.random.split(specification_key(place), 3)
    recorded = recorded_units(activity, piece.fold, config, seed=study_seed)
    recorded = recorded[reliable_units(activity, piece.left_out, config)[recorded]]
    whole = completed(activity, config, piece.left_out, piece.completion, piece.candidate.completion)
    asked, trained = whole.activity, np.arange(whole.n_trained)
    trials = make_trials(asked, config, recorded, trained, whole.known.encoded, whole.events, whole.courses)
    network = RateNetwork.random(
        key=network_key,
        n_units=config.network.n_units,
        n_inputs=trials.inputs.shape[2],
        n_outputs=trials.targets.shape[2],
        gain=trainer.initial_gain,
        input_scale=config.network.input_scale * piece.candidate.inputs,
        time_constant=config.network.time_constant,
        bias_scale=piece.candidate.bias_scale,
    )
    history = []
    if piece.is_trained:
        found = fit(trainer, network, trials.select(trained), key=fit_key)
        if found.outcome is Outcome.DIVERGED:
            return Result({}, {"outcome": found.message, "history": found.history})
        network, history = found.network, found.history
    made = simulate(network, trials.replace(hints=None), key=run_key)
    network = _with_readout(network, made, trials, trained, config.readout_penalty)
    made = made.replace(outputs=made.rates @ network.readout.T)
    fold = unit_folds(activity, config, seed=study_seed)[piece.fold]
    unseen = asked.select_units([asked.units[i] for i in fold])
    made = _in_bins(made, asked, config)
    left_out = made.select(np.arange(whole.n_trained, asked.n_trials))
    maps = [NeuronMap.fit(made.select(trained), unseen.select(trained), penalties=[each]) for each in piece.penalties]
    arrays = {"prediction": np.stack([np.asarray(fitted.predict(left_out).rates) for fitted in maps])}
    if piece.is_trained and not piece.is_inner:
        outputs = np.asarray(made.outputs) * output_scale(asked, trained)
        back = _places(activity.n_trials, piece.left_out, whole.n_trained)
        arrays |= {"rates": np.asarray(made.rates, np.float32)[back], "outputs": outputs.astype(np.float32)[back]}
        arrays |= weights_of(network, np.float32)
    return Result(arrays, {"history": history})


def _places(n_conditions: int, left_out: Sequence[int], n_trained: int) -> np.ndarray:
    """Where the recorded conditions are among those that were completed."""
    places = np.empty(n_conditions, int)
    rest = np.delete(np.arange(n_conditions), list(left_out))
    places[rest], places[list(left_out)] = np.arange(len(rest)), n_trained + np.arange(len(left_out))
    return places


def _with_readout(
    network: RateNetwork, made: Activity, trials: Trials, trained: np.ndarray, penalty: float
) -> RateNetwork:
    """The network with a readout refitted to its noiseless rates.

    A readout that is learned under private noise as strong as here shrinks outputs to half their size.
    """
    rates = made.rates[trained].reshape(-1, network.n_units)
    targets = trials.targets[trained].reshape(-1, trials.targets.shape[2])
    gram = rates.T @ rates
    ridge = gram + penalty * jnp.trace(gram) / len(gram) * jnp.eye(len(gram))
    return dataclasses.replace(network, readout=jnp.linalg.solve(ridge, rates.T @ targets).T)


def _in_bins(made: Activity, activity: Activity, config: FitConfig) -> Activity:
    """A network's activity at the recording's own times."""
    clock = network_clock(activity.time, config)
    rates, outputs = (resample(values, clock, activity.time) for values in (made.rates, made.outputs))
    return activity.replace(rates=rates, outputs=outputs, units=None)
