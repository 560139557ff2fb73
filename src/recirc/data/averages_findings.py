"""What is wrong with average rates, or worth knowing."""

from collections.abc import Iterator

import numpy as np

from recirc.data import guesses
from recirc.data.finding import BLOCKS, NOTE, WRONG, Finding
from recirc.data.screening import listed
from recirc.types import Activity

FEWEST_CONDITIONS, FEWEST_SAMPLES = 4, 5
HIGHEST_RATE = 200.0  # spikes/s, averaged over time
LOWEST_RATE = 2.0  # spikes/s, below which units with a spike each may agree by chance
COPIED = 0.999  # correlation of average rates above which two units are one


def check_averages(
    averages: Activity, *, for_fit: bool = True, n_folds: int = 4, recorded_fraction: float | None = None
) -> list[Finding]:
    """What is found in average rates, whatever file they come from.

    Args:
        averages: spikes/s.
        for_fit: whether they are to be fitted, which needs conditions and units to leave out, or to be compared.
        n_folds, recorded_fraction: of the fit, as for `fewest_units`.

    Example:
        >>> import numpy as np
        >>> rates = np.random.default_rng(0).uniform(0, 20, (8, 50, 9))
        >>> check_averages(recirc.Activity(rates, dt=0.01, conditions=range(0, 360, 45)))
        []
    """
    needed = fewest_units(n_folds, recorded_fraction)
    of_a_fit = _of_conditions(averages, needed) if for_fit else ()
    return [*of_a_fit, *_of_outputs(averages), *_of_rates(averages, np.asarray(averages.rates, float))]


def fewest_units(n_folds: int = 4, recorded_fraction: float | None = None) -> int:
    """How many units a fit needs: two in every fold, and one that is recorded.

    Args:
        n_folds: groups of units, judged one after the other.
        recorded_fraction: share of all units that serve as hints; none for all of the other folds.

    Example:
        >>> fewest_units(4), fewest_units(2, recorded_fraction=0.05)
        (8, 11)
    """
    needed = 2 * n_folds
    while recorded_fraction is not None and round(recorded_fraction * needed) < 1:
        needed = max(needed + 1, int(0.5 / recorded_fraction))
    return needed


def _of_conditions(averages: Activity, needed: int) -> Iterator[Finding]:
    labels = list(dict.fromkeys(averages.conditions))
    if len(labels) < 2:
        why = next((f" {note}" for note in averages.notes if note.startswith(guesses.ONE_CONDITION)), "")
        yield Finding(BLOCKS, "conditions", f"{len(labels)} conditions: {listed(labels)}.{why}",
                      "A fit leaves conditions or trials out and chooses among the others; rotations need two "
                      "conditions, since their mean is removed.",
                      "Name the columns that tell conditions apart, as in --set "
                      "'preprocessing.conditions=[\"target_direction\"]'.")  # fmt: skip
    if (n_units := len(averages.units)) < needed:
        yield Finding(BLOCKS, "units", f"{n_units} units can be used.",
                      f"Units are held out to judge a fit by, which needs {needed}.",
                      "Add units, give fewer folds, or lower preprocessing.minimum_reliability.")  # fmt: skip


def _of_outputs(averages: Activity) -> Iterator[Finding]:
    if averages.outputs is None or not averages.outputs.shape[2]:
        return
    outputs = np.asarray(averages.outputs, float)
    still = np.flatnonzero(np.ptp(outputs, axis=(0, 1)) <= 1e-9 * np.abs(outputs).max(axis=(0, 1)))
    if len(still):
        told = "Behavior" if len(still) == outputs.shape[2] else f"Channel {listed(still)} of behavior"
        yield Finding(BLOCKS if told == "Behavior" else WRONG, "behavior", f"{told} never changes.",
                      "Networks are to produce behavior; one that is constant asks nothing of them.",
                      "Choose other behavior, or none: --set 'preprocessing.behavior=[]'.")  # fmt: skip


def _of_rates(averages: Activity, rates: np.ndarray) -> Iterator[Finding]:
    if silent := [averages.conditions[i] for i in np.flatnonzero(~rates.any(axis=(1, 2)))]:
        yield Finding(WRONG, "conditions", f"No unit fires in {len(silent)} trials or averages: {listed(silent)}.",
                      "They may lie outside what was recorded.", "Leave them out.")  # fmt: skip
    names, mean = np.asarray(averages.units), rates.mean(axis=(0, 1))
    if (fast := mean > HIGHEST_RATE).any():
        yield Finding(WRONG, "units", f"Mean rates above {HIGHEST_RATE:g} spikes/s: {listed(names[fast])}.",
                      "No neuron fires so fast for long; times may be in the wrong unit, or units merged.",
                      "Check the sorting and the unit of time.")  # fmt: skip
    names, flat = names[mean > LOWEST_RATE], rates.reshape(-1, rates.shape[2])[:, mean > LOWEST_RATE]
    flat = flat - flat.mean(axis=0)
    flat = flat / np.maximum(np.sqrt((flat**2).sum(axis=0)), 1e-12)
    if pairs := [f"{names[i]} and {names[j]}" for i, j in np.argwhere(np.triu(flat.T @ flat, k=1) > COPIED)]:
        yield Finding(WRONG, "units", f"Units that are copies of each other: {listed(pairs, 4)}.",
                      "A unit held out would be known from its copy.", "Remove one of each pair.")  # fmt: skip
    n_samples, n_units = rates.shape[0] * rates.shape[1], rates.shape[2]
    if n_samples < FEWEST_SAMPLES * n_units:
        yield Finding(NOTE, "conditions", f"{n_samples} samples (conditions times bins) for {n_units} units.",
                      "Comparisons reduce units to components, and are loose with under 5 samples per dimension.",
                      "Use a longer window or more conditions.")  # fmt: skip
