"""The study as data: task, training, arms and presets."""

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray

from recirc.analyses import VerdictConfig
from recirc.circuits import RateNetwork
from recirc.data import movement_onset
from recirc.tasks import DelayedReach
from recirc.train import Bptt, RatePenalty, WeightPenalty

SOURCE = "Kao 2019, doi 10.1152/jn.00467.2018"
NONLINEARITIES = {"tanh": jnp.tanh, "relu": jax.nn.relu}
TARGET_LINES = {"on": None, "off_at_go": 0.0}  # when the target's input goes off, seconds from go
GROUPS = ((0, 1), (2, 3))  # outputs: velocity, position
PERFORMS = 0.95  # smallest R² of velocity and position that counts as doing the task
N_UNITS = 100
N_TRIALS = 320  # to train and to stop by
WEIGHT_PENALTY = 1e-3
TRAINING = {"n_passes": 30, "n_updates": 50, "ramp": 10, "n_passes_least": 16, "learning_rate": 3e-3}
DELAY = 0.5  # seconds, of the trials that are compared

# Seconds from movement onset (`data.movement_onset`), for networks and references alike; the networks' go is at GO.
GO = -0.225
PREPARATION, MOVEMENT, ROTATION, COMPARED = (-0.45, -0.23), (0.0, 0.45), (-0.05, 0.35), (-0.45, 0.5)
WINDOWS = {"preparation": PREPARATION, "movement": MOVEMENT, "rotation": ROTATION, "compared": COMPARED}
EPOCHS = ("hold", "delay", "movement")
NETWORK = ["arm", "target_line", "rate_penalty", "seed"]  # what tells networks apart; without the seed, a cell

INPUT_NOISES = (0.05, 0.1, 0.2, 0.5, 1.0)
SWITCHES = (-0.25, 0.0, 0.1, 0.2)  # seconds from go at which the target jumps by 90 degrees
RADII = (0.75, 1.25, 1.5)
DELAYS = (0.1, 2.0)


@dataclasses.dataclass(frozen=True)
class Preset:
    """How large the study is.

    Args:
        n_seeds: networks per cell.
        rate_penalties: weights of the mean squared rate.
        n_draws: surrogates per null.
    """

    n_seeds: int
    rate_penalties: tuple[float, ...]
    n_draws: int


PRESETS = {"quick": Preset(2, (0.0, 0.01, 1.0), 99), "full": Preset(10, (0.0, 0.001, 0.01, 0.1, 1.0), 199)}


def task(angles: tuple[float, ...], target_line: str, **changes) -> DelayedReach:
    """The delayed reach that networks are trained on, with 10 % catch trials.

    Args:
        angles: directions in degrees.
        target_line: "on" shows the target until the end of the movement, "off_at_go" until go.
        changes: other fields of `DelayedReach`.
    """
    return DelayedReach(**{"angles": angles, "target_off": TARGET_LINES[target_line], "catch": 0.1, **changes})


def measured_task(angles: tuple[float, ...], target_line: str, **changes) -> DelayedReach:
    """The same with one hold and one delay, and no catch trials: what networks are measured on."""
    return task(angles, target_line, **{"hold": 0.2, "delay": DELAY, "catch": 0.0, **changes})


def comparison(onset: float, n_draws: int) -> VerdictConfig:
    """On what networks are compared with the reference; `onset` is on their own clock, in seconds."""
    return VerdictConfig(
        preparation=PREPARATION, movement=MOVEMENT, rotation=ROTATION, onset=onset, n_draws=n_draws, n_units=N_UNITS,
        epochs=EPOCHS,
    )  # fmt: skip


def onset(task: DelayedReach) -> float:
    """When the movement begins in trials of one hold and one delay, as in a recording; seconds from their start."""
    trials = task.trials(1, key=jax.random.key(0))  # nothing is drawn
    return float(movement_onset(np.asarray(trials.targets)[:, :, :2], trials.time)[0])


def untrained(nonlinearity: str, *, n_units: int = N_UNITS, key: PRNGKeyArray) -> RateNetwork:
    """The untrained network: fully connected but for autapses, spectral radius 1.1, time constant 50 ms."""
    return RateNetwork.random(
        key=key, n_units=n_units, n_inputs=3, n_outputs=4, gain=1.1, input_scale=0.5, readout_scale=0.1, autapses=False,
        time_constant=0.05, nonlinearity=NONLINEARITIES[nonlinearity],
    )  # fmt: skip


def trainer(rate_penalty: float, **training) -> Bptt:
    """How networks are trained, from `TRAINING`: at most 1,500 updates, penalties at full strength from the 500th on.

    From the 800th update on, where penalties have acted, it stops once R² of every output is .98 on trials held out.

    Args:
        rate_penalty: weight of the mean squared rate.
        training: fields of `Bptt`.
    """
    weights = tuple(WeightPenalty(WEIGHT_PENALTY, of) for of in ("recurrent", "input_weights", "readout"))
    penalties = (RatePenalty(rate_penalty), *weights) if rate_penalty else weights
    return Bptt(penalties=penalties, **training)


def specifications(preset: Preset, seed: int, reference: dict) -> list[dict]:
    """One entry per network, everything that decides its numbers included.

    Args:
        preset: how many.
        seed: of everything random.
        reference: what `reference.describe` says of it.
    """
    shared = {"study_seed": seed, "n_units": N_UNITS, "n_draws": preset.n_draws, "training": TRAINING}
    return [
        {"arm": arm, "target_line": line, "rate_penalty": penalty, "seed": index, **shared, "reference": reference}
        for index in range(preset.n_seeds)
        for line, arm, penalty in itertools.product(TARGET_LINES, NONLINEARITIES, preset.rate_penalties)
    ]
