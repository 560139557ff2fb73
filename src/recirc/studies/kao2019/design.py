"""The study as data: task, training, arms and presets."""

import dataclasses
import itertools
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray

from recirc.analyses import VerdictConfig
from recirc.circuits import RateNetwork
from recirc.compare import find_fixed_points, flow_field, mechanism_of
from recirc.data import movement_onset
from recirc.tasks import DelayedReach
from recirc.tasks.angles import angle_label
from recirc.train import Bptt, RatePenalty, WeightPenalty

SOURCE = "Kao 2019, doi 10.1152/jn.00467.2018"
METHODS = (DelayedReach, RateNetwork, Bptt, RatePenalty, WeightPenalty, mechanism_of, find_fixed_points, flow_field)
ARMS = {  # fields of `RateNetwork.random`
    "tanh": {"nonlinearity": jnp.tanh},
    "relu": {"nonlinearity": jax.nn.relu},
    "softplus": {"nonlinearity": jax.nn.softplus},
    "relu_dale": {"nonlinearity": jax.nn.relu, "excitatory_fraction": 0.8},
}
TARGET_OFF_SHARES = (0.0, 0.25, 0.5)  # of the trials of training, in which the target's input goes off at go
GROUPS = ((0, 1), (2, 3))  # outputs: velocity, position
PERFORMS = 0.95  # smallest R² of velocity and position that counts as doing the task
N_UNITS = 100
N_TRIALS = 320  # to train and to stop by
WEIGHT_PENALTY = 1e-3
DELAY = 0.5  # seconds, of the trials that are compared

# Seconds from movement onset (`data.movement_onset`), for networks and references alike; the networks' go is at GO.
GO = -0.225
PREPARATION, MOVEMENT, ROTATION, COMPARED = (-0.45, -0.23), (0.0, 0.45), (-0.05, 0.35), (-0.45, 0.5)
WINDOWS = {"preparation": PREPARATION, "movement": MOVEMENT, "rotation": ROTATION, "compared": COMPARED}
EPOCHS = ("hold", "delay", "movement")
NETWORK = ["arm", "target_off_share", "rate_penalty", "seed"]  # what tells networks apart; without the seed, a cell

INPUT_NOISES = (0.1, 0.2, 0.5, 1.0)
NOISES = {  # where else there is noise: inputs, and the epoch
    "noise_in_delay": {"channels": (0, 1), "epoch": "delay"},
    "noise_on_go_line": {"channels": (2,), "epoch": None},
    "noise_after_go": {"channels": (0, 1), "epoch": "movement"},
}
NOISE = 0.5  # sigma of these: where it shows and networks still reach
SWITCHES = (-0.25, 0.0, 0.1, 0.2)  # seconds from go at which the target jumps by 90 degrees
RADII = (0.75, 1.25)
DELAYS = (0.1, 2.0)


@dataclasses.dataclass(frozen=True)
class Preset:
    """How large the study is.

    Args:
        n_seeds: networks per cell.
        arms: names of `ARMS`.
        rate_penalties: weights of the mean squared rate.
        n_draws: surrogates per null, of the first seed: none enters a claim.
        n_pairs: samples of a network's units that are compared with the reference.
        training: fields of `Bptt`.
    """

    n_seeds: int
    arms: tuple[str, ...]
    rate_penalties: tuple[float, ...]
    n_draws: int
    n_pairs: int
    training: Mapping[str, float]


TRAINING = {"n_updates": 25, "learning_rate": 6e-3, "input_noise": 0.2, "goal_r2": None}
PRESETS = {
    "quick": Preset(8, ("tanh", "relu"), (0.0, 0.1), 49, 15, {**TRAINING, "n_passes": 12, "ramp": 4}),
    "full": Preset(
        10, ("tanh", "relu", "softplus", "relu_dale"), (0.0, 0.1, 1.0), 199, 49,
        {**TRAINING, "n_passes": 40, "ramp": 10},
    ),
}  # fmt: skip


