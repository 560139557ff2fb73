"""Rates at a new direction of movement from those at other directions, without any network.

A network that predicts no better than these has not shown that its dynamics explain anything.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from recirc.compare.heldout_neurons import NeuronMap
from recirc.types import Activity

Angles = Float[np.ndarray, " direction"]
Rates = Float[np.ndarray, "direction time unit"]
NewAngles = Float[np.ndarray, " new"]
NewRates = Float[np.ndarray, "new time unit"]

LENGTHS = (0.8, 1.0, 1.3, 1.6, 2.0)
DURATIONS = (0.06, 0.1, 0.15, 0.2, 0.3)
NOISE_RATIOS = (0.03, 0.1, 0.3, 1.0)


def condition_mean(angles: Angles, rates: Rates, new: NewAngles) -> NewRates:
    """The mean over directions, whatever the new ones are.

    Args:
        angles: directions that were seen, radians.
        rates: what was recorded at them.
        new: directions to predict, radians.
    """
    return np.broadcast_to(rates.mean(axis=0), (len(new), *rates.shape[1:]))


def cosine_tuning(angles: Angles, rates: Rates, new: NewAngles) -> NewRates:
    r"""Cosine tuning, fitted by least squares to every unit and time apart.

    $$\hat y(\theta) = a + b\cos\theta + c\sin\theta$$

    Args:
        angles, rates, new: as in `condition_mean`; with fewer than three directions the smallest a, b, c.

    Source: Georgopoulos et al. 1982 (doi 10.1523/JNEUROSCI.02-11-01527.1982).

    Example:
        >>> angles = np.array([0.0, 2.0, 4.0])
        >>> rates = (3 + np.cos(angles - 1))[:, None, None]
        >>> round(cosine_tuning(angles, rates, np.array([1.0])).item(), 6)
        4.0
    """
    design = lambda at: np.stack([np.ones_like(at), np.cos(at), np.sin(at)], axis=1)  # noqa: E731
    return np.einsum("nc,ctu->ntu", design(new) @ np.linalg.pinv(design(angles)), rates)


def gp_directions(angles: Angles, rates: Rates, new: NewAngles, *, length: float = 1.0, noise: float = 0.1) -> NewRates:
    r"""Gaussian process over directions, every unit and time apart, about the mean over directions.

    $$k(\theta, \theta') = \exp\left(-2 \sin^2\frac{\theta - \theta'}{2} / \ell^2\right)$$

    Args:
        angles, rates, new: as in `condition_mean`.
        length: l.
        noise: variance of the noise over that of the signal.
    """
    mean = rates.mean(axis=0)
    covariance = _kernel(angles, angles, length) + noise * np.eye(len(angles))
    weights = np.linalg.solve(covariance, _kernel(angles, new, length)).T
    return mean + np.einsum("nc,ctu->ntu", weights, rates - mean)


class JointGP(NamedTuple):
    r"""Gaussian process over directions and time together, every unit apart, about the mean over directions.

    $$k = \exp\left(-2 \sin^2\frac{\theta - \theta'}{2} / \ell^2\right)
          \exp\left(-\frac{(t - t')^2}{2 d^2}\right)$$

    Args:
        length: l.
        duration: d, seconds.
        noise: variance of the noise over that of the signal.

    Do not choose them by marginal likelihood: errors of trial averages are smooth in time and are taken for
    signal. `choose` leaves directions out.

    Example:
        >>> angles = np.linspace(0, 2 * np.pi, 8, endpoint=False)
        >>> rates = np.cos(angles)[:, None, None] * np.ones((8, 20, 1))
        >>> found = JointGP(1.0, 0.1, 0.01).predict(angles, rates, np.array([0.3]), dt=0.01)
        >>> bool(abs(found - np.cos(0.3)).max() < 0.02)
        True
    """

    length: float
    duration: float
    noise: float

    def predict(self, angles: Angles, rates: Rates, new: NewAngles, *, dt: float) -> NewRates:
        """Rates at new directions.

        Args:
            angles, rates, new: as in `condition_mean`.
            dt: seconds between time samples.
        """
        rotate, spectrum = _time_basis(rates.shape[1], self.duration, dt)
        rotated = np.einsum("tb,ctu->cbu", rotate, rates)
        (found,) = _Rotated(angles, rotated, new, self.length)([self.noise], spectrum)
        return np.einsum("tb,cbu->ctu", rotate, found)

    @classmethod
    def choose(
        cls,
        angles: Angles,
        rates: Rates,
        *,
        dt: float,
        tests: Sequence[int],
        lengths: Sequence[float] = LENGTHS,
        durations: Sequence[float] = DURATIONS,
        noises: Sequence[float] = NOISE_RATIOS,
    ) -> "JointGP":
        """The parameters that predict best when directions are left out one at a time.

        Args:
            angles, rates: as in `condition_mean`; scale units so that their errors can be added.
            dt: seconds between time samples.
            tests: places in `angles` of the directions to leave out.
            lengths, durations, noises: candidates.

        Raises:
            ValueError: if `tests` is empty or there are fewer than three directions.
        """
        if not len(tests) or len(angles) < 3:
            raise ValueError(f"{len(angles)} directions with {len(tests)} to leave out; give three or more, and one.")
        errors: dict[JointGP, float] = {}
        for duration in durations:
            rotate, spectrum = _time_basis(rates.shape[1], duration, dt)
            rotated = np.einsum("tb,ctu->cbu", rotate, rates)
            for length in lengths:
                for test in tests:
                    rest = np.delete(np.arange(len(angles)), test)
                    predict = _Rotated(angles[rest], rotated[rest], angles[[test]], length)
                    found = ((predict(noises, spectrum) - rotated[test]) ** 2).sum((1, 2, 3))
                    for noise, error in zip(noises, found.tolist()):
                        place = cls(length, duration, noise)
                        errors[place] = errors.get(place, 0.0) + error
        return min(errors, key=errors.__getitem__)


class _Rotated:
    """The joint process in the eigenbases of its two kernels, where its covariance is diagonal."""

    def __init__(self, angles: Angles, rotated: Rates, new: NewAngles, length: float):
        self.mean = rotated.mean(axis=0)
        values, vectors = np.linalg.eigh(_kernel(angles, angles, length))
        self.values = np.maximum(values, 0.0)
        self.signal = np.einsum("ca,cbu->abu", vectors, rotated - self.mean)
        self.weights = _kernel(new, angles, length) @ vectors

    def __call__(self, noises: Sequence[float], spectrum: np.ndarray) -> np.ndarray:
        """For every noise what is made of the new directions (noise, new, component, unit)."""
        powers = self.values[:, None] * spectrum[None, :]
        gains = spectrum / (powers + np.asarray(noises)[:, None, None])  # (noise, direction, component)
        weights = self.weights[None, :, None, :] * np.moveaxis(gains, 1, 2)[:, None]
        return self.mean + (weights[..., None, :] @ np.moveaxis(self.signal, 0, 1))[..., 0, :]


def _kernel(a: Angles, b: NewAngles, length: float) -> np.ndarray:
    return np.exp(-2 * np.sin((a[:, None] - b[None, :]) / 2) ** 2 / length**2)


def _time_basis(n_steps: int, duration: float, dt: float) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvectors (time, component) and eigenvalues of the kernel over time."""
    time = dt * np.arange(n_steps)
    values, vectors = np.linalg.eigh(np.exp(-0.5 * ((time[:, None] - time[None, :]) / duration) ** 2))
    return vectors, np.maximum(values, 0.0)


INTERPOLATIONS: dict[str, Callable[[Angles, Rates, NewAngles], NewRates]] = {
    "cosine_tuning": cosine_tuning,
    "gp_directions": gp_directions,
    "condition_mean": condition_mean,
}


def interpolated(
    angles: Angles,
    rates: Rates,
    *,
    dt: float,
    scales: Float[np.ndarray, "direction unit"],
    tests: Mapping[int, Sequence[int]],
) -> dict[str, Rates]:
    """What every direction looks like to those who saw only the others and need no network.

    Args:
        angles: all directions, radians.
        rates: what was recorded at them.
        dt: seconds between time samples.
        scales: what rates are divided by where errors of units are added; as in `left_out_scales`.
        tests: for every direction others, which choose the parameters of the joint process when it is left out.

    Returns:
        Predictions by the methods of `INTERPOLATIONS` and by `JointGP`, "gp_joint".
    """
    found = {name: [] for name in (*INTERPOLATIONS, "gp_joint")}
    for left_out, angle in enumerate(angles):
        rest = np.delete(np.arange(len(rates)), left_out)
        seen, new = (angles[rest], rates[rest]), np.array([angle])
        for name, method in INTERPOLATIONS.items():
            found[name].append(method(*seen, new)[0])
        places = [int(np.flatnonzero(rest == test)[0]) for test in tests[left_out]]
        process = JointGP.choose(angles[rest], rates[rest] / scales[left_out], dt=dt, tests=places)
        found["gp_joint"].append(process.predict(*seen, new, dt=dt)[0])
    return {name: np.stack(values) for name, values in found.items()}


def direct_map(
    activity: Activity, folds: Sequence[tuple[np.ndarray, np.ndarray]], scales: Float[np.ndarray, "direction unit"]
) -> Rates:
    """Units from other units by `NeuronMap`, in every direction; it sees the left-out direction's recording.

    Args:
        activity: one trial per direction.
        folds: places of the units that are seen, and of those that are predicted from them; together the latter are
            all units.
        scales: what seen rates are divided by, as in `left_out_scales`.
    """
    rates, names = np.asarray(activity.rates, np.float64), np.array(activity.units)
    found = np.zeros_like(rates)
    for left_out, scale in enumerate(scales):
        rest = np.delete(np.arange(len(rates)), left_out)
        scaled = activity.replace(rates=rates / scale, outputs=None)
        for seen, unseen in folds:
            recorded, asked = scaled.select_units(list(names[seen])), activity.select_units(list(names[unseen]))
            fitted = NeuronMap.fit(recorded.select(rest), asked.select(rest))
            found[left_out][:, unseen] = fitted.predict(recorded.select([left_out])).rates[0]
    return found
