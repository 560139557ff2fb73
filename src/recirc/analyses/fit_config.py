"""What decides a fit of a recording but the data and the seed."""

import dataclasses
import math
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

    Example:
        >>> FitConfig(network=NetworkConfig(n_units=100)).network.n_units
        100
    """

    n_units: int = 300
    input_scale: float = 0.3
    time_constant: float = 0.05


COMPLETIONS = ("raw", "smoothed", "none")


class Candidate(NamedTuple):
    """Settings of a network.

    Args:
        bias_scale: spread of its biases.
        gain, drive, noise: factors on what the trainer calls so.
        inputs: factor on the scale of input weights.
        completion: what it is trained on, a member of `COMPLETIONS`.
    """

    bias_scale: float
    gain: float = 1.0
    drive: float = 1.0
    noise: float = 1.0
    inputs: float = 1.0
    completion: str = "raw"

    @property
    def is_for_training(self) -> bool:
        """Whether it differs in what an untrained network has not: drive and noise."""
        return self.drive != 1 or self.noise != 1

    @property
    def factors(self) -> dict[str, float]:
        """The factors that are not 1, by the name that `AbstractTrainer.tunable` has for them."""
        return {name: value for name in ("gain", "drive", "noise") if (value := getattr(self, name)) != 1}


def _timed(event: str) -> tuple[str, float]:
    name, colon, seconds = event.rpartition(":")
    try:
        return (name, float(seconds)) if colon else (event, math.inf)
    except ValueError:  # the colon belongs to the name
        return event, math.inf


@dataclasses.dataclass(frozen=True)
class FitConfig:
    """Everything that decides a fit but the data and the seed. Times are in seconds.

    The drives are weak, since a network that is driven hard follows its hints and generalizes badly. Networks are also
    trained on virtual conditions between the recorded ones, which a Gaussian process fills in
    (`fit_conditions.virtual_conditions`).

    Args:
        network: the networks before training.
        trainer: how they are trained; any trainer that uses hints.
        recorded_fraction: share of all units that serve as hints; none for all units of the other folds.
        n_folds: groups of units, judged one after the other.
        held_out: names of units that alone are judged, in these groups, and are never hints; or the one column of the
            units that marks them ("heldout"). None for every unit in turn.
        n_seeds: networks per unit fold and left-out direction.
        bias_scales: candidates for the spread of the fixed bias currents; chosen inside the training set.
        covariates: columns that describe a condition, of its covariates; by default those that `covariates_of` finds.
        events: names of events that are inputs, each a step, or with ":" and seconds a pulse ("target_on:0.05"); by
            default the go cue alone.
        inputs: names of covariates that are time courses, or of series of a session: what networks get in the place of
            steady covariates and the go cue, each divided by its largest absolute value.
        leave_out: how many groups of conditions are left out one after the other; by default every condition is by
            itself, of more than 12 conditions there are eight groups.
        leave_out_by: covariate of which one value at a time is left out, instead.
        n_trial_folds: into so many folds trials fall, where nothing but names is known of conditions.
        completions: candidates for what networks are trained on: "raw" averages with virtual conditions, "smoothed"
            averages with them, "none" for recorded conditions alone.
        gain_factors, drive_factors, noise_factors, input_factors: further candidates, times what the trainer calls its
            gain, drive and noise (`AbstractTrainer.tunable`), and times the scale of inputs; each is tried with the
            middle one of `bias_scales` and the first of `completions`.
        penalties: candidates for the penalty of the map to unseen units (of `NeuronMap`); chosen likewise.
        readout_penalty: of the readout, refitted without noise after training, times the mean squared rate.
        soft_normalization: spikes/s added to each unit's range before its rates are divided by it.
        dt: the network's clock, below half of its time constant.
        warm_up: before the recording starts, with its first sample held.
        go_cue: when the go input switches on, on the recording's time axis; by default at its event "go...", if it has
            one, else at 0 if that is inside the recording, otherwise after a fifth of it.
        subsets: how many random subsets of the units, of each of several sizes, are fitted to see what a mechanism owes
            to which units were recorded (`unit_subsets`); 0 for none.
        subset_components: leading components of the rates that these fits see; all directions if omitted.
        assume_equal_spacing: place conditions whose labels are no angles around the circle.
        preprocessing: how a session of spikes becomes averages; not used for averages.

    Raises:
        ValueError: if a number is out of range, or the trainer makes no use of hints.

    Example:
        >>> FitConfig(n_seeds=5, trainer=recirc.train.Ridge()).n_folds
        4
    """

    network: NetworkConfig = dataclasses.field(default_factory=NetworkConfig)
    trainer: AbstractTrainer = dataclasses.field(
        default_factory=lambda: FullForce(
            embedder_gain=0.5, drive=0.1, hint_drive=0.3, noise=0.25, update_interval=0.05, n_passes=15
        )
    )
    recorded_fraction: float | None = None
    n_folds: int = 4
    held_out: tuple[str, ...] = ()
    n_seeds: int = 3
    covariates: tuple[str, ...] | None = None
    events: tuple[str, ...] | None = None
    inputs: tuple[str, ...] = ()
    leave_out: int | None = None
    leave_out_by: str | None = None
    n_trial_folds: int = 4
    completions: tuple[str, ...] = COMPLETIONS
    bias_scales: tuple[float, ...] = (1.0,)
    gain_factors: tuple[float, ...] = ()
    drive_factors: tuple[float, ...] = ()
    noise_factors: tuple[float, ...] = (0.4, 2.0)
    input_factors: tuple[float, ...] = (2.0,)
    penalties: tuple[float, ...] = (1e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1)
    readout_penalty: float = 1e-4
    soft_normalization: float = 5.0
    dt: float = 0.01
    warm_up: float = 0.3
    go_cue: float | None = None
    subsets: int = 0
    subset_components: int | None = None
    assume_equal_spacing: bool = False
    preprocessing: Preprocessing = dataclasses.field(default_factory=Preprocessing)

    @property
    def timed_events(self) -> tuple[tuple[str, float], ...]:
        """Name of every event that is named as an input, and how long it lasts, s; without end if it is a step."""
        return tuple(map(_timed, self.events or ()))

    @property
    def has_choice(self) -> bool:
        """Whether there is more than one regime."""
        return len(self.candidates) > 1 or len(self.penalties) > 1

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """The settings of networks from which each left-out direction's are chosen."""
        middle, first = self.bias_scales[len(self.bias_scales) // 2], self.completions[0]
        factors = {"gain": self.gain_factors, "drive": self.drive_factors, "noise": self.noise_factors}
        factors = {name: values for name, values in factors.items() if name in self.trainer.tunable}
        return (
            *(Candidate(bias_scale, completion=first) for bias_scale in self.bias_scales),
            *(
                Candidate(middle, completion=first)._replace(**{name: factor})
                for name, values in {**factors, "inputs": self.input_factors}.items()
                for factor in values
            ),
            *(Candidate(middle, completion=completion) for completion in self.completions[1:]),
        )

    def __post_init__(self):
        if not self.trainer.uses_hints:
            raise ValueError(
                f"{type(self.trainer).__name__} makes no use of hints, so that it cannot be fitted to recorded units; "
                "give a trainer that does, such as FullForce or Ridge."
            )
        if self.trainer.one_to_one:
            raise ValueError(
                f"{type(self.trainer).__name__}'s units are the recorded ones, and a fit of a recording has others "
                "too; call recirc.fit with it, or give another trainer, such as FullForce."
            )
        factors = (*self.gain_factors, *self.drive_factors, *self.noise_factors, *self.input_factors)
        if min(factors, default=1.0) <= 0:
            raise ValueError("gain_factors, drive_factors, noise_factors and input_factors must be positive.")
        if not self.completions or set(self.completions) - set(COMPLETIONS):
            raise ValueError(f"completions are {self.completions}; give one or more of {', '.join(COMPLETIONS)}.")
        if self.subsets < 0 or self.subsets == 1:
            raise ValueError(f"subsets is {self.subsets}; give 2 or more of each size, better 20, or 0 for none.")
        if self.n_trial_folds < 2:
            raise ValueError(f"n_trial_folds is {self.n_trial_folds}; one fold is left out, so give 2 or more.")
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
        if wrong := [event for event, (_, lasting) in zip(self.events or (), self.timed_events) if not lasting > 0]:
            raise ValueError(
                f"the pulse {wrong[0]!r} has no duration; give seconds after the colon, as in 'name:0.05'."
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