def left_out(angles: tuple[float, ...], seed: int) -> tuple[float, ...]:
    """The two opposite directions that networks of a seed are not trained on: another pair for every seed in turn."""
    half = len(angles) // 2
    return angles[seed % half], angles[seed % half + half]


def task(angles: tuple[float, ...], target_off_share: float, **changes) -> DelayedReach:
    """The delayed reach that networks are trained on, with 10 % catch trials.

    Args:
        angles: directions in degrees.
        target_off_share: share of trials in which the target's input goes off at go; it stays until the movement ends
            in the others.
        changes: other fields of `DelayedReach`.
    """
    fields = {"hold": (0.1, 0.2), "delay": (0.2, 0.6), "movement": 0.75, "after": 0.1, "target_off": 0.0, "catch": 0.1}
    return DelayedReach(**{"angles": angles, "target_off_share": target_off_share, **fields, **changes})


def measured_task(angles: tuple[float, ...], **changes) -> DelayedReach:
    """The one task that every network is measured on: the target on throughout, one hold and delay, no catch trials."""
    return task(angles, 0.0, **{"hold": 0.2, "delay": DELAY, "catch": 0.0, **changes})


def comparison(onset: float, n_draws: int, *, n_pairs: int = 49, left_out: tuple[float, ...] = ()) -> VerdictConfig:
    """On what networks are compared with the reference; 139 halves are enough for six features (p of .0072).

    Args:
        onset: on their own clock, in seconds.
        n_draws, n_pairs: as in `VerdictConfig`.
        left_out: directions that they were not trained on.
    """
    return VerdictConfig(
        preparation=PREPARATION, movement=MOVEMENT, rotation=ROTATION, onset=onset, n_draws=n_draws, n_pairs=n_pairs,
        n_splits=139, left_out=tuple(map(angle_label, left_out)), n_units=N_UNITS, epochs=EPOCHS,
    )  # fmt: skip


def onset(task: DelayedReach) -> float:
    """When the movement begins in trials of one hold and one delay, as in a recording; seconds from their start."""
    trials = task.trials(1, key=jax.random.key(0))  # nothing is drawn
    return float(movement_onset(np.asarray(trials.targets)[:, :, :2], trials.time)[0])


def untrained(arm: str, *, n_units: int = N_UNITS, key: PRNGKeyArray) -> RateNetwork:
    """The untrained network: fully connected but for autapses, spectral radius 1.1, time constant 50 ms."""
    return RateNetwork.random(
        key=key, n_units=n_units, n_inputs=3, n_outputs=4, gain=1.1, input_scale=0.5, readout_scale=0.1, autapses=False,
        time_constant=0.05, **ARMS[arm],
    )  # fmt: skip


def trainer(rate_penalty: float, **training) -> Bptt:
    """How networks are trained: a fixed number of updates, so that no cell stops earlier than another.

    Args:
        rate_penalty: weight of the mean squared rate.
        training: fields of `Bptt`.
    """
    weights = tuple(WeightPenalty(WEIGHT_PENALTY, of) for of in ("recurrent", "input_weights", "readout"))
    return Bptt(penalties=(RatePenalty(rate_penalty), *weights), **training)


def specifications(preset: Preset, seed: int, reference: dict) -> list[dict]:
    """One entry per network, everything that decides its numbers included.

    Args:
        preset: how many.
        seed: of everything random.
        reference: what `reference.describe` says of it.
    """
    shared = {"study_seed": seed, "n_units": N_UNITS, "n_pairs": preset.n_pairs, "training": dict(preset.training)}
    cells = itertools.product(preset.arms, preset.rate_penalties, TARGET_OFF_SHARES)
    return [
        {"arm": arm, "target_off_share": share, "rate_penalty": penalty, "seed": index, **shared,
         "n_draws": 0 if index else preset.n_draws, "reference": reference}
        for arm, penalty, share in cells for index in range(preset.n_seeds)
    ]  # fmt: skip
