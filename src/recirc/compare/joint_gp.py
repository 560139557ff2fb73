"""A Gaussian process over conditions and time: what smooth tuning knows of a condition that was not recorded."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from recirc.compare.covariates import Covariates

Rates = Float[np.ndarray, "condition time unit"]
NewRates = Float[np.ndarray, "new time unit"]

LENGTHS = {"angle": (0.8, 1.0, 1.3, 1.6, 2.0), "number": (0.4, 0.7, 1.2, 2.0, 4.0), "category": (0.3, 0.8, 2.0)}
DURATIONS = (0.06, 0.1, 0.15, 0.2, 0.3)
NOISES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
ROUNDS = 2  # over covariates, one length after the other
NEGLIGIBLE = 1e-9  # eigenvalue of the kernel over time, over the largest
FAINTEST = 1e-6  # variance of a component of coupled units, over that of the first


class JointGP(NamedTuple):
    r"""Gaussian process over conditions and time together, about the mean over conditions.

    $$k = \exp\left(-\sum_j \frac{s_j}{2\ell_j^2}\right) \exp\left(-\frac{(t - t')^2}{2 d^2}\right)$$

    with $s_j$ the squared distance in covariate j (`Covariates`): periodic in an angle, squared exponential in a
    number, and of equal correlation between any two different categories. Units are apart from each other, with noise
    of variance $\nu$; or they are coupled: each of their principal components has variance $\lambda_k$ and is apart,
    with noise $\nu\lambda_1/\lambda_k$, so that components which are mostly noise say little.

    Args:
        lengths: l, one per covariate: radians, standard deviations, or 1 for categories.
        duration: d, seconds.
        noise: nu, over the variance of the signal.
        coupled: whether units are.

    Do not choose them by marginal likelihood: errors of trial averages are smooth in time and are taken for
    signal. `choose` leaves conditions out.

    Example:
        >>> from recirc.compare.covariates import Covariate
        >>> angles = Covariates((Covariate("direction", "angle", np.arange(8) * 45.0),))
        >>> new = Covariates((Covariate("direction", "angle", np.array([20.0])),))
        >>> rates = np.cos(np.deg2rad(angles.columns[0].values))[:, None, None] * np.ones((8, 20, 1))
        >>> found = JointGP((1.0,), 0.1, 0.01).predict(angles, rates, new, dt=0.01)
        >>> bool(abs(found - np.cos(np.deg2rad(20))).max() < 0.02)
        True
    """

    lengths: tuple[float, ...]
    duration: float
    noise: float
    coupled: bool = False

    def predict(self, seen: Covariates, rates: Rates, new: Covariates, *, dt: float) -> NewRates:
        """Rates in new conditions.

        Args:
            seen, rates: conditions that were recorded, and what was; coupled units on scales that can be compared.
            new: conditions to predict.
            dt: seconds between time samples.
        """
        at = _Rotated.of(rates, self.duration, dt, coupled=self.coupled)
        made = at.predict(_kernel(seen, seen, self.lengths), _kernel(new, seen, self.lengths), (self.noise,))[0]
        return at.back(made)

    @classmethod
    def choose(
        cls,
        seen: Covariates,
        rates: Rates,
        *,
        dt: float,
        tests: Sequence[Sequence[int]],
        coupled: bool = False,
        lengths: Mapping[str, Sequence[float]] = LENGTHS,
        durations: Sequence[float] = DURATIONS,
        noises: Sequence[float] = NOISES,
    ) -> "JointGP":
        """The parameters that predict best when conditions are left out; lengths of several covariates in turn.

        Args:
            seen, rates: as in `predict`; scale units so that their errors can be added.
            dt: seconds between time samples.
            tests: groups of places in `seen`, left out one after the other.
            coupled: whether units are.
            lengths: candidates, by kind of covariate.
            durations, noises: candidates.

        Raises:
            ValueError: if `tests` is empty, or a test leaves no condition.
        """
        if not len(tests) or max(map(len, tests)) > seen.n_conditions - 1:
            found = f"{seen.n_conditions} conditions with {len(tests)} groups to leave out"
            raise ValueError(f"{found}; give at least one group, and a condition beside each.")
        rotated = [_Rotated.of(rates, duration, dt, coupled=coupled) for duration in durations]
        kept = [np.delete(np.arange(seen.n_conditions), list(test)) for test in tests]
        distances, errors = seen.squares(seen), {}

        def error(candidate: tuple[float, ...]) -> tuple[float, int, int]:
            if candidate not in errors:
                kernel = _of_squares(distances, candidate)
                found = np.array([
                    sum(at.errors(kernel, list(test), rest, noises) for test, rest in zip(tests, kept))
                    for at in rotated
                ])  # fmt: skip
                place = np.unravel_index(np.argmin(found), found.shape)
                errors[candidate] = float(found[place]), int(place[0]), int(place[1])
            return errors[candidate]

        options = [tuple(lengths[column.kind]) for column in seen.columns]
        best = tuple(values[len(values) // 2] for values in options)
        for _ in range(ROUNDS if len(options) > 1 else 1):
            for j, values in enumerate(options):
                best = min(((*best[:j], value, *best[j + 1 :]) for value in values), key=error)
        _, duration, noise = error(best)
        return cls(best, float(durations[duration]), float(noises[noise]), coupled)


class _Rotated(NamedTuple):
    """Deviations from the mean over conditions in eigenbases, where the covariance over time and units is diagonal."""

    mean: Float[np.ndarray, "time unit"]
    values: Float[np.ndarray, "condition component column"]
    spectrum: Float[np.ndarray, " component"]
    over_time: Float[np.ndarray, "time component"]
    over_units: Float[np.ndarray, "column unit"] | None
    noises: Float[np.ndarray, " column"]  # relative

    @classmethod
    def of(cls, rates: Rates, duration: float, dt: float, *, coupled: bool) -> "_Rotated":
        rates = np.asarray(rates, np.float64)
        mean, n_units = rates.mean(axis=0), rates.shape[2]
        time = dt * np.arange(rates.shape[1])
        spectrum, over_time = np.linalg.eigh(np.exp(-0.5 * ((time[:, None] - time) / duration) ** 2))
        is_kept = spectrum > NEGLIGIBLE * spectrum[-1]
        values, over_units, noises = (
            np.einsum("tb,ctu->cbu", over_time[:, is_kept], rates - mean),
            None,
            np.ones(n_units),
        )
        if coupled:
            flat = (rates - mean).reshape(-1, n_units)
            variances, components = np.linalg.eigh(flat.T @ flat)
            is_clear = variances > FAINTEST * variances[-1]
            over_units, noises = components[:, is_clear].T, variances[-1] / variances[is_clear]
            values = values @ over_units.T
        return cls(mean, values, spectrum[is_kept], over_time[:, is_kept], over_units, noises)

    def predict(
        self, kernel: np.ndarray, beside: np.ndarray, noises: Sequence[float], rest: np.ndarray | slice = slice(None)
    ) -> np.ndarray:
        """Of new conditions (noise, new, component, column), from `rest` of the conditions about their own mean."""
        seen = self.values[rest]
        mean = seen.mean(axis=0)
        eigenvalues, vectors = np.linalg.eigh(kernel)
        power = np.maximum(eigenvalues, 0.0)[:, None] * self.spectrum
        signal, weights = np.einsum("ca,cbu->abu", vectors, seen - mean), beside @ vectors
        made = []
        for noise in noises:
            gain = self.spectrum[:, None] / (power[:, :, None] + noise * self.noises)
            made.append(mean + np.tensordot(weights, gain * signal, axes=1))
        return np.stack(made)

    def errors(self, kernel: np.ndarray, test: list[int], rest: np.ndarray, noises: Sequence[float]) -> np.ndarray:
        """Squared error in conditions left out, one per noise, less what no parameter but the basis changes."""
        made = self.predict(kernel[rest][:, rest], kernel[test][:, rest], noises, rest)
        truth, mean = self.values[test], self.values[rest].mean(axis=0)
        return ((made - truth) ** 2).sum(axis=(1, 2, 3)) - ((mean - truth) ** 2).sum()

    def back(self, values: np.ndarray) -> NewRates:
        if self.over_units is not None:
            values = values @ self.over_units
        return self.mean + np.einsum("tb,nbu->ntu", self.over_time, values)


def _kernel(a: Covariates, b: Covariates, lengths: tuple[float, ...]) -> np.ndarray:
    return _of_squares(a.squares(b), lengths)


def _of_squares(squares: np.ndarray, lengths: tuple[float, ...]) -> np.ndarray:
    return np.exp(-np.tensordot(0.5 / np.square(lengths), squares, axes=1))
