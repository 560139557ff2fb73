"""What a network is compared with, and on what."""

import dataclasses

from recirc import compare
from recirc.types import Activity

TURN = 0.4  # seconds of movement in which rotations are looked for, about one turn in reaches
Window = tuple[float, float]


@dataclasses.dataclass(frozen=True)
class VerdictConfig:
    """On what a network is compared with a reference.

    Args:
        preparation, movement: windows, (start, stop) in seconds on the reference's clock; None for what is before and
            after 0 if that is inside, else for the halves.
        rotation: window of jPCA; None for the first 0.4 s of `movement`.
        onset: when the reference's time 0 is on the network's own clock, seconds; None for the start of the epoch
            "movement" of the trials, if they have one, else 0.
        soft: constant of soft normalization for the reference, in the unit of its rates; 5 suits spikes/s, None takes
            0.2 of its median range and suits networks.
        left_out: conditions that the network was not trained on: similarities are fitted to the others and judged on
            these. Without any, they are judged where they were fitted.
        n_draws: surrogates per null; 99 give a smallest p of .01. Without any, only what needs none is said.
        n_resamples: draws of units behind the reference's intervals.
        n_splits: halvings of the reference that distances are compared with; 199 give a smallest p of .005, which
            six features need.
        n_pairs: samples of the network that are compared with the reference.
        n_twins: untrained twins of a circuit that are judged beside it.
        n_units: units per draw, at most as many as the reference has; None for as many as the network has.
        least_units: units that change under which nothing else is said of a network.
        epochs: of the trials in which fixed points are sought; it needs 64-bit floats.

    Example:
        >>> VerdictConfig(preparation=(-0.4, 0.0), movement=(0.0, 0.5), n_draws=199).n_draws
        199
    """

    preparation: Window | None = None
    movement: Window | None = None
    rotation: Window | None = None
    onset: float | None = None
    soft: float | None = 5.0
    left_out: tuple[str, ...] = ()
    n_draws: int = 99
    n_resamples: int = 100
    n_splits: int = 199
    n_pairs: int = 49
    n_twins: int = 5
    n_units: int | None = None
    least_units: int = 10
    epochs: tuple[str, ...] = ()

    def resolved(self, reference: Activity, n_units: int) -> "VerdictConfig":
        """The same with nothing left open but the onset, for this reference and networks of `n_units`."""
        start, stop = reference.start, float(reference.time[-1])
        middle = 0.0 if start < 0 < stop else (start + stop) / 2
        movement = self.movement or (middle, stop)
        return dataclasses.replace(
            self,
            preparation=self.preparation or (start, middle),
            movement=movement,
            rotation=self.rotation or (movement[0], min(movement[0] + TURN, movement[1])),
            soft=compare.soft_constant(reference) if self.soft is None else self.soft,
            n_units=self.n_units or n_units,
        )


@dataclasses.dataclass(frozen=True)
class Reference:
    """Activity to compare with.

    Args:
        activity: averages over repeats, on a clock whose 0 is the movement's onset if it has one.
        name: what it is, in words.
        single_trials: in the same window, at least two of every condition; how alike its halves are is what a network
            can hope for.
        another: a second circuit of the same kind, which serves instead where there are no single trials.
        mechanism: how its movements are known to arise, one of `compare.mechanism.VERDICTS`; None if unknown.
    """

    activity: Activity
    name: str = "reference"
    single_trials: Activity | None = None
    another: Activity | None = None
    mechanism: str | None = None
