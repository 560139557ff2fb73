"""A recording made ready for fits: directions, unit folds, behavior, and trials on the network's clock."""

import dataclasses
import functools
import math
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.interpolate import CubicSpline

from recirc.data import DataWarning, condition_averages, directions, fewest_units, read_prepared
from recirc.data.findings import FEWEST_DIRECTIONS
from recirc.data.prepared import Prepared
from recirc.data.preprocessing import Preprocessing
from recirc.data.reliability import r2_ceiling
from recirc.train import FullForce
from recirc.types import Activity, Trials

REACTION, WIDTH = 0.25, 0.1  # seconds from go cue to peak speed, and s.d. of the modeled speed


@dataclasses.dataclass(frozen=True)
class NetworkConfig:
    """The networks before training.

    Args:
        n_units: at least as many as there are hints.
        input_scale: input weights are uniform in ± this.
        time_constant: seconds.
    """

    n_units: int = 300
    input_scale: float = 0.1
    time_constant: float = 0.05


class Candidate(NamedTuple):
    """Settings of a network: the spread of its biases, and factors on the trainer's gain, drives and noise."""

    bias_scale: float
    gain: float = 1.0
    drive: float = 1.0
    noise: float = 1.0

    def trainer(self, base: FullForce) -> FullForce:
        """The trainer with the factors applied."""
        return dataclasses.replace(
            base,
            embedder_gain=base.embedder_gain * self.gain,
            drive=base.drive * self.drive,
            hint_drive=base.hint_drive * self.drive,
            noise=base.noise * self.noise,
        )


