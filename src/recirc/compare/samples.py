"""From two activities to two matrices of samples: the checks that every similarity makes."""

import warnings
from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float

from recirc.types import Activity

SAMPLES_PER_DIMENSION = 5
Fold = tuple[Float[np.ndarray, "_ _"], Float[np.ndarray, "_ _"]]  # samples of other conditions and of one, by unit


def window(activity: Activity, start: float, stop: float) -> Activity:
    """The samples that lie in [start, stop] of `activity.time`'s clock.

    Args:
        activity: any activity.
        start, stop: seconds; rounded to whole steps.

    Raises:
        ValueError: if the window is empty or leaves the activity.

    Example:
        >>> import numpy as np, recirc
        >>> a = recirc.Activity(np.ones((1, 10, 2)), dt=0.1, conditions=["0"])
        >>> recirc.compare.window(a, 0.2, 0.5).rates.shape
        (1, 3, 2)
    """
    steps = window_steps(activity, start, stop)
    return activity.replace(
        rates=activity.rates[:, steps],
        outputs=None if activity.outputs is None else activity.outputs[:, steps],
        start=activity.start + steps.start * activity.dt,
    )


def window_steps(activity: Activity, start: float | None, stop: float | None) -> slice:
    """Which time steps `window` keeps, checked; None stands for the activity's own start or stop."""
    n_steps = activity.rates.shape[1]
    own = activity.start, activity.start + n_steps * activity.dt
    start, stop = (mine if asked is None else asked for asked, mine in zip((start, stop), own))
    first, last = (int(np.round((time - activity.start) / activity.dt)) for time in (start, stop))
    if not 0 <= first < last <= n_steps:
        raise ValueError(
            f"the window {start} to {stop} s does not fit the activity, which runs from {own[0]} to "
            f"{own[1]:g} s; give a start before the stop, both inside."
        )
    return slice(first, last)


def check_same_samples(a: Activity, b: Activity) -> None:
    """Check that sample (trial, time) means the same in both.

    Raises:
        ValueError: if condition labels or their order, the number of time samples or dt differ, a rate is not
            finite, or there are fewer than two samples.
    """
    if a.conditions != b.conditions:
        only_a = sorted(set(a.conditions) - set(b.conditions))
        only_b = sorted(set(b.conditions) - set(a.conditions))
        how = f"only the first has {only_a}, only the second {only_b}"
        if not only_a and not only_b:
            how = f"the same labels come in another order or number: {a.conditions[:8]} and {b.conditions[:8]}"
        raise ValueError(f"the activities have different conditions: {how}; select and order them alike first.")
    if a.rates.shape[1] != b.rates.shape[1] or not np.isclose(a.dt, b.dt, rtol=1e-6, atol=0):
        raise ValueError(
            f"the activities have different time axes: {a.rates.shape[1]} samples of {a.dt} s and "
            f"{b.rates.shape[1]} samples of {b.dt} s; cut both with compare.window, or resample one."
        )
    if a.rates.shape[0] * a.rates.shape[1] < 2:
        raise ValueError("there are fewer than two samples (trials times time steps); nothing can be compared.")
    for name, activity in (("first", a), ("second", b)):
        check_finite_rates(activity, name)


def check_finite_rates(activity: Activity, name: str) -> None:
    """Raise a ValueError that names the activity if a rate is not finite."""
    if not np.isfinite(np.asarray(activity.rates)).all():
        raise ValueError(f"the {name} activity has rates that are not finite; leave its bad trials or units out.")


def varying_units(a: Activity, name: str) -> Activity:
    """`a` without the units that are constant over all samples, named in a warning.

    Raises:
        ValueError: if every unit is constant.
    """
    constant = np.ptp(np.asarray(a.rates), axis=(0, 1)) == 0
    if not constant.any():
        return a
    names = [unit for unit, is_constant in zip(a.units, constant) if is_constant]
    if constant.all():
        raise ValueError(f"every unit of the {name} activity is constant; nothing can be compared.")
    listed = ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
    warnings.warn(f"{len(names)} constant units of the {name} activity are left out: {listed}.", stacklevel=4)
    return a.without_units(names)


def comparable(a: Activity, b: Activity) -> tuple[Activity, Activity]:
    """Both without their units that are constant, checked as by `check_same_samples`."""
    check_same_samples(a, b)
    return varying_units(a, "first"), varying_units(b, "second")


def condition_groups(conditions: Sequence[str]) -> dict[str, np.ndarray]:
    """Indices of the trials of every condition, conditions in order of first appearance."""
    labels = np.array(conditions)
    return {label: np.flatnonzero(labels == label) for label in dict.fromkeys(conditions)}


