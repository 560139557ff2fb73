"""Trials belong to conditions, by columns of the trials table, and are averaged within them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from recirc.data.directions import no_circle
from recirc.data.names import is_angular
from recirc.data.session import PreparationError
from recirc.data.targets import target_centre

RADIANS = 2 * np.pi + 1e-6


class Averages(NamedTuple):
    """Means over the trials of every condition; angles in rising order, others in alphabetical order."""

    conditions: tuple[str, ...]
    mean: Float[np.ndarray, "condition time channel"]
    standard_error: Float[np.ndarray, "condition time channel"]  # from the spread among trials; nan for one trial
    n_trials: Int[np.ndarray, " condition"]


def condition_averages(values: Float[np.ndarray, "trial time channel"], labels: Iterable[str]) -> Averages:
    """Mean and standard error of the mean over the trials of every condition.

    Raises:
        ValueError: if there is not one label per trial.

    Example:
        >>> found = condition_averages(np.array([[[1.0]], [[3.0]], [[5.0]]]), ["a", "a", "b"])
        >>> found.mean.ravel().tolist(), found.standard_error.ravel().tolist()
        ([2.0, 5.0], [1.0, nan])
    """
    values, names = np.asarray(values, float), np.asarray(list(labels), str)
    if names.shape != values.shape[:1]:
        raise ValueError(f"{names.size} labels for {len(values)} trials; give one per trial.")
    conditions = in_order(names)
    groups = [values[names == condition] for condition in conditions]
    mean, error = np.full((2, len(groups), *values.shape[1:]), np.nan)
    for i, group in enumerate(groups):
        mean[i] = group.mean(axis=0)
        if len(group) > 1:
            error[i] = group.std(axis=0, ddof=1) / np.sqrt(len(group))
    return Averages(conditions, mean, error, np.array([len(group) for group in groups], int))


def in_order(labels) -> tuple[str, ...]:
    """Different labels, as numbers in rising order where all are numbers, otherwise in alphabetical order."""
    names = np.unique(np.asarray(list(labels), str)).tolist()
    try:
        return tuple(sorted(names, key=float))
    except ValueError:
        return tuple(names)


def condition_labels(
    trials: Mapping[str, np.ndarray], columns: Sequence[str], *, radians: bool | None = None
) -> list[str]:
    """One label per trial from columns of the trials table; "" where a value is missing.

    Two columns whose names end in x and y (or one column of pairs) are a target's position: the label is its direction
    in degrees, counterclockwise from the right, about `target_centre`, or "x,y" if targets in one direction differ in
    distance or have no centre. So is a column that lists the positions of all targets shown, with a second column that
    says which of them counts, from 0. A column of angles gives degrees if these make a circle (`no_circle`). Otherwise
    labels are the values, joined by ",".

    Args:
        trials, columns: columns by name, and those that make the condition; none is one condition, "all".
        radians: whether a column of angles holds radians; if None, `in_radians` tells.

    Raises:
        PreparationError: if a column has a list for every trial, and these are not positions of targets.

    Example:
        >>> condition_labels({"target_x": np.array([1.0, 0.0]), "target_y": np.array([0.0, 2.0])},
        ...                  ["target_x", "target_y"])
        ['0', '90']
    """
    values = [np.asarray(trials[name]) for name in columns]
    if not values:
        return ["all"] * len(next(iter(trials.values())))
    if (pair := target_positions(trials, columns)) is not None:
        return _directions_of(pair)
    if len(columns) == 1 and is_angular(columns[0]) and _is_number(values[0]):
        angles = values[0].astype(float)
        if in_radians(angles) if radians is None else radians:
            angles = np.rad2deg(angles)
        if radians is not None or not no_circle(angles[np.isfinite(angles)]):
            return [_degrees(angle) for angle in angles]
    for name, column in zip(columns, values):
        if column.dtype == object or column.ndim > 1:
            mend = "or a list of targets' positions and the column that says which target counts, from 0"
            mend = f"name columns with one value each, {mend}"
            raise PreparationError(f"column {name} has a list for every trial", mend)
    return ["" if "" in row else ",".join(row) for row in zip(*map(_texts, values))]


def in_radians(angles: Float[np.ndarray, " trial"]) -> bool:
    """Whether angles look like radians: no larger than 2 pi, and not all whole numbers or simple fractions of one."""
    known = 16 * angles[np.isfinite(angles)]
    return bool(known.size and (np.abs(known) <= 16 * RADIANS).all() and not (known == known.round()).all())


def _is_number(values: np.ndarray) -> bool:
    return values.ndim == 1 and values.dtype.kind in "iuf"


def target_positions(trials: Mapping[str, np.ndarray], columns: Sequence[str]) -> np.ndarray | None:
    """(trial, 2) positions, if that is what the columns hold."""
    values = [np.asarray(trials[name]) for name in columns]
    if not values:
        return None
    if len(values) == 1 and values[0].ndim == 2 and values[0].shape[1] == 2:
        return values[0].astype(float)
    if values[0].dtype == object and len(values) <= 2:
        return _chosen(values[0], values[1] if len(values) == 2 else np.zeros(len(values[0]), int))
    is_pair = [name.lower()[-1:] for name in columns] == ["x", "y"] and all(map(_is_number, values))
    return np.stack(values, axis=1).astype(float) if is_pair else None


def _chosen(lists: np.ndarray, places: np.ndarray) -> np.ndarray | None:
    """Of the positions that every trial lists the one at a place, nan where there is none; None for other lists."""
    if places.dtype.kind not in "iu" or any(np.shape(pairs)[1:] != (2,) for pairs in lists):
        return None
    chosen = [pairs[i] if 0 <= i < len(pairs) else (np.nan, np.nan) for pairs, i in zip(lists, places.tolist())]
    return np.array(chosen, float).reshape(-1, 2)


def _directions_of(pair: np.ndarray) -> list[str]:
    centre = target_centre(pair)
    away = pair - (0 if centre is None else centre)
    away[np.hypot(*away.T) <= 1e-6 * np.nanmax(np.hypot(*away.T), initial=0.0)] = np.nan  # the centre has no direction
    labels = [_degrees(angle) for angle in np.rad2deg(np.arctan2(away[:, 1], away[:, 0]))]
    distances: dict[str, float] = {}
    for label, distance in zip(labels, np.hypot(*away.T)):
        if centre is None or abs(distances.setdefault(label, distance) - distance) > 1e-6 * distance:
            return ["" if np.isnan(x + y) else f"{x:.9g},{y:.9g}" for x, y in pair]
    return labels


def _degrees(angle: float) -> str:
    return f"{np.round(angle, 4) % 360:.9g}" if np.isfinite(angle) else ""


def _texts(column: np.ndarray) -> list[str]:
    if column.dtype.kind != "f":
        return list(map(str, column.tolist()))
    return [f"{value:.9g}" if np.isfinite(value) else "" for value in column.tolist()]
