"""Rotations that conditions share: jPCA."""

import dataclasses
import warnings
from collections.abc import Mapping
from typing import ClassVar

import equinox as eqx
import numpy as np
import scipy.linalg
from jaxtyping import Float

from recirc.compare.base import AbstractPortrait
from recirc.compare.normalization import normalized_averages, without_condition_mean
from recirc.compare.samples import check_enough_samples, principal_axes, window_steps
from recirc.types import Activity, Direction, Score

STATISTICS = ("ratio", "r2_skew", "r2_best")


class JPCAPlanes(eqx.Module):
    """Planes of rotation that `JPCA.fit` found, the fastest first.

    Args:
        axes: two orthonormal axes per plane, in normalized units; rotation goes from the first to the second.
        mean: normalized mean over conditions at every time of the window.
        scale: what each unit is multiplied by.
        units: names of the units, in order; constant ones are left out.
        frequency_hz: |Im lambda| / (2 pi dt) of every plane.
        variance: share of the variance (normalized, mean over conditions subtracted, all components) that
            every plane holds in the window.
        r2_best, r2_skew: R² of the best and of the best skew-symmetric dynamics.
        plane_r2_best, plane_r2_skew: the same of what every plane sees.
        phase: circular mean of the angle from state to change, weighted by the distance from the origin, rad.
        rotation: mean cosine of that angle less pi/2; 1 is pure rotation, 0 none.
        start, stop, dt: window on the activity's clock, and step, seconds.
        settings: every setting that was used.

    Example:
        >>> import numpy as np
        >>> angle, time = np.deg2rad(45 * np.arange(8))[:, None, None], 0.01 * np.arange(40)[:, None]
        >>> rates = np.cos(angle + np.arange(12) + (6 + np.arange(12)) * time)
        >>> planes = recirc.compare.JPCA(soft=np.inf).fit(recirc.Activity(rates, dt=0.01, conditions=45 * np.arange(8)))
        >>> isinstance(planes, JPCAPlanes), planes.axes.shape
        (True, (12, 6))
    """

    axes: Float[np.ndarray, "unit axis"]
    mean: Float[np.ndarray, "time unit"]
    scale: Float[np.ndarray, " unit"]
    units: tuple[str, ...] = eqx.field(static=True)
    frequency_hz: Float[np.ndarray, " plane"]
    variance: Float[np.ndarray, " plane"]
    r2_best: float
    r2_skew: float
    plane_r2_best: Float[np.ndarray, " plane"]
    plane_r2_skew: Float[np.ndarray, " plane"]
    phase: Float[np.ndarray, " plane"]
    rotation: Float[np.ndarray, " plane"]
    start: float = eqx.field(static=True)
    stop: float = eqx.field(static=True)
    dt: float = eqx.field(static=True)
    settings: dict[str, object]

    def project(self, a: Activity) -> Float[np.ndarray, "trial time axis"]:
        """Every trial of `a` on the planes, two axes each, in the window of the fit.

        Raises:
            ValueError: if a unit of the fit is missing, or the window does not fit or has other steps.
        """
        steps = window_steps(a, self.start, self.stop)
        rates = np.asarray(a.select_units(self.units).rates, np.float64)[:, steps]
        if rates.shape[1] != len(self.mean):
            raise ValueError(
                f"the window has {rates.shape[1]} steps of {a.dt} s and had {len(self.mean)} of "
                f"{self.dt} s in the fit; resample one."
            )
        return (rates * self.scale - self.mean) @ self.axes