def condition_folds(rates, a: Activity, left_out: Sequence[str] = ()) -> Iterator[Fold]:
    """For every condition samples of all others and its own, trial by trial, all less the mean of the others.

    Args:
        rates: trial by time by unit.
        a: says which trials belong to which condition.
        left_out: conditions that are one fold, and the only one; each condition is one in turn if there are none.

    Raises:
        ValueError: if there are fewer than two conditions, or those left out are not among them or all of them.
    """
    groups, rates = condition_groups(a.conditions), np.asarray(rates, np.float64)
    if len(groups) < 2:
        raise ValueError(f"there is one condition, {a.conditions[0]!r}; what is fitted to others needs two or more.")
    if left_out:
        if not set(left_out) < set(groups):
            raise ValueError(f"{list(left_out)} are left out of {list(groups)}; name some of these and not all.")
        groups = {"left out": np.concatenate([groups[name] for name in left_out])}
    for group in groups.values():
        own, others = rates[group], np.delete(rates, group, axis=0)
        mean = others.mean(axis=(0, 1))
        yield (others - mean).reshape(-1, rates.shape[2]), (own - mean).reshape(-1, rates.shape[2])


def centered(rates) -> Float[np.ndarray, "sample unit"]:
    """Samples (trials one after the other) by units, in float64, the mean of every unit removed."""
    samples = np.asarray(rates, np.float64).reshape(-1, rates.shape[-1])
    return samples - samples.mean(axis=0)


def paired_samples(a: Activity, b: Activity) -> tuple[np.ndarray, np.ndarray]:
    """Centered samples of both activities, checked, constant units left out.

    Raises:
        ValueError: as `check_same_samples` and `varying_units`; or if a side has as many dimensions (principal
            components that hold 99 % of its variance) as samples.
    """
    x, y = (centered(side.rates) for side in comparable(a, b))
    for samples in (x, y):
        share = np.cumsum(np.linalg.eigvalsh(_small_gram(samples))[::-1])
        check_enough_samples(len(x), 1 + int(np.searchsorted(share, 0.99 * share[-1])))
    return x, y


def check_enough_samples(n_samples: int, n_dimensions: int) -> None:
    """Raise a ValueError where samples (one is lost to centering) are no more than dimensions, warn where hardly."""
    if n_samples - 1 <= n_dimensions:
        raise ValueError(
            f"{n_samples} samples cannot tell {n_dimensions} dimensions apart; give more trials or time "
            "samples, or compare fewer components."
        )
    if n_samples < SAMPLES_PER_DIMENSION * n_dimensions:
        warnings.warn(
            f"{n_samples} samples for {n_dimensions} dimensions, fewer than {SAMPLES_PER_DIMENSION} each: "
            "expect high values by chance, and read the score against a null.",
            stacklevel=4,
        )


def principal_scores(
    samples: np.ndarray, n_components: int | None = None, *, floor: float = 1e-14
) -> tuple[np.ndarray, float]:
    """Scores on the leading principal components of centered samples, and their share of the variance.

    Components whose variance is under `floor` times the first's are left out; by default those lost in rounding.
    """
    variances, vectors = np.linalg.eigh(samples.T @ samples)
    variances, vectors = variances[::-1], vectors[:, ::-1]
    rank = int(np.sum(variances > floor * variances[0]))
    kept = rank if n_components is None else min(rank, n_components)
    share = variances[:kept].sum() / variances.sum() if kept else 0.0  # silent samples have no component
    return samples @ vectors[:, :kept], float(share)


def principal_axes(
    samples: np.ndarray, n_components: int, *, floor: float = 1e-12
) -> tuple[Float[np.ndarray, "unit component"], Float[np.ndarray, " dimension"]]:
    """Leading principal axes of centered samples, and the sum of squares on every component there is.

    Components whose variance is under `floor` times the first's are left out; the default suits single precision.
    """
    squares, vectors = np.linalg.eigh(_small_gram(samples))
    squares, vectors = np.maximum(squares[::-1], 0.0), vectors[:, ::-1]
    kept = min(n_components, int(np.sum(squares > floor * squares[0])))
    if samples.shape[0] >= samples.shape[1]:
        return vectors[:, :kept], squares
    return samples.T @ vectors[:, :kept] / np.sqrt(squares[:kept]), squares


def _small_gram(samples: np.ndarray) -> np.ndarray:
    return samples.T @ samples if samples.shape[0] >= samples.shape[1] else samples @ samples.T
