"""The training of one network on a task, with what is measured of it."""

import dataclasses
import functools
import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import PRNGKeyArray

from recirc import compare
from recirc.analyses import Result, Row, specification_key
from recirc.analyses.arrays import weights_of
from recirc.analyses.pieces import Batchable, Failure, attempt
from recirc.circuits import RateNetwork, simulate
from recirc.studies.sweep.bases import AbstractBase
from recirc.tasks import AbstractTask, CenterOutReach
from recirc.train import AbstractTrainer, Fit, FullForce, fit, fit_batch
from recirc.train.base import checked
from recirc.train.batch import AbstractBatchable
from recirc.types import Outcome, Trials

_USUAL = inspect.signature(RateNetwork.random).parameters


@dataclasses.dataclass(frozen=True)
class Circuit:
    """The network before training; inputs and outputs are those of the task.

    Args:
        n_units, gain, density, input_scale, time_constant, noise, bias_scale, readout_scale, autapses,
            excitatory_fraction: as of `RateNetwork.random`, defaults too.
    """

    n_units: int = _USUAL["n_units"].default
    gain: float = _USUAL["gain"].default
    density: float = _USUAL["density"].default
    input_scale: float = _USUAL["input_scale"].default
    time_constant: float = _USUAL["time_constant"].default
    noise: float = _USUAL["noise"].default
    bias_scale: float = _USUAL["bias_scale"].default
    readout_scale: float = _USUAL["readout_scale"].default
    autapses: bool = _USUAL["autapses"].default
    excitatory_fraction: float | None = _USUAL["excitatory_fraction"].default


@dataclasses.dataclass(frozen=True)
class Training(AbstractBase):
    """The training of one network on a task.

    The output error on the trials of the training is always measured.

    Args:
        task, n_trials: what it is trained on.
        circuit: the network before.
        trainer: how it is trained.
        test: another task, whose trials it has never seen, on which the output error is measured; None for none.
        probes: tests of the trained network under changed circumstances.
        portraits: measures of its activity in the trials.

    Raises:
        ValueError: if `n_trials` is not positive.
    """

    task: AbstractTask = dataclasses.field(default_factory=CenterOutReach)
    n_trials: int = 8
    circuit: Circuit = dataclasses.field(default_factory=Circuit)
    trainer: AbstractTrainer = dataclasses.field(default_factory=FullForce)
    test: AbstractTask | None = None
    probes: tuple[compare.AbstractProbe, ...] = ()
    portraits: tuple[compare.AbstractPortrait, ...] = ()

    def __post_init__(self):
        if self.n_trials < 1:
            raise ValueError(f"n_trials must be at least 1, got {self.n_trials}.")

    @property
    def inputs(self) -> tuple[Path, ...]:
        return ()


@dataclasses.dataclass(frozen=True)
class Piece:
    """One network of a sweep.

    Args:
        training: how it is made and measured.
        seed: of everything random, with the training.
        keep: "weights", "history".
    """

    what = "networks"
    training: Training
    seed: int
    keep: tuple[str, ...] = ()

    @functools.cached_property
    def kind(self) -> str:
        """Networks of one kind take about as long."""
        return f"{type(self.training.trainer).__name__} {self.training.circuit.n_units}"


class _Begun(NamedTuple):
    """A network before training, with its trials, and the keys of its training, of the test and of the measures."""

    network: RateNetwork
    trials: Trials
    fit_key: PRNGKeyArray
    test_key: PRNGKeyArray
    probe_key: PRNGKeyArray


def train_piece(piece: Piece) -> Result:
    """Train one network and measure it. Its random numbers are drawn from the hash of all that it is."""
    begun = _begin(piece)
    return _measured(piece, begun, fit(piece.training.trainer, begun.network, begun.trials, key=begun.fit_key))


def train_pieces(pieces: Sequence[Piece]) -> list[Result | Failure]:
    """As `train_piece`, to rounding: networks of one shape are trained as one program and measured one by one.

    What fails before or after the training is its own failure.

    Raises:
        RuntimeError, ValueError: as `fit_batch`, such as for want of memory; then nothing is known of any.
    """
    found = [attempt(_begin, piece) for piece in pieces]
    ready = [i for i, begun in enumerate(found) if not isinstance(begun, Failure)]
    fits = fit_batch(
        [pieces[i].training.trainer for i in ready], [found[i].network for i in ready],
        [found[i].trials for i in ready], keys=[found[i].fit_key for i in ready],
    )  # fmt: skip
    for i, trained in zip(ready, fits):
        found[i] = attempt(_measured, pieces[i], found[i], trained)
    return found


def is_batchable(piece: Piece) -> bool:
    """Whether its trainer can train many at once."""
    return isinstance(piece.training.trainer, AbstractBatchable)


train_many = Batchable(train_piece, train_pieces, is_batchable)


def _begin(piece: Piece) -> _Begun:
    training = piece.training
    keys = jax.random.split(specification_key({"training": training, "seed": piece.seed}), 5)
    task_key, network_key, *others = keys
    trials = training.task.trials(training.n_trials, key=task_key)
    network = RateNetwork.random(
        key=network_key, n_inputs=trials.inputs.shape[2], n_outputs=trials.targets.shape[2], **vars(training.circuit)
    )  # fmt: skip
    checked(training.trainer, network, trials)
    return _Begun(network, trials, *others)


def _measured(piece: Piece, begun: _Begun, found: Fit) -> Result:
    training, trials, probe_key = piece.training, begun.trials, begun.probe_key
    history = {"history": found.history} if "history" in piece.keep else {}
    if found.outcome is Outcome.DIVERGED:
        return Result({}, {"outcome": found.message} | history)
    scores = [compare.NewTrials("train")(found.network, trials, key=probe_key)]
    if training.test is not None:
        unseen = training.test.trials(training.n_trials, key=begun.test_key)
        scores.append(compare.NewTrials("test")(found.network, unseen, key=probe_key))
    scores += [probe(found.network, trials, key=probe_key) for probe in training.probes]
    rows = [Row.of(score, "network") for score in scores]
    if training.portraits:
        made = simulate(found.network, trials, key=probe_key)
        drawn = [portrait(made) for portrait in training.portraits]
        names = [score.metric for score in drawn]
        rows += [Row.of(s, "network", {"set": "train"} if names.count(s.metric) == 1 else None) for s in drawn]
    arrays = weights_of(found.network, np.float32) if "weights" in piece.keep else {}
    return Result(arrays, {"rows": [dataclasses.asdict(row) for row in rows]} | history)
