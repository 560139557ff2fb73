"""Surrogates: activities that share what is uninteresting with a given one, and nothing else."""

from typing import ClassVar

import equinox as eqx
import numpy as np
from jaxtyping import PRNGKeyArray

from recirc.compare.base import AbstractNull, numpy_generator
from recirc.compare.samples import condition_groups
from recirc.types import Activity


class ShuffledConditions(AbstractNull):
    """The same trials under other labels: conditions change places, at least two of them.

    It keeps everything within a trial (time course, envelope, dimensions) and all that conditions share, and breaks
    which condition is which. It is exact where conditions are exchangeable. Repeats of a condition move together.

    Raises (when drawn from):
        ValueError: if there are fewer than two conditions, or they have different numbers of trials.
    """

    kind: ClassVar[str] = "shuffled_conditions"
    keeps_covariance: ClassVar[bool] = True

    def draw(self, a: Activity, *, key: PRNGKeyArray) -> Activity:
        groups = exchangeable_groups(a)
        random, order = numpy_generator(key), np.arange(len(groups))
        while (order == np.arange(len(groups))).all():
            order = random.permutation(len(groups))
        rates = np.asarray(a.rates)
        shuffled = np.empty_like(rates)
        for group, source in zip(groups, order):
            shuffled[group] = rates[groups[source]]
        return a.replace(rates=shuffled, outputs=None)

    def n_arrangements(self, a: Activity) -> float:
        return float(np.prod(np.arange(1.0, len(set(a.conditions)) + 1)))


class PhaseRandomized(AbstractNull):
    r"""Equally smooth signals of equal dimensions with another time course.

    $$\tilde X_c = F^{-1}\left[e^{i\phi_c(f)}\, F[X_c](f)\right]$$

    F is the Fourier transform over the time of trial c. The phase is random for every frequency and trial and
    the same for all units, which keeps every unit's mean and power spectrum in every trial and the covariance
    (and cross-spectrum) among units, hence the principal components; it breaks when things happen, and what
    conditions share. It is exact for noise that is stationary and periodic in the trial.

    Do not use it for transients: their energy is spread over the trial, so that a common envelope (both sides
    rise and fall together) counts as similarity. Unrelated noises that both decayed to 5 % within the trial had p <=
    0.05 in 57 to 100 % of cases, against 4 to 9 % without the decay. Use `FlippedComponents` or `ShuffledConditions`.

    Source: Prichard & Theiler 1994 (doi 10.1103/PhysRevLett.73.951), for every trial apart.
    """

    kind: ClassVar[str] = "phase_randomized"
    keeps_covariance: ClassVar[bool] = True

    def draw(self, a: Activity, *, key: PRNGKeyArray) -> Activity:
        spectrum = np.fft.rfft(np.asarray(a.rates), axis=1)
        n_steps = a.rates.shape[1]
        turn = np.exp(2j * np.pi * numpy_generator(key).random(spectrum.shape[:2]))
        turn[:, 0] = 1.0
        if n_steps % 2 == 0:
            turn[:, -1] = np.sign(np.real(turn[:, -1]))
        return a.replace(rates=np.fft.irfft(spectrum * turn[:, :, None], n_steps, axis=1), outputs=None)


class FlippedComponents(AbstractNull):
    r"""Equally smooth signals with the same envelope and another time course.

    $$\tilde X_c = E\, \mathrm{diag}(\pm 1)_c\, E^\top X_c$$

    E are the temporal principal components: the eigenvectors of time-by-time second moments, pooled over
    trials and units, about every unit's mean. Each component of each trial gets a random sign, the same for all units.
    This is phase randomization in the activity's own basis instead of Fourier's: it keeps the second moments among
    units in every trial exactly, and the variance at every time and its smoothness on average, so transients stay where
    they are. It breaks the course within a trial and what conditions share. Unrelated noises had p <= 0.05 in 3 to 9 %
    of cases (SVCCA within conditions: 8 to 11 %) with 6 or 8 conditions of 4 dimensions, whether or not both decayed.
    With fewer E is poorly known: 4 conditions of 3 dimensions gave up to 13 %.

    It suits portraits and `DSA` too, which shuffled conditions leave as they are.

    Over many units (all but SVCCA) each draw costs an eigendecomposition of the time-by-time matrix.

    Source: ours, with the aim of Elsayed & Cunningham 2017 (doi 10.1038/nn.4617): covariance over time and units.
    """

    kind: ClassVar[str] = "flipped_components"
    keeps_covariance: ClassVar[bool] = True

    def draw(self, a: Activity, *, key: PRNGKeyArray) -> Activity:
        rates = np.asarray(a.rates, np.float64)
        mean = rates.mean((0, 1))
        over_time = np.moveaxis(rates - mean, 1, 0).reshape(rates.shape[1], -1)
        basis = np.linalg.eigh(over_time @ over_time.T)[1]
        signs = numpy_generator(key).choice([-1.0, 1.0], size=rates.shape[:2])
        return a.replace(rates=basis @ (signs[:, :, None] * (basis.T @ (rates - mean))) + mean, outputs=None)