class JPCA(AbstractPortrait):
    r"""How much of the change of a population is rotation that all conditions share.

    $$\dot X \approx X M, \qquad R^2 = 1 - \frac{\|\dot X - XM\|_F^2}{\|\dot X\|_F^2}, \qquad
      \text{ratio} = \frac{R^2_\text{skew}}{R^2_\text{best}}$$

    X are the first k principal components of averages over repeats, soft-normalized over all times, the mean
    over conditions subtracted, cut to the window; the change is the difference to the next step within a
    condition. The best M is least squares; the best M = -M^T solves X'X M + M X'X = X'dX - dX'X.

    Values depend strongly on the window and on k: state both. A high ratio alone says nothing: any smooth
    activity in which conditions peak in one order has it. Never show it without a null (`null_distribution`).
    Frequencies are of differences: a rotation by w per step is found as sin(w), under by 1 % at w = 0.25.

    Args:
        n_components: k, even. Fewer dimensions are used as they are, with a warning.
        soft, start, stop: as in `AbstractPortrait`.
        statistic: "ratio", "r2_skew" or "r2_best", the value of the score.

    Returns (when called): metric `jpca_<statistic>`; parts are those numbers of `JPCAPlanes` that are not weights.

    Raises:
        ValueError: if `n_components` is not even and positive, or `statistic` unknown; when called, if there are fewer
            than two dimensions, or conditions differ by a constant.

    Source: Churchland et al. 2012 (doi 10.1038/nature11129) and its code; M in closed form instead of by
    descent, which gives the same; ratio as Michaels et al. 2016 (doi 10.1371/journal.pcbi.1005175).

    Example:
        >>> import numpy as np, recirc
        >>> angle = np.arange(30) * 0.1 + np.arange(4)[:, None] * np.pi / 2
        >>> rates = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
        >>> a = recirc.Activity(rates, dt=0.01, conditions="abcd")
        >>> planes = recirc.compare.JPCA(2, soft=None).fit(a)
        >>> [round(float(x), 2) for x in (planes.r2_skew, planes.frequency_hz[0])]
        [1.0, 1.59]
    """

    labels: ClassVar[Mapping[str, str]] = {
        "jpca_ratio": "jPCA ratio",
        "jpca_r2_skew": "jPCA R², skew",
        "jpca_r2_best": "jPCA R², best",
    }
    direction: ClassVar[Direction] = "higher"
    certified: ClassVar[frozenset[tuple[str, str]]] = frozenset({("tensor_maximum_entropy", "any")})

    n_components: int = eqx.field(static=True, default=6)
    soft: float | None = eqx.field(static=True, default=5.0)
    start: float | None = eqx.field(static=True, default=None)
    stop: float | None = eqx.field(static=True, default=None)
    statistic: str = eqx.field(static=True, default="ratio")

    def __check_init__(self):
        if self.n_components < 2 or self.n_components % 2:
            raise ValueError(f"n_components must be even and at least 2, got {self.n_components}.")
        if self.statistic not in STATISTICS:
            raise ValueError(f"statistic must be one of {STATISTICS}, got {self.statistic!r}.")

    @property
    def metric(self) -> str:
        return f"jpca_{self.statistic}"

    def __call__(self, a: Activity) -> Score:
        return self.of(self.fit(a))

    def scores(self, a: Activity) -> tuple[Score, ...]:
        """Those of every statistic, from one fit."""
        planes = self.fit(a)
        return tuple(dataclasses.replace(self, statistic=name).of(planes) for name in STATISTICS)

    def of(self, planes: JPCAPlanes) -> Score:
        """The score of planes that were found before."""
        values = {"r2_best": planes.r2_best, "r2_skew": planes.r2_skew}
        values["ratio"] = planes.r2_skew / planes.r2_best if planes.r2_best > 0 else np.nan
        by_plane = ("frequency_hz", "variance", "plane_r2_best", "plane_r2_skew", "phase", "rotation")
        parts = {name: np.array(value) for name, value in values.items()}
        return self.score(
            values[self.statistic],
            parts=parts | {name: getattr(planes, name) for name in by_plane},
            settings=self.settings | planes.settings,
        )

    def fit(self, a: Activity) -> JPCAPlanes:
        """Planes of rotation of `a`; it raises what a call does."""
        found = normalized_averages(a, self.soft, self.start, self.stop)
        rates = without_condition_mean(found.rates)
        n_conditions, n_steps, n_units = rates.shape
        check_enough_samples((n_conditions - 1) * (n_steps - 1), self.n_components)
        components = self._components(rates.reshape(-1, n_units))
        states = rates @ components
        x, dx = (part.reshape(-1, states.shape[2]) for part in (states[:, :-1], np.diff(states, axis=1)))
        if not np.any(dx):
            raise ValueError("conditions differ by a constant in the window, so that nothing changes there.")
        best, skew = np.linalg.lstsq(x, dx, rcond=None)[0], skew_symmetric_fit(x, dx)
        speeds, planes = _planes(skew, states)
        changes, places, *errors = (
            (part @ planes).reshape(len(dx), -1, 2) for part in (dx, x, dx - x @ best, dx - x @ skew)
        )
        plane_r2 = [1 - _squares(error) / _squares(changes) for error in errors]
        radius, angle = np.linalg.norm(places, axis=2), np.angle(_complex(changes) * np.conj(_complex(places)))
        return JPCAPlanes(
            axes=components @ planes,
            mean=found.rates.mean(axis=0),
            scale=found.scale,
            units=found.units,
            frequency_hz=speeds / (2 * np.pi * a.dt),
            variance=_squares((states @ planes).reshape(-1, len(speeds), 2)) / (rates**2).sum(),
            r2_best=_r2(dx, x @ best),
            r2_skew=_r2(dx, x @ skew),
            plane_r2_best=plane_r2[0],
            plane_r2_skew=plane_r2[1],
            phase=np.angle((radius * np.exp(1j * angle)).sum(axis=0)),
            rotation=np.sin(angle).mean(axis=0),
            start=found.start,
            stop=found.stop,
            dt=a.dt,
            settings=found.settings | {"n_components": x.shape[1], "dt": a.dt},
        )

    def _components(self, samples: np.ndarray) -> np.ndarray:
        components, _ = principal_axes(samples, self.n_components)
        n_found = components.shape[1] - components.shape[1] % 2
        if n_found < 2:
            raise ValueError("the activity has one dimension in the window, and a rotation needs two.")
        if n_found < self.n_components:
            warnings.warn(
                f"the activity has under {self.n_components} dimensions in the window; {n_found} are used.",
                stacklevel=3,
            )
        return components[:, :n_found]


