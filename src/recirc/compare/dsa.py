"""Dynamical similarity analysis."""

import warnings
from typing import ClassVar

import equinox as eqx
import numpy as np
from jaxtyping import Float

from recirc.compare.base import AbstractNull, AbstractSimilarity
from recirc.compare.nulls import FlippedComponents
from recirc.compare.orthogonal_similarity import best_orthogonal_map
from recirc.compare.samples import centered, check_enough_samples, comparable, condition_groups, principal_scores
from recirc.types import Activity, Direction, Score


class DSA(AbstractSimilarity):
    r"""Angle between the linear dynamics of two activities in delay coordinates, after the best rotation.

    $$v_{t+1} \approx A v_t, \qquad d = \min_{C^\top C = I} \arccos
      \frac{\mathrm{tr}(A^\top C B C^\top)}{\|A\|_F \|B\|_F}$$

    v are the first `rank` left singular vectors (scaled to variance 1) of the activity's leading components at
    `n_delays` times, `interval` samples apart; A is fitted by ridge over all trials, B likewise for the other
    activity. 0 means equal linear dynamics of such vectors. It looks at how states follow one another, not at
    which state belongs to which condition: shuffling conditions changes nothing, so that null says nothing
    here. Where inputs differ use `InputDSA`.

    Slow dynamics are all near the identity, and angles small, so that no limit means anything. Nor is a null certified
    for two lone activities: what makes surrogates of both (random signs, turns or phases of components) takes the
    dynamics from them, and populations that share nothing but that they rotate are then nearer than chance. Read the
    angle beside that of a network's twin, of halves of the reference (`beside_twins`) and of the identity
    (`identity_angle`), and first bring time steps to some 10 to 30 ms. If `heldout_error` is not well under
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
    if nothing changed; `variance_kept`, of the delay vectors by v; `identity_angle`, from A to I, which is what a state
    that stays where it is would score; `speed`, |F| / sqrt(rank) in 1/s, where F = 2 (A - I) (A + I)^-1 / dt is A in
    continuous time. Of both: `speed_ratio`, the second's over the first's; `flow_angle`, between F_A and C F_B C',
    which does not see how fast a flow is run through.

    Raises:
        ValueError: if an argument is out of range, or, when called, trials are too short for the delays.

    Source: Ostrow et al. 2023 (arXiv 2306.10168). Departures: components first; ascents from many starts
    finished by Newton's method instead of two runs of a gradient method; identity, speed and flow apart. The package
    dsa-metric brings torch and eleven other dependencies for these few lines.

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
    n_starts: int = eqx.field(static=True, default=32)
    metric: ClassVar[str] = "dsa"
    label: ClassVar[str] = "dynamical similarity (rad)"
    direction: ClassVar[Direction] = "lower"
    blind_to: ClassVar[frozenset[str]] = frozenset(
        {"permutations", "rotations", "offsets", "scale", "order of conditions"}
    )
    nulls: ClassVar[tuple[AbstractNull, ...]] = (FlippedComponents(of_both=True),)
    is_symmetric: ClassVar[bool] = True

    def __check_init__(self):
        check_settings(self)

    def __call__(self, a: Activity, b: Activity) -> Score:
        sides = [delay_vectors(side.rates, self) for side in comparable(a, b)]
        rank = common_rank([states for states, _ in sides], self.rank)
        groups = list(condition_groups(a.conditions).values())
        whitened = [_whitened(states[:, :, :rank]) for states, _ in sides]
        matrices, heldout = zip(*(one_step(v[:, :-1], v[:, 1:], groups, self.penalty) for v in whitened))
        angle, flow_angle = angles(*matrices, n_starts=self.n_starts)
        identity = np.eye(rank)
        speed = np.array([np.linalg.norm(flow(matrix)) for matrix in matrices]) / np.sqrt(rank) / a.dt
        parts = {
            "matrices": np.stack(matrices),
            "heldout_error": np.array(heldout),
            "persistence_error": np.array([persistence_error(v) for v in whitened]),
            "variance_kept": np.array([kept for _, kept in sides]),
            "identity_angle": np.array([angle_between(matrix, identity) for matrix in matrices]),
            "speed": speed,
            "speed_ratio": np.divide(*speed[::-1]) if speed[0] > 0 else np.nan,
            "flow_angle": flow_angle,
        }
        parts = {name: np.asarray(part) for name, part in parts.items()}
        return self.score(angle, unit="rad", parts=parts, settings=self.settings | {"rank": rank})


def check_settings(measure) -> None:
    """Check the settings that `DSA` and `InputDSA` share."""
    for name in ("n_components", "n_delays", "interval", "rank", "n_starts"):
        if getattr(measure, name) < 1:
            raise ValueError(f"{name} must be at least 1, got {getattr(measure, name)}.")
    if not measure.penalty >= 0:
        raise ValueError(f"penalty must not be negative, got {measure.penalty}.")


def delay_vectors(rates, settings) -> tuple[Float[np.ndarray, "trial time component"], float]:
    """Principal components of delay vectors, at most `rank`, and their share of the variance.

    Signs do not depend on the signs of components; `settings` has the fields of `DSA`.
    """
    n_trials, n_steps, _ = rates.shape
    n_left = n_steps - (settings.n_delays - 1) * settings.interval
    if n_left < 2:
        raise ValueError(
            f"{n_steps} time samples are too few for {settings.n_delays} delays of {settings.interval}; give longer "
            "trials or fewer delays."
        )
    leading, _ = principal_scores(centered(rates), settings.n_components)
    leading = leading.reshape(n_trials, n_steps, -1)
    starts = np.arange(settings.n_delays) * settings.interval
    delayed = np.concatenate([leading[:, start : start + n_left] for start in starts], axis=2)
    scores, kept = principal_scores(centered(delayed), settings.rank, floor=1e-10)
    scores *= np.where((scores**3).sum(0) < 0, -1.0, 1.0)
    return scores.reshape(n_trials, n_left, -1), kept


def common_rank(states: list[np.ndarray], asked: int) -> int:
    """Dimensions that both sides have, checked against the number of samples."""
    rank = min(side.shape[2] for side in states)
    check_enough_samples(states[0].shape[0] * (states[0].shape[1] - 1) + 1, rank)
    if rank < asked:
        warnings.warn(f"an activity has {rank} dimensions; the ranks are {rank}.", stacklevel=3)
    return rank


def _whitened(states: np.ndarray) -> np.ndarray:
    return states / np.sqrt(np.mean(states**2, axis=(0, 1)))


def one_step(now: np.ndarray, following: np.ndarray, groups: list[np.ndarray], penalty: float):
    """The matrix (following, now) by ridge, and the error of predicting left-out conditions by that of the others.

    Args:
        now, following: trial by time by dimension, each dimension of `now` of variance near 1.
        groups: trials of every condition.
        penalty: in units of that variance.
    """
    covariance, cross = now.mT @ now, following.mT @ now  # of every trial
    ridge = penalty * now.shape[1] * np.eye(now.shape[2])

    def solve(trials: np.ndarray) -> np.ndarray:
        return np.linalg.solve((covariance[trials] + ridge).sum(0), cross[trials].sum(0).T).T

    everything = np.arange(len(now))
    error = np.nan
    if len(groups) > 1:
        fits = [solve(np.delete(everything, group)) for group in groups]
        error = sum(np.sum((following[group] - now[group] @ fit.T) ** 2) for group, fit in zip(groups, fits))
    return solve(everything), float(error / np.sum(following**2))


def persistence_error(states: np.ndarray) -> float:
    """Squared change in a step, over the squared size after it."""
    return float(np.sum((states[:, 1:] - states[:, :-1]) ** 2) / np.sum(states[:, 1:] ** 2))


def flow(matrix: np.ndarray) -> np.ndarray:
    """What a matrix of one step is in continuous time, per step, by the bilinear transform."""
    identity = np.eye(len(matrix))
    return 2 * np.linalg.solve(matrix + identity, matrix - identity)


def angles(a: np.ndarray, b: np.ndarray, *, n_starts: int) -> tuple[float, float]:
    """Between A and C B C', and between their flows, at the C that is best for A and B."""
    a, b = sorted((a, b), key=np.linalg.norm)  # the search is then the same both ways
    turn = best_orthogonal_map(a, b, n_starts=n_starts)
    turned = turn @ b @ turn.T
    return angle_between(a, turned), angle_between(flow(a), flow(turned))


def angle_between(a: np.ndarray, b: np.ndarray) -> float:
    """Of two matrices as vectors, rad; nan if one is 0."""
    norms = np.linalg.norm(a), np.linalg.norm(b)
    if min(norms) == 0:
        return np.nan
    return float(2 * np.arcsin(min(np.linalg.norm(a / norms[0] - b / norms[1]) / 2, 1.0)))