class PermutedConditionsPerUnit(AbstractNull):
    r"""Every unit's conditions change places on their own, the covariance among units kept as near as chance allows.

    $$\tilde X_{ctu} = X_{\pi_u(c)\,t\,u}, \qquad \text{the one of } n \text{ draws of } \pi \text{ with the least }
      \|\tilde X^\top\tilde X - X^\top X\|_F$$

    Each unit keeps its courses, its tuning depth and the mean over conditions; what is broken is that units
    agree on conditions, so that the state in one condition no longer is a state that the population ever took.
    Acceptance: of `n_candidates` independent permutations the one whose covariance among units (over all
    conditions and times) is nearest in Frobenius norm. A search that matched the covariance exactly would find
    the permutations that all units share, and those change nothing in a portrait.

    For portraits of rotation. A permutation multiplies dimensions (participation ratio 9 to 40 in noise of 268
    units), which also lowers tangling, so it is no null for that, nor for a similarity; `ShuffledConditions`
    is the null for those. Repeats of a condition move together.

    Args:
        n_candidates: n, at least 1; 1 accepts every permutation.

    Raises:
        ValueError: if `n_candidates` < 1; when drawn from, if there are fewer than two conditions, or they
            have different numbers of trials.

    Source: Michaels et al. 2016 (doi 10.1371/journal.pcbi.1005175), covariance-matched permutation test; the
    rule of acceptance is ours.

    Example:
        >>> import jax, recirc
        >>> a = recirc.Activity(jax.random.normal(jax.random.key(0), (4, 50, 6)), dt=0.01, conditions="abcd")
        >>> drawn = recirc.compare.PermutedConditionsPerUnit().draw(a, key=jax.random.key(1))
        >>> bool(abs(drawn.rates.mean(0) - a.rates.mean(0)).max() < 1e-6)
        True
    """

    n_candidates: int = eqx.field(static=True, default=20)
    kind: ClassVar[str] = "permuted_conditions"

    def __check_init__(self):
        if self.n_candidates < 1:
            raise ValueError(f"n_candidates must be at least 1, got {self.n_candidates}.")

    def draw(self, a: Activity, *, key: PRNGKeyArray) -> Activity:
        random, groups = numpy_generator(key), np.array(exchangeable_groups(a))
        rates = np.asarray(a.rates, np.float64)
        grouped = rates[groups] - rates.mean((0, 1))  # (condition, repeat, time, unit)
        flat = grouped.reshape(-1, rates.shape[2])
        target, nearest, least = flat.T @ flat, grouped, np.inf
        for _ in range(self.n_candidates):
            order = random.permuted(np.tile(np.arange(len(groups))[:, None], rates.shape[2]), axis=0)
            candidate = np.take_along_axis(grouped, order[:, None, None, :], axis=0)
            flat = candidate.reshape(-1, rates.shape[2])
            distance = np.linalg.norm(flat.T @ flat - target)
            if distance < least:
                nearest, least = candidate, distance
        permuted = np.empty_like(rates)
        permuted[groups] = nearest + rates.mean((0, 1))
        return a.replace(rates=permuted, outputs=None)


class TimeShifted(AbstractNull):
    r"""Every unit's course shifted around the trial by a lag of its own, the same in all trials.

    $$\tilde X_{ctu} = X_{c,\,(t - s_u) \bmod T,\,u}, \qquad s_u \text{ uniform on } 0 \dots T - 1$$

    Each unit keeps its courses, its tuning and its spectrum, and the order of its conditions; what is broken is
    the order of units in time, which rotations are made of. A lag per unit rather than per trial: a lag that
    all units share leaves portraits of the dynamics (rotations, tangling) nearly as they were.

    Read it as how much a mere sequence gives, not as a test: copies of a few courses at all lags change by the
    circular shift itself, which is linear and a pure rotation, so that `JPCA`'s ratio is near 1 on surrogates
    of any activity (.95 on noise, .97 on a recording with .89), and tangling low. Take `FlippedComponents` for
    a p-value. Courses that do not end where they began get a step inside the trial. The covariance among units
    is not kept, so it is no null for similarities.

    Source: the objection is that of Lebedev et al. 2019 (doi 10.1038/s41598-019-54760-4).

    Example:
        >>> import jax, recirc
        >>> a = recirc.Activity(jax.random.normal(jax.random.key(0), (4, 50, 6)), dt=0.01, conditions="abcd")
        >>> drawn = recirc.compare.TimeShifted().draw(a, key=jax.random.key(1))
        >>> bool(abs(drawn.rates.mean(1) - a.rates.mean(1)).max() < 1e-6)
        True
    """

    kind: ClassVar[str] = "time_shifted"

    def draw(self, a: Activity, *, key: PRNGKeyArray) -> Activity:
        rates = np.asarray(a.rates)
        n_steps = rates.shape[1]
        lag = numpy_generator(key).integers(n_steps, size=rates.shape[2])
        source = (np.arange(n_steps)[:, None] - lag[None, :]) % n_steps
        return a.replace(rates=np.take_along_axis(rates, source[None], axis=1), outputs=None)


def exchangeable_groups(a: Activity) -> list[np.ndarray]:
    """Indices of the trials of every condition, of conditions that can change places.

    Raises:
        ValueError: if there are fewer than two conditions, or they have different numbers of trials.
    """
    groups = list(condition_groups(a.conditions).values())
    if len(groups) < 2 or len({len(group) for group in groups}) > 1:
        raise ValueError(
            f"conditions change places only if two or more have equally many trials; there are "
            f"{len(groups)} with {sorted({len(group) for group in groups})} trials; average repeats."
        )
    return groups
