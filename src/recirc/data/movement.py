"""Whether directions that labels tell are those in which the hand moved."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

SLIGHT = 0.2  # share of the median movement below which a trial has no direction
APART, UNEVEN = 60.0, 15.0  # degrees by which a trial, and the mean of a condition, may differ from its label
ALIKE, MOST_OPPOSED = 0.7, 0.25  # mean resultant length of movements that are alike; share of conditions


class Agreement(NamedTuple):
    """How movements lie to labels.

    Args:
        same, mirrored: mean resultant length of movement less label, and of movement plus label; 1 is agreement up to a
            turn, and up to a turn and a reflection.
        within: mean resultant length of the movements of one condition.
        turn: degrees from labels, or mirrored labels, to movements, whichever agree better.
        opposed: trials whose movement is over 60 degrees from where its label, turned, points.
        share: of conditions in which most trials are opposed.
        largest: the largest difference of a condition's mean from there, degrees.
    """

    same: float
    mirrored: float
    within: float
    turn: float
    opposed: list[int]
    share: float
    largest: float


def headings(values: Float[np.ndarray, "trial time 2"], *, is_velocity: bool) -> Float[np.ndarray, " trial"]:
    """Direction of the farthest point from where each trial begins, degrees; nan where there is hardly any movement."""
    path = np.cumsum(values, axis=1) if is_velocity else np.asarray(values, float)
    away = path - path[:, :1]
    size = np.linalg.norm(away, axis=2)
    farthest = np.nanargmax(np.where(np.isfinite(size), size, -1), axis=1)
    reach = np.take_along_axis(away, farthest[:, None, None], axis=1)[:, 0]
    length = np.linalg.norm(reach, axis=1)
    angles = np.rad2deg(np.arctan2(reach[:, 1], reach[:, 0]))
    with np.errstate(invalid="ignore"):
        return np.where(length > SLIGHT * np.nanmedian(length), angles, np.nan)


def agreement(
    moved: Float[np.ndarray, " trial"], labels: Float[np.ndarray, " trial"], names: Sequence[str]
) -> Agreement | None:
    """How movements lie to labels, degrees; None with under three conditions that have movements.

    Example:
        >>> labels = np.arange(8) * 45.0
        >>> found = agreement(90 - labels, labels, [str(label) for label in labels])
        >>> round(found.mirrored, 3), round(found.turn), found.opposed
        (1.0, 90, [])
    """
    known = np.flatnonzero(np.isfinite(moved))
    moved, labels, names = moved[known], labels[known], [names[i] for i in known.tolist()]
    groups = [np.flatnonzero(np.array(names) == name) for name in dict.fromkeys(names)]
    if len(groups) < 3:
        return None
    turns = {sign: np.exp(1j * np.deg2rad(moved - sign * labels)) for sign in (1, -1)}
    means = {sign: np.array([turn[group].mean() for group in groups]) for sign, turn in turns.items()}
    same, mirrored = (float(abs(np.mean(each))) for each in means.values())
    within = float(np.mean([abs(np.exp(1j * np.deg2rad(moved[group])).mean()) for group in groups]))
    sign = 1 if same >= mirrored - 0.05 else -1
    turn = _middle(turns[sign])
    apart = np.abs(_wrapped(np.rad2deg(np.angle(turns[sign])) - turn))
    largest = np.abs(_wrapped(np.rad2deg(np.angle(means[sign])) - turn)).max()
    share = float(np.mean([(apart[group] > APART).mean() > 0.5 for group in groups]))
    return Agreement(same, mirrored, within, turn, known[apart > APART].tolist(), share, float(largest))


def _middle(turns: np.ndarray) -> float:
    """The turn that most trials are near, degrees: opposed trials must not tilt it."""
    angles = np.rad2deg(np.angle(turns))
    near = (np.abs(_wrapped(angles[:, None] - angles[None])) <= 30).sum(axis=0)
    members = np.abs(_wrapped(angles - angles[near.argmax()])) <= 30
    return float(np.rad2deg(np.angle(turns[members].mean())))


def _wrapped(degrees: np.ndarray) -> np.ndarray:
    return (degrees + 180) % 360 - 180
