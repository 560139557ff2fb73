"""Whether what a fit says of a mechanism depends on which units were recorded: fits to random subsets of them."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, PRNGKeyArray

from recirc.analyses.constrained_directions import constrained_share
from recirc.analyses.lagged_sums import LEARNS, added, hint_trials, in_groups, lagged_sums, linear_network, tau, without
from recirc.circuits.base import numpy_generator
from recirc.ranges import check_within
from recirc.train import LinearDynamics, OneStepRidge
from recirc.train.student import Sums, check_recorded
from recirc.types import Activity

SHARES = (0.25, 0.5, 0.75)  # sizes of subsets, of the recorded units
HALF = 1  # place of the size whose spread is the error from units
PER_UNIT = 15  # pairs of samples that a fit which predicts further ahead has for each unit, if any size can have them
FITTED = slice(1, None)  # sizes that the extrapolation rests on
JACKKNIFED = 5  # subsets of each size that the jackknife refits
NUMBERS = {"slowest_mode_s": "s", "rotation_hz": "Hz", "nonnormality": "1"}  # and their units
SLOWEST = 100.0  # trial lengths; what is slower, or grows, counts as this
FEWEST = 8  # units
CLEAR = 4.0  # s.d. of the smoothing, beyond which noise is another


@dataclasses.dataclass(frozen=True)
class Refits:
    """One number of fits to subsets, on the scale where differences are compared: seconds as their logarithm.

    Args:
        sizes: units of a subset; the last is all.
        values: of every subset of each size.
        all_units: extrapolated, linearly in 1 / size, to a circuit that is recorded whole, and its interval.
        drift: what more units would change, from all recorded ones on, with its standard error.
        horizon: what predicting further ahead changes, with its standard error.
    """

    sizes: Sequence[int]
    values: Sequence[Float[np.ndarray, " _"]]
    all_units: tuple[float, float, float]
    drift: tuple[float, float]
    horizon: tuple[float, float]
    error: float

    @property
    def recorded(self) -> float:
        """The number with all recorded units."""
        return float(self.values[-1][0])


@dataclasses.dataclass(frozen=True)
class SubsetDependence:
    """Numbers of a mechanism against how many units were recorded.

    Args:
        refits: of every number.
        trial: length of a trial, seconds; a slower mode is as slow as a trial can show.
        step: bin, seconds.
        grows: whether the fit to all recorded units grows without end.
        memory: correlation of what the fit leaves unexplained with itself one bin later.
        constrained: share of the directions of weights that the data determine.
        apart: bins between the rates that fits compare; more than one if the rates were smoothed.
    """

    refits: Mapping[str, Refits]
    trial: float
    step: float
    grows: bool
    memory: float
    constrained: float
    apart: int = 1


class Recorded(NamedTuple):
    """Sums of one-step pairs, and of pairs further apart, in groups of trials."""

    near: list[Sums]
    far: list[Sums]


def unit_subsets(
    activity: Activity, *, n_subsets: int, key: PRNGKeyArray, smoothing: float = 0.0,
    student: OneStepRidge | LinearDynamics | None = None,
) -> SubsetDependence:  # fmt: skip
    r"""Fit a linear network to random subsets of the recorded units, and see what becomes of its mechanism.

    A fit to m units has modes $\lambda$ per bin dt, the eigenvalues of the matrix that takes rates to those of the next
    bin; their time constants are $-dt / \log |\lambda|$. Of random subsets of a fourth, half and three fourths of the
    units and of all, the mean of the slowest one's logarithm is extrapolated to a circuit that is recorded whole,

    $$\langle \log \tau(m) \rangle = \log \tau_\infty + b / m .$$

    A fit to part of a circuit need not be wrong alike for all sizes, so two things more are asked: what a fit to pairs
    of rates further apart says, which is the same if the recorded units' present tells their future (the test of
    implied time scales), and whether what the fit leaves unexplained remembers itself.

    Args:
        activity: rates; trials or averages of conditions.
        n_subsets: of each size, 2 or more.
        key: decides the subsets.
        smoothing: s.d. of the Gaussian that smoothed the rates, s. What it makes alike says nothing of the circuit, so
            that rates predict those four s.d. later, where noise has less than 2 % in common, instead of the next.
        student: fits them; `OneStepRidge` if omitted.

    Raises:
        ValueError: if there are more units than pairs of samples, a unit is there twice, fewer than 8 units, subsets
            have fewer units than the student has components, or trials are too short, or too few of them, for the
            smoothing or for standard errors.

    Source: subsets as in Qian et al. 2024 (NeurIPS 37); implied time scales after Swope et al. 2004 (doi
    10.1021/jp037421y); the jackknife over trials and the delete-half jackknife over units, Efron & Stein 1981 (doi
    10.1214/aos/1176345462).

    Example:
        >>> import jax, recirc
        >>> recirc.enable_x64()
        >>> keys = jax.random.split(jax.random.key(0), 3)
        >>> network = recirc.circuits.teacher("random", n_units=40, key=keys[0]).network
        >>> driven = recirc.circuits.noise_trials(40, n_steps=100, n_trials=20, dt=0.01, key=keys[1])
        >>> seen = recirc.simulate(network, driven, key=keys[2])
        >>> found = recirc.analyses.unit_subsets(seen, n_subsets=4, key=keys[2])
        >>> found.refits["slowest_mode_s"].sizes
        (10, 20, 30, 40)
    """
    student = student or OneStepRidge()
    check_within("[2, inf)", n_subsets=n_subsets)
    check_subsets(activity, smoothing=smoothing, student=student)
    return fit_to_subsets(activity, n_subsets=n_subsets, key=key, smoothing=smoothing, student=student)


def fit_to_subsets(
    activity: Activity, *, n_subsets: int, key: PRNGKeyArray, smoothing: float, student: OneStepRidge | LinearDynamics
) -> SubsetDependence:
    """What `unit_subsets` gives, of rates that `check_subsets` has let pass."""
    student = dataclasses.replace(student, learns=LEARNS)
    rates, step, n_units = np.asarray(activity.rates, np.float64), float(activity.dt), len(activity.units)
    random, trial, apart = numpy_generator(key), step * rates.shape[1], _apart(smoothing, step)
    sizes = (*(round(share * n_units) for share in SHARES), n_units)
    subsets = [
        [np.sort(random.permutation(n_units)[:size]) for _ in range(n_subsets if size < n_units else 1)]
        for size in sizes
    ]
    fits = _Fits(student, step, trial)
    pieces = in_groups(rates)
    longest = pieces[0].shape[1] // 2  # of a few trials, pieces are shorter than they
    near = [lagged_sums(each, apart, step) for each in pieces]
    slowest = np.exp(fits.numbers(added(near), subsets[-1][0], apart)[0])
    ahead = min(max(2 * apart, round(min(slowest / 4, trial / 10) / step)), longest)
    recorded = Recorded(near, [lagged_sums(each, ahead, step) for each in pieces])
    return _dependence(fits, recorded, subsets, (apart, ahead), rates)


def check_subsets(activity: Activity, *, smoothing: float, student: OneStepRidge | LinearDynamics) -> None:
    """Raise ValueError unless subsets of the units can be fitted, as `unit_subsets` says."""
    check_within("[0, inf)", smoothing=smoothing)
    rates, step, n_units = np.asarray(activity.rates, np.float64), float(activity.dt), len(activity.units)
    if n_units < FEWEST:
        raise ValueError(f"{n_units} units; subsets of a fourth of them need {FEWEST} or more.")
    asked, smallest = getattr(student, "n_components", None), round(SHARES[0] * n_units)
    if asked is not None and asked > smallest:
        raise ValueError(f"the smallest subsets have {smallest} units and the fit {asked} components; ask for fewer.")
    if rates.shape[1] <= 4 * (apart := _apart(smoothing, step)):
        found = (
            f"trials of {step * rates.shape[1]:g} s are too short for rates smoothed with an s.d. of {smoothing:g} s"
        )
        raise ValueError(f"{found}, which are compared {apart * step:g} s apart; give longer ones, or smooth less.")
    paired = hint_trials(rates[:, apart - 1 :], step).replace(hint_units=activity.units)
    check_recorded("A fit to subsets", linear_network(n_units, step), paired, LEARNS)
    if (n_steps := in_groups(rates)[0].shape[1]) <= 4 * apart:
        found = f"trials of {step * rates.shape[1]:g} s, {len(rates)} in number, are cut into pieces of {n_steps} bins"
        raise ValueError(f"{found} for standard errors, which need more than {4 * apart}; give longer trials, or more.")


def _apart(smoothing: float, step: float) -> int:
    return max(1, round(CLEAR * smoothing / step))


@dataclasses.dataclass(frozen=True)
class _Fits:
    """Fits to any units of a recording, from sums over all of them."""

    student: OneStepRidge | LinearDynamics
    step: float
    trial: float

    def propagator(self, sums: Sums, units: np.ndarray) -> np.ndarray:
        """What takes rates of the units to those one pair later."""
        both = np.append(units, len(sums.gram) - 1)
        own = sums._replace(gram=sums.gram[np.ix_(both, both)], cross=sums.cross[np.ix_(units, both)])
        kept = np.exp(-self.step / tau(self.step))
        weights = self.student.rows(own, len(units))[:, :-1]
        return kept * np.eye(len(units)) + (1 - kept) * weights

    def numbers(self, sums: Sums, units: np.ndarray, ahead: int) -> np.ndarray:
        """`NUMBERS`, the first as its logarithm, and the largest modulus of an eigenvalue."""
        matrix = self.propagator(sums, units)
        eigenvalues = np.linalg.eigvals(matrix)
        sizes, later = np.abs(eigenvalues), ahead * self.step
        largest, turning = sizes.max(), np.flatnonzero(eigenvalues.imag > 1e-9)
        seconds = -later / np.log(largest) if largest < 1 else np.inf
        hertz = 0.0
        if len(turning):
            hertz = float(np.angle(eigenvalues[turning[sizes[turning].argmax()]])) / (2 * np.pi * later)
        centered = matrix - np.trace(matrix) / len(units) * np.eye(len(units))
        moved = np.sum(np.abs(eigenvalues - np.trace(matrix) / len(units)) ** 2)
        henrici = np.sqrt(max(np.sum(centered**2) - moved, 0.0)) / np.linalg.norm(centered)
        return np.array([np.log(np.clip(seconds, self.step, SLOWEST * self.trial)), hertz, henrici, largest])


def _dependence(
    fits: _Fits, recorded: Recorded, subsets: list[list[np.ndarray]], later: tuple[int, int], rates: np.ndarray
) -> SubsetDependence:
    apart, ahead = later
    near, far, everyone = added(recorded.near), added(recorded.far), subsets[-1][0]
    sizes = tuple(len(some[0]) for some in subsets)
    values = [np.array([fits.numbers(near, units, apart) for units in some]) for some in subsets]
    fewer = [some[:JACKKNIFED] for some in subsets]

    def means(some: list[np.ndarray], sums: Sums, apart: int) -> np.ndarray:
        return np.mean([fits.numbers(sums, units, apart) for units in some], axis=0)

    enough = [i for i, size in enumerate(sizes) if far.n_pairs >= PER_UNIT * size]
    place = enough[-1] if enough else 0
    beyond = means(fewer[place], far, ahead) - means(fewer[place], near, apart)
    left_out = [
        (by_size := np.stack([means(some, a, apart) for some in fewer]), means(fewer[place], b, ahead) - by_size[place])
        for a, b in zip(without(near, recorded.near), without(far, recorded.far))
    ]
    refits = {
        name: _refits(
            sizes, [each[:, i] for each in values], beyond[i], [(a[:, i], b[i]) for a, b in left_out],
            most=np.log(fits.trial) if i == 0 else np.inf,
        )
        for i, name in enumerate(NUMBERS)
    }  # fmt: skip
    matrix = fits.propagator(near, everyone)
    return SubsetDependence(
        refits,
        fits.trial,
        fits.step,
        bool(values[-1][0, -1] >= 1),
        _memory(rates, matrix, apart),
        constrained_share(recorded.near, overlap=apart),
        apart,
    )


def _refits(sizes: tuple[int, ...], values: list[np.ndarray], beyond: float, left_out: list, *, most: float) -> Refits:
    """One number; `most` is the largest that can be told."""
    design = np.stack([np.ones(len(sizes[FITTED])), 1 / np.array(sizes[FITTED], float)], axis=1)
    weights = np.linalg.pinv(design)[0]

    def estimates(means: np.ndarray, further: float) -> np.ndarray:
        whole, recorded = weights @ means[FITTED], means[-1]
        drift, change = min(whole, most) - min(recorded, most), min(recorded + further, most) - min(recorded, most)
        return np.array([whole, drift, change, drift + change])

    found = estimates(np.array([each.mean() for each in values]), beyond)
    jackknifed = np.array([estimates(means, further) for means, further in left_out])
    n = len(jackknifed)
    by_trials = (n - 1) / n * np.sum((jackknifed - jackknifed.mean(axis=0)) ** 2, axis=0)
    drawn = sum(w**2 * each.var(ddof=1) / len(each) for w, each in zip(weights[:-1], values[FITTED][:-1]))
    by_units = values[HALF].var(ddof=1)  # delete-half jackknife
    whole = found[0], 1.96 * np.sqrt(by_trials[0] + drawn + by_units)
    errors = np.sqrt(by_trials + drawn * np.array([1, 1, 0, 1]) + by_units * np.array([1, 0, 0, 0]))
    return Refits(
        sizes, values, (float(whole[0]), float(whole[0] - whole[1]), float(whole[0] + whole[1])),
        (float(found[1]), float(errors[1])), (float(found[2]), float(errors[2])), float(errors[3]),
    )  # fmt: skip


def _memory(rates: np.ndarray, matrix: np.ndarray, apart: int) -> float:
    """Correlation of residuals with those of the next pair, over units and trials."""
    left = rates[:, apart:] - rates[:, :-apart] @ matrix.T
    left = left - left.mean(axis=(0, 1))
    left = left / np.maximum(left.std(axis=(0, 1)), 1e-12)
    return float(np.mean(left[:, apart:] * left[:, :-apart]))
