"""Train one network on part of a recording, and predict the rest of it."""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from recirc.analyses import specification_key
from recirc.circuits import RateNetwork, simulate
from recirc.compare import NeuronMap
from recirc.runs import Result
from recirc.studies.fit_inputs import (
    Candidate,
    FitConfig,
    Recording,
    load,
    make_trials,
    network_clock,
    output_scale,
    resample,
)
from recirc.train import fit
from recirc.types import Activity, Outcome, Trials

WEIGHTS = ("recurrent", "input_weights", "readout", "bias", "start")


@dataclasses.dataclass(frozen=True)
class Piece:
    """One network: on what it is trained and what it has to predict.

    Args:
        data: the recording.
        config: of the fit.
        study_seed: decides unit folds and which units are recorded.
        left_out: places of the directions that have no part in the training.
        fold: of the units to predict, in the left-out directions.
        seed: of the network; those that choose the regime have -1.
        candidate: settings of the network.
        penalties: of the map to units; there is a prediction with each.
        is_trained: otherwise a random network, driven alike.
    """

    data: Path
    config: FitConfig
    study_seed: int
    left_out: tuple[int, ...]
    fold: int
    seed: int
    candidate: Candidate
    penalties: tuple[float, ...]
    is_trained: bool = True

    @property
    def is_inner(self) -> bool:
        return self.seed < 0


def train_piece(piece: Piece) -> Result:
    """Predictions of one network for the units of its fold in its left-out directions, in spikes/s.

    Networks of one seed, fold and left-out direction share their random numbers, trained or not.
    """
    recording = load(piece.data, piece.config, piece.study_seed)
    config = piece.config
    trainer = piece.candidate.trainer(config.trainer)
    names = ("study_seed", "left_out", "fold", "seed")
    network_key, fit_key, run_key = jax.random.split(
        specification_key({name: getattr(piece, name) for name in names}), 3
    )
    trained = np.setdiff1d(np.arange(len(recording.angles)), piece.left_out)
    recorded = recording.recorded(piece.fold, config, piece.study_seed)
    trials = make_trials(recording, config, recorded, trained)
    network = RateNetwork.random(
        key=network_key,
        n_units=config.network.n_units,
        n_inputs=trials.inputs.shape[2],
        n_outputs=trials.targets.shape[2],
        gain=trainer.embedder_gain,
        input_scale=config.network.input_scale,
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
    return _result(piece, recording, network, _in_bins(made, recording, config), trained, history)


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


def _in_bins(made: Activity, recording: Recording, config: FitConfig) -> Activity:
    """A network's activity at the recording's own times."""
    time = recording.activity.time
    rates, outputs = (resample(a, network_clock(time, config), time) for a in (made.rates, made.outputs))
    return recording.activity.replace(rates=rates, outputs=outputs, units=None)


def _result(
    piece: Piece, recording: Recording, network: RateNetwork, made: Activity, trained: np.ndarray, history: list
) -> Result:
    unseen = recording.activity.select_units([recording.activity.units[i] for i in recording.folds[piece.fold]])
    maps = [
        NeuronMap.fit(made.select(trained), unseen.select(trained), penalties=[penalty]) for penalty in piece.penalties
    ]
    left_out = made.select(list(piece.left_out))
    arrays = {"prediction": np.stack([np.asarray(fitted.predict(left_out).rates) for fitted in maps])}
    if piece.is_trained and not piece.is_inner:
        outputs = np.asarray(made.outputs) * output_scale(recording, trained)
        arrays |= {"rates": np.asarray(made.rates, np.float32), "outputs": outputs.astype(np.float32)}
        arrays |= {name: np.asarray(getattr(network, name), np.float32) for name in WEIGHTS}
    return Result(arrays, {"history": history})
