"""Dynamical similarity analysis."""

import warnings
from typing import ClassVar

import equinox as eqx
import numpy as np

from recirc.compare.base import AbstractNull, AbstractSimilarity
from recirc.compare.nulls import FlippedComponents
from recirc.compare.orthogonal_similarity import best_orthogonal_map
from recirc.compare.samples import centered, check_enough_samples, comparable, condition_groups, principal_scores
from recirc.compare.svcca import SVCCA
from recirc.types import Activity, Direction, Score


class DSA(AbstractSimilarity):
    r"""Angle between the linear dynamics of two activities in delay coordinates, after the best rotation.

    $$v_{t+1} \approx A v_t, \qquad d = \min_{C^\top C = I} \arccos
      \frac{\mathrm{tr}(A^\top C B C^\top)}{\|A\|_F \|B\|_F}$$

    v are the first `rank` left singular vectors (scaled to variance 1) of the activity's leading components at
    `n_delays` times, `interval` samples apart; A is fitted by ridge over all trials, B likewise for the other
    activity. 0 means equal linear dynamics of such vectors. It looks at how states follow one another, not at
    which state belongs to which condition: shuffling conditions changes nothing, so that null says nothing
    here. Read it against `FlippedComponents` or `TensorMaximumEntropy`.

    Slow dynamics are all near the identity, and angles small: compare them with a null, never with a fixed
    limit, and first bring time steps to some 10 to 30 ms. If `heldout_error` is not well under
    `persistence_error`, A describes little but slowness.

    Args:
        n_components: leading principal components that are kept before the delays.
        n_delays: times per delay vector, at least 1.
        interval: samples between them, at least 1.
        rank: size of A and B. Activities of lower rank are compared at the lower one, with a warning.
        penalty: ridge, in units of the variance of v.
        n_starts: random starts of the search for C; see `best_orthogonal_map`.

    Returns (when called): metric `dsa` in rad; lower is better. Parts, for the first and the second activity:
    `matrices`; `heldout_error`, squared error of predicting one step in a condition that the fit left out
    (the vectors v come from all), over the squared size of what is predicted; `persistence_error`, the same
    if nothing changed; `variance_kept`, of the delay vectors by v.

    Raises:
        ValueError: if an argument is out of range, or, when called, trials are too short for the delays.

    Source: Ostrow et al. 2023 (arXiv 2306.10168). Departures: components first; ascents from many starts
    finished by Newton's method instead of two runs of a gradient method. The package dsa-metric brings torch
    and eleven other dependencies for these few lines.

    Example:
        >>> import jax, recirc
        >>> a = recirc.Activity(jax.random.normal(jax.random.key(0), (4, 50, 6)), dt=0.01, conditions="abcd")
        >>> bool(recirc.compare.DSA(rank=6)(a, a).value < 1e-3)
        True
    """

    n_components: int = eqx.field(static=True, default=10)
    n_delays: int = eqx.field(static=True, default=5)
    interval: int = eqx.field(static=True, default=1)
    rank: int = eqx.field(static=True, default=10)
    penalty: float = eqx.field(static=True, default=1e-3)
    n_starts: int = eqx.field(static=True, default=64)
    metric: ClassVar[str] = "dsa"
    label: ClassVar[str] = "dynamical similarity (rad)"
    direction: ClassVar[Direction] = "lower"
    blind_to: ClassVar[frozenset[str]] = frozenset(
        {"permutations", "rotations", "offsets", "scale", "order of conditions"}
    )
    nulls: ClassVar[tuple[AbstractNull, ...]] = (FlippedComponents(),)
    is_symmetric: ClassVar[bool] = True

    def __check_init__(self):
        for name in ("n_components", "n_delays", "interval", "rank", "n_starts"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}.")
        if not self.penalty >= 0:
            raise ValueError(f"penalty must not be negative, got {self.penalty}.")

    def __call__(self, a: Activity, b: Activity) -> Score:
        states, kept = zip(*map(self._states, comparable(a, b)))
        rank = min(state.shape[2] for state in states)
        check_enough_samples(states[0].shape[0] * (states[0].shape[1] - 1) + 1, rank)
        if rank < self.rank:
            warnings.warn(f"an activity has {rank} dimensions; the ranks are {rank}.", stacklevel=2)
        groups = list(condition_groups(a.conditions).values())
        matrices, *errors = map(np.stack, zip(*(self._fit(state[:, :, :rank], groups) for state in states)))
        names = ("matrices", "heldout_error", "persistence_error", "variance_kept")
        parts = dict(zip(names, (matrices, *errors, np.array(kept))))
        value = _angle(*matrices, n_starts=self.n_starts)
        return self.score(value, unit="rad", parts=parts, settings=self.settings | {"rank": rank})

    def compressed(self, a: Activity) -> Activity:
        return SVCCA(self.n_components).compressed(a)

    def _states(self, a: Activity) -> tuple[np.ndarray, float]:
        """v (trial, time, rank), each with a sign that does not depend on the sign of components."""
        n_trials, n_steps, _ = a.rates.shape
        n_left = n_steps - (self.n_delays - 1) * self.interval
        if n_left < 2:
            raise ValueError(
                f"{n_steps} time samples are too few for {self.n_delays} delays of {self.interval}; give longer "
                "trials or fewer delays."
            )
        leading, _ = principal_scores(centered(a.rates), self.n_components)
        leading = leading.reshape(n_trials, n_steps, -1)
        starts = np.arange(self.n_delays) * self.interval
        delayed = np.concatenate([leading[:, start : start + n_left] for start in starts], axis=2)
        scores, kept = principal_scores(centered(delayed), self.rank, floor=1e-10)
        scores *= np.sqrt(len(scores)) / np.linalg.norm(scores, axis=0)
        scores *= np.where((scores**3).sum(0) < 0, -1.0, 1.0)
        return scores.reshape(n_trials, n_left, -1), kept

    def _fit(self, states: np.ndarray, groups: list[np.ndarray]) -> tuple[np.ndarray, float, float]:
        """A, and the errors of predicting left-out conditions by the others' A and by no change."""
        now, following = states[:, :-1], states[:, 1:]
        covariance, cross = now.mT @ now, following.mT @ now  # of every trial
        n_samples, rank = states.shape[0] * now.shape[1], states.shape[2]

        def solve(trials: np.ndarray, n: int) -> np.ndarray:
            ridge = covariance[trials].sum(0) + self.penalty * n * np.eye(rank)
            return np.linalg.solve(ridge, cross[trials].sum(0).T).T

        everything = np.arange(len(states))
        error = np.nan
        if len(groups) > 1:
            left = [np.delete(everything, group) for group in groups]
            fits = [solve(rest, len(rest) * now.shape[1]) for rest in left]
            error = sum(np.sum((following[group] - now[group] @ fit.T) ** 2) for group, fit in zip(groups, fits))
        size = np.sum(following**2)
        persistence = np.sum((following - now) ** 2) / size
        return solve(everything, n_samples), float(error / size), float(persistence)


def _angle(a: np.ndarray, b: np.ndarray, *, n_starts: int) -> float:
    a, b = sorted((a, b), key=np.linalg.norm)  # the search is then the same both ways
    turn = best_orthogonal_map(a, b, n_starts=n_starts)
    chord = a / np.linalg.norm(a) - turn @ (b / np.linalg.norm(b)) @ turn.T
    return float(2 * np.arcsin(min(np.linalg.norm(chord) / 2, 1.0)))
