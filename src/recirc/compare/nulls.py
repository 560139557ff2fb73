"""Surrogates: activities that share what is uninteresting with a given one, and nothing else."""

import itertools
import math
from collections.abc import Callable, Iterator
from typing import ClassVar

import equinox as eqx
import numpy as np

from recirc.compare.base import AbstractNull
from recirc.compare.condition_structure import condition_structure, exchangeable_groups
from recirc.types import Activity


class ShuffledConditions(AbstractNull):
    """The same trials under other labels: conditions change places.

    It keeps everything within a trial (time course, envelope, dimensions) and all that conditions share, and breaks
    which condition is which. It is exact where conditions are exchangeable, and wrong where neighbors are alike: of
    unrelated populations that are smoothly tuned to direction 53 to 97 % pass for alike. `RotatedConditions` takes the
    structure into account. Repeats of a condition move together.

    Raises (when drawn from):
        ValueError: if there are fewer than two conditions, or they have different numbers of trials.

    Example:
        >>> import numpy as np
        >>> a = recirc.Activity(np.random.default_rng(0).normal(size=(8, 30, 5)), dt=0.01, conditions=range(8))
        >>> draw = ShuffledConditions().sampler(a)
        >>> draw(np.random.default_rng(1)).shape
        (8, 30, 5)
    """

    kind: ClassVar[str] = "shuffled_conditions"
    keeps_covariance: ClassVar[bool] = True

    def sampler(self, a: Activity) -> Callable[[np.random.Generator], np.ndarray]:
        rates, groups = np.asarray(a.rates), np.array(exchangeable_groups(a))
        return lambda random: _placed(rates, groups, random.permutation(len(groups)))

    def structure(self, a: Activity) -> str:
        return condition_structure(a).kind

    def n_arrangements(self, a: Activity) -> float:
        return float(math.factorial(len(exchangeable_groups(a))))

    def arrangements(self, a: Activity) -> Iterator[np.ndarray]:
        rates, groups = np.asarray(a.rates), np.array(exchangeable_groups(a))
        orders = itertools.permutations(range(len(groups)))
        return (_placed(rates, groups, np.array(order)) for order in itertools.islice(orders, 1, None))


def _placed(rates: np.ndarray, groups: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Rates in which every condition has become another's."""
    shuffled = np.empty_like(rates)
    shuffled[groups] = rates[groups[order]]
    return shuffled


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

    Example:
        >>> import numpy as np
        >>> a = recirc.Activity(np.random.default_rng(0).normal(size=(8, 30, 5)), dt=0.01, conditions=range(8))
        >>> PhaseRandomized().sampler(a)(np.random.default_rng(1)).shape
        (8, 30, 5)
    """

    kind: ClassVar[str] = "phase_randomized"
    keeps_covariance: ClassVar[bool] = True

    def sampler(self, a: Activity) -> Callable[[np.random.Generator], np.ndarray]:
        spectrum, n_steps = np.fft.rfft(np.asarray(a.rates), axis=1), a.rates.shape[1]

        def turned(random: np.random.Generator) -> np.ndarray:
            turn = np.exp(2j * np.pi * random.random(spectrum.shape[:2]))
            turn[:, 0] = 1.0
            if n_steps % 2 == 0:
                turn[:, -1] = np.sign(np.real(turn[:, -1]))
            return np.fft.irfft(spectrum * turn[:, :, None], n_steps, axis=1)

        return turned


class FlippedComponents(AbstractNull):
    r"""Equally smooth signals with the same envelope and another time course.

    $$\tilde X_c = E\, \mathrm{diag}(\pm 1)_c\, E^\top X_c$$

    E are the temporal principal components: the eigenvectors of time-by-time second moments, pooled over
    trials and units, about every unit's mean. Each component of each trial gets a random sign, the same for all units.
    This is phase randomization in the activity's own basis instead of Fourier's: it keeps the second moments among
    units in every trial exactly, about the means of the original (a surrogate has other means, and so about these
    another covariance), and the variance at every time and its smoothness on average, so transients stay where they
    are. It breaks the course within a trial and what conditions share. Unrelated noises had p <= 0.05 in 3 to 9 %
    of cases (SVCCA within conditions: 8 to 11 %) with 6 or 8 conditions of 4 dimensions, whether or not both decayed.
    With fewer E is poorly known: 4 conditions of 3 dimensions gave up to 13 %.

    `DSA` and portraits, which shuffled conditions leave as they are, may be drawn beside it, but not judged by it: of
    tuned noises 19 to 77 % pass, and of unrelated rotations 60 %.

    Args:
        of_both: whether both activities of a comparison have surrogates, as `DSA` wants it.

    Source: ours, with the aim of Elsayed & Cunningham 2017 (doi 10.1038/nn.4617): covariance over time and units.

    Example:
        >>> import numpy as np
        >>> a = recirc.Activity(np.random.default_rng(0).normal(size=(8, 30, 5)), dt=0.01, conditions=range(8))
        >>> FlippedComponents().sampler(a)(np.random.default_rng(1)).shape
        (8, 30, 5)
    """

    of_both: bool = eqx.field(static=True, default=False)
    kind: ClassVar[str] = "flipped_components"

    def sampler(self, a: Activity) -> Callable[[np.random.Generator], np.ndarray]:
        rates = np.asarray(a.rates, np.float64)
        mean = rates.mean((0, 1))
        over_time = np.moveaxis(rates - mean, 1, 0).reshape(rates.shape[1], -1)
        basis = np.linalg.eigh(over_time @ over_time.T)[1]
        components = basis.T @ (rates - mean)
        return lambda random: basis @ (random.choice([-1.0, 1.0], size=rates.shape[:2])[..., None] * components) + mean


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

    def sampler(self, a: Activity) -> Callable[[np.random.Generator], np.ndarray]:
        rates, groups = np.asarray(a.rates, np.float64), np.array(exchangeable_groups(a))
        mean, n_units = rates.mean((0, 1)), rates.shape[2]
        grouped = rates[groups] - mean  # (condition, repeat, time, unit)
        target = grouped.reshape(-1, n_units).T @ grouped.reshape(-1, n_units)

        def permuted(random: np.random.Generator) -> np.ndarray:
            nearest, least = grouped, np.inf
            for _ in range(self.n_candidates):
                order = random.permuted(np.tile(np.arange(len(groups))[:, None], n_units), axis=0)
                candidate = np.take_along_axis(grouped, order[:, None, None, :], axis=0)
                flat = candidate.reshape(-1, n_units)
                distance = np.linalg.norm(flat.T @ flat - target)
                if distance < least:
                    nearest, least = candidate, distance
            made = np.empty_like(rates)
            made[groups] = nearest + mean
            return made

        return permuted


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

    def sampler(self, a: Activity) -> Callable[[np.random.Generator], np.ndarray]:
        rates = np.asarray(a.rates)
        n_steps, n_units = rates.shape[1:]

        def shifted(random: np.random.Generator) -> np.ndarray:
            source = (np.arange(n_steps)[:, None] - random.integers(n_steps, size=n_units)[None, :]) % n_steps
            return np.take_along_axis(rates, source[None], axis=1)

        return shifted