@dataclasses.dataclass(frozen=True)
class FitConfig:
    """Everything that decides a fit but the data and the seed. Times are in seconds.

    The drives are weak, since a network that is driven hard follows its hints and generalizes badly.

    Args:
        network: the networks before training.
        trainer: how they are trained.
        recorded_fraction: share of all units that serve as hints; none for all units of the other folds.
        n_folds: groups of units, judged one after the other.
        n_seeds: networks per unit fold and left-out direction.
        bias_scales: candidates for the spread of the fixed bias currents; chosen inside the training set.
        gain_factors, drive_factors, noise_factors: further candidates, times the trainer's embedder gain, output
            and hint drives, and noise; each is tried with the middle one of `bias_scales`.
        penalties: candidates for the penalty of the map to unseen units (of `NeuronMap`); chosen likewise.
        readout_penalty: of the readout, refitted without noise after training, times the mean squared rate.
        soft_normalization: spikes/s added to each unit's range before its rates are divided by it.
        dt: the network's clock, below half of its time constant.
        warm_up: before the recording starts, with its first sample held.
        go_cue: when the go input switches on, on the recording's time axis; by default at 0 if that is inside
            the recording, otherwise after a fifth of it.
        assume_equal_spacing: place conditions whose labels are no angles around the circle.
        preprocessing: how a session of spikes becomes averages; not used for a file of averages.

    Raises:
        ValueError: if a number is out of range.
    """

    network: NetworkConfig = dataclasses.field(default_factory=NetworkConfig)
    trainer: FullForce = dataclasses.field(
        default_factory=lambda: FullForce(
            embedder_gain=0.5, drive=0.1, hint_drive=0.3, noise=1.0, update_interval=0.05, n_passes=15
        )
    )
    recorded_fraction: float | None = None
    n_folds: int = 4
    n_seeds: int = 3
    bias_scales: tuple[float, ...] = (0.0, 0.5, 1.0)
    gain_factors: tuple[float, ...] = (2.0,)
    drive_factors: tuple[float, ...] = (2.0,)
    noise_factors: tuple[float, ...] = (0.5,)
    penalties: tuple[float, ...] = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1)
    readout_penalty: float = 1e-4
    soft_normalization: float = 5.0
    dt: float = 0.01
    warm_up: float = 0.3
    go_cue: float | None = None
    assume_equal_spacing: bool = False
    preprocessing: Preprocessing = dataclasses.field(default_factory=Preprocessing)

    @property
    def candidates(self) -> "tuple[Candidate, ...]":
        """The settings of networks from which each left-out direction's are chosen."""
        middle = self.bias_scales[len(self.bias_scales) // 2]
        return (
            *(Candidate(bias_scale) for bias_scale in self.bias_scales),
            *(Candidate(middle, gain=factor) for factor in self.gain_factors),
            *(Candidate(middle, drive=factor) for factor in self.drive_factors),
            *(Candidate(middle, noise=factor) for factor in self.noise_factors),
        )

    def __post_init__(self):
        if min((*self.gain_factors, *self.drive_factors, *self.noise_factors), default=1.0) <= 0:
            raise ValueError("gain_factors, drive_factors and noise_factors must be positive.")
        if self.n_folds < 2 or self.n_seeds < 1 or self.network.n_units < 1:
            raise ValueError(
                f"n_folds must be at least 2, n_seeds and network.n_units at least 1; got {self.n_folds}, "
                f"{self.n_seeds} and {self.network.n_units}."
            )
        if not self.bias_scales or not self.penalties or min(self.penalties) <= 0:
            raise ValueError("bias_scales and penalties need a candidate each, and penalties are positive.")
        if not 0 < self.dt < self.network.time_constant / 2:
            raise ValueError(
                f"dt is {self.dt} s; it must be positive and below half the network's time constant "
                f"({self.network.time_constant} s)."
            )
        if self.warm_up < 0 or not min(self.soft_normalization, self.readout_penalty) > 0:
            raise ValueError("warm_up must not be negative; soft_normalization and readout_penalty must be positive.")
        if self.recorded_fraction is not None and not 0 < self.recorded_fraction <= 1 - 1 / self.n_folds:
            raise ValueError(
                f"recorded_fraction is {self.recorded_fraction}; with {self.n_folds} unit folds it must be above "
                f"0 and at most {1 - 1 / self.n_folds:g}, since the units of a fold are kept to judge by."
            )

    @property
    def fraction(self) -> float:
        """Share of the units that serve as hints."""
        return 1 - 1 / self.n_folds if self.recorded_fraction is None else self.recorded_fraction


class Recording(NamedTuple):
    """A recording with one trial per direction, in the order of their angles.

    Args:
        activity: rates in spikes/s, with outputs.
        angles: radians.
        folds: places of the units of every fold.
        is_modeled: whether the outputs are a modeled hand velocity and no recorded behavior.
        standard_error: of the rates, spikes/s, if there were single trials to tell.
    """

    activity: Activity
    angles: Float[np.ndarray, " direction"]
    folds: tuple[np.ndarray, ...]
    is_modeled: bool
    standard_error: Float[np.ndarray, "direction time unit"] | None = None

    @property
    def rates(self) -> Float[np.ndarray, "direction time unit"]:
        return np.asarray(self.activity.rates, np.float64)

    def scale(self, left_out: int, soft_normalization: float) -> Float[np.ndarray, " unit"]:
        """What rates are divided by when a direction is left out: every unit's range without it, plus a little."""
        return np.ptp(np.delete(self.rates, left_out, axis=0), axis=(0, 1)) + soft_normalization

    def ceiling(self, direction: int, soft_normalization: float) -> float | None:
        """R² that the true rates would reach in a left-out direction; None if trials do not tell."""
        if self.standard_error is None:
            return None
        scale = self.scale(direction, soft_normalization)
        found = r2_ceiling(self.rates[direction], self.standard_error[direction], scale)
        return found if np.isfinite(found) else None

    def recorded(self, fold: int, config: FitConfig, seed: int) -> np.ndarray:
        """Places of the units that serve as hints when a fold is judged; equal for all networks of a seed."""
        others = np.setdiff1d(np.arange(self.rates.shape[2]), self.folds[fold])
        if config.recorded_fraction is None:
            return others
        n_recorded = round(config.recorded_fraction * self.rates.shape[2])
        return np.sort(np.random.default_rng((seed, fold)).choice(others, n_recorded, replace=False))


def prepare(activity: Activity, config: FitConfig, *, seed: int) -> Recording:
    """A recording made ready; repeats of a condition are averaged.

    Args:
        activity: average rates; their standard error is not used if conditions have repeats.
        config: of the fit.
        seed: of the unit folds.

    Raises:
        ValueError: if there are too few directions or units, hints do not fit into the network, outputs are
            zero everywhere, or condition labels are no angles.
    """
    degrees = directions(activity, assume_equal_spacing=config.assume_equal_spacing)
    labels, n_units = [f"{angle:.9g}" for angle in degrees], activity.rates.shape[2]
    averages = condition_averages(np.asarray(activity.rates), labels)
    order = [labels.index(name) for name in averages.conditions]
    _check_size(len(order), n_units, config)
    angles, is_modeled = np.deg2rad(degrees[order]), activity.outputs is None
    if is_modeled:
        outputs = modeled_velocity(activity.time, angles, config)
    else:
        outputs = condition_averages(np.asarray(activity.outputs), labels).mean
    if not outputs.any():
        raise ValueError("the recording's outputs are zero everywhere; take them out, or put behavior there.")
    shuffled = np.random.default_rng(seed).permutation(n_units)
    has_error = activity.standard_error is not None and len(order) == activity.n_trials
    return Recording(
        activity.select(order).replace(rates=averages.mean, outputs=outputs, conditions=averages.conditions),
        angles,
        tuple(np.sort(shuffled[fold :: config.n_folds]) for fold in range(config.n_folds)),
        is_modeled,
        np.asarray(activity.standard_error)[order] if has_error else None,
    )


@functools.lru_cache(maxsize=1)
def load(data: Path, config: FitConfig, seed: int) -> Recording:
    """A recording made ready from a file, once per process."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)  # said once, where the run begins
        return prepare(read(data, config, seed).averages, config, seed=seed)


def read(data: Path, config: FitConfig, seed: int) -> Prepared:
    """A file as this fit wants it."""
    return read_prepared(
        data, config.preprocessing, assume_equal_spacing=config.assume_equal_spacing, n_folds=config.n_folds,
        recorded_fraction=config.recorded_fraction, seed=seed,
    )  # fmt: skip


def _check_size(n_directions: int, n_units: int, config: FitConfig) -> None:
    if n_directions < FEWEST_DIRECTIONS:
        raise ValueError(
            f"{n_directions} directions; a fit leaves one out and chooses its regime among the others, which "
            f"needs {FEWEST_DIRECTIONS} or more. `recirc compare` scores recordings with any two conditions."
        )
    if n_units < (needed := fewest_units(config.n_folds, config.recorded_fraction)):
        of = "" if config.recorded_fraction is None else f" of which {config.recorded_fraction:g} are recorded"
        raise ValueError(
            f"{n_units} units that change; {config.n_folds} folds{of} need {needed} or more. Give fewer folds (--set "
            "n_folds=2), record a larger fraction, or score the recording with `recirc compare`."
        )
    n_hints = math.floor(n_units * (1 - 1 / config.n_folds))
    if config.recorded_fraction is not None:
        n_hints = min(n_hints, round(config.recorded_fraction * n_units))
    if n_hints > config.network.n_units:
        raise ValueError(
            f"{n_hints} recorded units cannot drive a network of {config.network.n_units}; enlarge it (--set "
            f"network.n_units={n_hints}), or record fewer (--recorded-fraction "
            f"{config.network.n_units / n_units:.2f})."
        )


def go_cue(time: np.ndarray, config: FitConfig) -> float:
    """When the go input switches on, seconds on the recording's time axis."""
    if config.go_cue is not None:
        return config.go_cue
    return 0.0 if time[0] < 0 < time[-1] else float(time[0] + 0.2 * (time[-1] - time[0]))


def modeled_velocity(
    time: np.ndarray, angles: np.ndarray, config: FitConfig
) -> Float[np.ndarray, "direction time output"]:
    """A hand velocity toward each direction with a bell-shaped speed, peak 1, after the go cue."""
    go = go_cue(time, config)
    reaction = min(REACTION, max((time[-1] - go) / 2, 0.0))
    width = max(WIDTH * reaction / REACTION, time[1] - time[0])
    speed = np.exp(-0.5 * ((time - go - reaction) / width) ** 2)
    heading = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return heading[:, None, :] * speed[None, :, None]


def network_clock(time: np.ndarray, config: FitConfig) -> np.ndarray:
    """Times of the network's steps on the recording's time axis, the warm-up included."""
    n_warm_up = round(config.warm_up / config.dt)
    n_steps = math.ceil((time[-1] - time[0]) / config.dt - 1e-6) + 1
    return time[0] + config.dt * np.arange(-n_warm_up, n_steps)


def resample(values, time: np.ndarray, new: np.ndarray, *, axis: int = 1) -> np.ndarray:
    """Values at new times, by cubic splines; before the first and after the last time those are held."""
    return CubicSpline(time, np.asarray(values), axis=axis)(np.clip(new, time[0], time[-1]))


def make_trials(recording: Recording, config: FitConfig, recorded: np.ndarray, trained: np.ndarray) -> Trials:
    """Trials of all directions; hints and outputs are scaled by what they do in the trained directions.

    Inputs are the cosine and sine of the direction, always on, and a go cue that stays on.
    """
    time = recording.activity.time
    clock = network_clock(time, config)
    hints = recording.rates[:, :, recorded]
    mean, spread = (f(hints[trained], axis=(0, 1)) for f in (np.mean, np.std))
    hints = (hints - mean) / np.where(spread > 1e-9, spread, 1.0)
    outputs = np.asarray(recording.activity.outputs) / output_scale(recording, trained)
    heading = np.stack([np.cos(recording.angles), np.sin(recording.angles)], axis=1)
    shape = (len(recording.angles), len(clock))
    go = clock >= go_cue(time, config) - 1e-9
    inputs = [np.broadcast_to(heading[:, None, :], (*shape, 2)), np.broadcast_to(go[None, :, None], (*shape, 1))]
    return Trials(
        np.concatenate(inputs, axis=2).astype(float),
        resample(outputs, time, clock),
        dt=config.dt,
        conditions=recording.activity.conditions,
        hints=resample(hints, time, clock),
    )


def output_scale(recording: Recording, trained: np.ndarray) -> float:
    """Largest absolute output in the trained directions."""
    return float(np.abs(np.asarray(recording.activity.outputs)[trained]).max()) or 1.0
