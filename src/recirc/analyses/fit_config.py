"""What decides a fit of a recording but the data and the seed."""

import dataclasses
from typing import NamedTuple

from recirc.data import Preprocessing
from recirc.train import AbstractTrainer, FullForce


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

    @property
    def factors(self) -> dict[str, float]:
        """The factors that are not 1, by the name that `AbstractTrainer.tunable` has for them."""
        return {name: value for name, value in self._asdict().items() if name != "bias_scale" and value != 1}


@dataclasses.dataclass(frozen=True)
class FitConfig:
    """Everything that decides a fit but the data and the seed. Times are in seconds.

    The drives are weak, since a network that is driven hard follows its hints and generalizes badly.

    Args:
        network: the networks before training.
        trainer: how they are trained; any trainer that uses hints.
        recorded_fraction: share of all units that serve as hints; none for all units of the other folds.
        n_folds: groups of units, judged one after the other.
        held_out: names of units that alone are judged, in these groups, and are never hints; or the one column of the
            units that marks them ("heldout"). None for every unit in turn.
        n_seeds: networks per unit fold and left-out direction.
        bias_scales: candidates for the spread of the fixed bias currents; chosen inside the training set.
        gain_factors, drive_factors, noise_factors: further candidates, times what the trainer calls its gain, drive and
            noise (`AbstractTrainer.tunable`); each is tried with the middle one of `bias_scales`.
        penalties: candidates for the penalty of the map to unseen units (of `NeuronMap`); chosen likewise.
        readout_penalty: of the readout, refitted without noise after training, times the mean squared rate.
        soft_normalization: spikes/s added to each unit's range before its rates are divided by it.
        dt: the network's clock, below half of its time constant.
        warm_up: before the recording starts, with its first sample held.
        go_cue: when the go input switches on, on the recording's time axis; by default at its event "go...", if it has
            one, else at 0 if that is inside the recording, otherwise after a fifth of it.
        assume_equal_spacing: place conditions whose labels are no angles around the circle.
        preprocessing: how a session of spikes becomes averages; not used for averages.

    Raises:
        ValueError: if a number is out of range, or the trainer makes no use of hints.
    """

    network: NetworkConfig = dataclasses.field(default_factory=NetworkConfig)
    trainer: AbstractTrainer = dataclasses.field(
        default_factory=lambda: FullForce(
            embedder_gain=0.5, drive=0.1, hint_drive=0.3, noise=1.0, update_interval=0.05, n_passes=15
        )
    )
    recorded_fraction: float | None = None
    n_folds: int = 4
    held_out: tuple[str, ...] = ()
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
    def candidates(self) -> tuple[Candidate, ...]:
        """The settings of networks from which each left-out direction's are chosen."""
        middle = self.bias_scales[len(self.bias_scales) // 2]
        factors = {"gain": self.gain_factors, "drive": self.drive_factors, "noise": self.noise_factors}
        return (
            *(Candidate(bias_scale) for bias_scale in self.bias_scales),
            *(
                Candidate(middle, **{name: factor})
                for name, values in factors.items()
                if name in self.trainer.tunable
                for factor in values
            ),
        )

    def __post_init__(self):
        if not self.trainer.uses_hints:
            raise ValueError(
                f"{type(self.trainer).__name__} makes no use of hints, so that it cannot be fitted to recorded units; "
                "give a trainer that does, such as FullForce or Ridge."
            )
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