def skew_symmetric_fit(
    x: Float[np.ndarray, "sample component"], dx: Float[np.ndarray, "sample component"]
) -> Float[np.ndarray, "component component"]:
    r"""The skew-symmetric M with the least $\|\dot X - XM\|_F$, by a Sylvester equation.

    $$X^\top X M + M X^\top X = X^\top \dot X - \dot X^\top X$$

    Args:
        x: X, of full column rank.
        dx: its change.
    """
    gram, cross = x.T @ x, x.T @ dx
    found = scipy.linalg.solve_sylvester(gram, gram, cross - cross.T)
    return (found - found.T) / 2  # skew already, up to rounding


def _planes(skew: np.ndarray, states: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Angular speed per step of every plane, descending, and its axes (component by 2 per plane)."""
    n_planes = len(skew) // 2
    # A row x changes by x M, a column by M' x. With i M' v = w v and v = r + i s: M' r = w s, so r turns to s.
    values, vectors = np.linalg.eigh(1j * skew.T)
    speeds = np.maximum(values[::-1][:n_planes], 0.0)
    turning = vectors[:, ::-1][:, :n_planes][:, speeds > 1e-9 * speeds[0]]
    axes = np.sqrt(2) * np.stack([np.real(turning), np.imag(turning)], axis=2).reshape(len(skew), -1)
    rest = scipy.linalg.null_space(axes.T) if axes.size else np.eye(len(skew))
    axes = np.hstack([axes, rest])
    for plane in range(n_planes):
        pair = slice(2 * plane, 2 * plane + 2)
        axes[:, pair] = axes[:, pair] @ _orientation(states @ axes[:, pair])
    return speeds, axes


def _orientation(states: Float[np.ndarray, "condition time 2"]) -> Float[np.ndarray, "2 2"]:
    """Rotation that spreads first states along axis 1 and makes the largest excursion on axis 2 positive."""
    spread = np.linalg.eigh(states[:, 0].T @ states[:, 0])[1][:, -1]
    turned = np.array([[spread[0], -spread[1]], [spread[1], spread[0]]])
    second = (states @ turned[:, 1]).ravel()
    return turned if second[np.argmax(np.abs(second))] >= 0 else -turned


def _r2(dx: np.ndarray, predicted: np.ndarray) -> float:
    return float(1 - ((dx - predicted) ** 2).sum() / (dx**2).sum())


def _squares(pairs: Float[np.ndarray, "sample plane 2"]) -> Float[np.ndarray, " plane"]:
    return (pairs**2).sum(axis=(0, 2))


def _complex(pairs: Float[np.ndarray, "sample plane 2"]) -> np.ndarray:
    return pairs[..., 0] + 1j * pairs[..., 1]
