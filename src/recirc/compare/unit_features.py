"""What single units look like, and how alike two populations of them are, unit by unit."""

from collections.abc import Mapping
from typing import ClassVar

import equinox as eqx
import jax
import numpy as np
import scipy.signal
import scipy.stats
from jaxtyping import Float, Int, PRNGKeyArray

from recirc.circuits.base import numpy_generator
from recirc.compare.base import AbstractPortrait
from recirc.compare.normalization import normalized_averages, without_condition_mean
from recirc.compare.samples import window_steps
from recirc.compare.statistics import bootstrap_interval
from recirc.types import Activity, Direction, Level, Score

FEATURES = {  # unit, and what it is called in print
    "preparatory_tuning": ("1", "preparatory tuning"),
    "movement_tuning": ("1", "movement tuning"),
    "tuning_correlation": ("1", "correlation of tunings"),
    "direction_change": ("degree", "change of direction (°)"),
    "peak_time": ("s", "time of peak tuning (s)"),
    "multiphasic": ("1", "multiphasic units"),
}


class UnitFeatures(AbstractPortrait):
    r"""Tuning and time course of every unit.

    $$D_n = \frac{\max_c m_{nc} - \min_c m_{nc}}{\mathrm{range}_n}, \qquad
      \hat m_{nc} = b_0 + b_1 \cos\theta_c + b_2 \sin\theta_c$$

    m is the mean rate of unit n in condition c over an epoch, the range is over all times and conditions,
    repeats averaged. The features, one value per unit:

    - `preparatory_tuning`, `movement_tuning`: D in either epoch, 0 to 1.
    - `tuning_correlation`: of m in preparation and in movement over conditions; nan if either is constant,
      and plus or minus 1 with two conditions.
    - `direction_change`: angle between the preferred directions atan2(b2, b1) of the two epochs, 0 to 180
      degrees; only where labels are angles, of three conditions or more. Noise for units without tuning.
    - `peak_time`: when the s.d. over conditions is largest, at any time, in seconds from the start of `movement`.
    - `multiphasic`: whether the time course of the unit's tuning in movement (first right singular vector of
      condition by time, the mean over conditions subtracted) has two or more extrema, maxima or minima, whose
      prominence is at least `prominence` times its range. Ends are no extrema.

    Like units do not make like populations, nor a like mechanism. Smooth both sides alike: noise has extrema.

    Args:
        preparation, movement: epochs, (start, stop) in seconds on the activity's clock.
        feature: which one the score is of.
        prominence: threshold, in (0, 1).

    Returns (when called): metric `unit_<feature>`: the median over units, the share of units for
    `multiphasic`; it is neither good nor bad. Parts: every feature, `preparatory_direction` and
    `movement_direction` (degrees) beside `direction_change`, and names in `units`.

    Raises:
        ValueError: if `feature` is unknown or `prominence` not in (0, 1); when called, if `direction_change` is asked
            for without angles.

    Source: ours; the features are those that Churchland & Shenoy 2007 (doi 10.1152/jn.00095.2007) discuss.

    Example:
        >>> import jax, recirc
        >>> a = recirc.Activity(jax.random.normal(jax.random.key(0), (4, 50, 6)), dt=0.01, conditions="abcd")
        >>> score = recirc.compare.UnitFeatures((0.0, 0.2), (0.2, 0.5))(a)
        >>> score.metric, score.parts["peak_time"].shape
        ('unit_movement_tuning', (6,))
    """

    names: ClassVar[tuple[str, ...]] = tuple(FEATURES)
    labels: ClassVar[Mapping[str, str]] = {f"unit_{name}": label for name, (_, label) in FEATURES.items()}
    level: ClassVar[Level] = "unit"
    direction: ClassVar[Direction] = "higher"

    preparation: tuple[float, float] = eqx.field(static=True)
    movement: tuple[float, float] = eqx.field(static=True)
    feature: str = eqx.field(static=True, default="movement_tuning")
    prominence: float = eqx.field(static=True, default=0.2)

    def __check_init__(self):
        if self.feature not in FEATURES:
            raise ValueError(f"feature must be one of {tuple(FEATURES)}, got {self.feature!r}.")
        if not 0 < self.prominence < 1:
            raise ValueError(f"prominence must be between 0 and 1, got {self.prominence}.")

    @property
    def metric(self) -> str:
        return f"unit_{self.feature}"

    def __call__(self, a: Activity) -> Score:
        found = normalized_averages(a, np.inf)
        moving = without_condition_mean(found.rates[:, window_steps(a, *self.movement)])
        means = [found.rates[:, window_steps(a, *e)].mean(axis=1) for e in (self.preparation, self.movement)]
        depth = [np.ptp(mean, axis=0) / np.ptp(found.rates, axis=(0, 1)) for mean in means]
        peak = found.time[np.argmax(found.rates.std(axis=0), axis=0)] - self.movement[0]
        parts = {
            "preparatory_tuning": depth[0],
            "movement_tuning": depth[1],
            "tuning_correlation": _correlation(*means),
            "peak_time": peak,
            "multiphasic": self._n_extrema(moving) >= 2,
            "units": np.array(found.units),
        } | _directions(a, found.conditions, *means)
        if self.feature not in parts:
            raise ValueError(
                f"condition labels {found.conditions[:8]} are not three or more angles in degrees, so that "
                "units have no preferred direction; label conditions by angle, or ask for another feature."
            )
        return self.score(_center(self.feature, parts[self.feature]), unit=FEATURES[self.feature][0], parts=parts)

    def _n_extrema(self, rates: Float[np.ndarray, "condition time unit"]) -> Int[np.ndarray, " unit"]:
        def count(course: np.ndarray) -> int:
            least = self.prominence * np.ptp(course)
            return sum(len(scipy.signal.find_peaks(side, prominence=least)[0]) for side in (course, -course))

        courses = np.linalg.svd(np.moveaxis(rates, 2, 0), full_matrices=False)[2][:, 0]
        return np.array([count(course) for course in courses])


def unit_feature_distance(features: Score, reference: Score, *, n_splits: int = 100, key: PRNGKeyArray) -> Score:
    """How differently the features of two populations of units are distributed, beside what chance gives.

    For every feature that both have: the Kolmogorov-Smirnov distance, the same between random halves of the reference's
    units (the floor), and whether the center (median, share for `multiphasic`) lies in the 95 % bootstrap interval of
    the reference's over units. Units of a network look like units of the reference if every feature is `inside`. That
    is strict, as the interval knows only the reference's sampling: two equal samples of one population are inside in
    about 83 % per feature. A distance under `floor_p95` is the lenient answer: halves are smaller than the whole.

    Args:
        features, reference: scores of `UnitFeatures`, any `feature`. Epochs may differ, since clocks do.
        n_splits: random splits of the reference into halves.
        key: random key.

    Returns:
        Metric `unit_feature_distance`, the mean distance over features, lower is better; parts, one value
        per feature: `feature` (name), `distance`, `floor` (mean over splits), `floor_p95`, `center`,
        `reference_center`, `low`, `high`, `inside`.

    Raises:
        ValueError: if a score is not of `UnitFeatures`, thresholds differ, a population has fewer than four
            units with a value, or `n_splits` < 1.

    Example:
        >>> import numpy as np
        >>> random = np.random.default_rng(0)
        >>> rates, conditions = random.uniform(0, 9, (2, 8, 80, 20)), 45 * np.arange(8)
        >>> a, b = (recirc.Activity(each, dt=0.01, conditions=conditions) for each in rates)
        >>> features = recirc.compare.UnitFeatures((0.0, 0.3), (0.4, 0.8))
        >>> distance = unit_feature_distance(features(a), features(b), n_splits=9, key=jax.random.key(0))
        >>> distance.direction
        'lower'
    """
    if not all(score.metric.startswith("unit_") and "peak_time" in score.parts for score in (features, reference)):
        raise ValueError(f"give two scores of UnitFeatures, got {features.metric!r} and {reference.metric!r}.")
    thresholds = [score.settings["prominence"] for score in (features, reference)]
    if thresholds[0] != thresholds[1] or n_splits < 1:
        raise ValueError(
            f"prominence must be the same on both sides and n_splits at least 1, got {thresholds} and {n_splits}."
        )
    names = [name for name in FEATURES if name in features.parts and name in reference.parts]
    rows = [
        _compare(name, features.parts[name], reference.parts[name], n_splits, jax.random.fold_in(key, i))
        for i, name in enumerate(names)
    ]
    parts = {"feature": np.array(names)} | {column: np.array([row[column] for row in rows]) for column in rows[0]}
    settings = {"n_splits": n_splits, "a": dict(features.settings), "b": dict(reference.settings)}
    value = float(parts["distance"].mean())
    return Score("unit_feature_distance", value, "unit", "lower", parts=parts, settings=settings)


def _compare(name: str, one, other, n_splits: int, key: PRNGKeyArray) -> dict[str, float | bool]:
    one, other = (np.asarray(side, np.float64)[np.isfinite(side)] for side in (one, other))
    if min(len(one), len(other)) < 4:
        n_units = f"{len(one)} and {len(other)}"
        raise ValueError(f"{name} has a value in {n_units} units; distributions need four on both sides.")
    random, half = numpy_generator(key), len(other) // 2
    orders = [random.permutation(other) for _ in range(n_splits)]
    floor = [feature_distance(order[:half], order[half:]) for order in orders]
    center = np.mean if name == "multiphasic" else np.median
    middle = float(center(other))
    low, high = bootstrap_interval(other, key=key, statistic=center) if np.ptp(other) > 0 else (middle, middle)
    return {
        "distance": feature_distance(one, other),
        "floor": float(np.mean(floor)),
        "floor_p95": float(np.percentile(floor, 95)),
        "center": float(center(one)),
        "reference_center": middle,
        "low": low,
        "high": high,
        "inside": bool(low <= center(one) <= high),
    }


def feature_distance(one: Float[np.ndarray, " one"], other: Float[np.ndarray, " other"]) -> float:
    """Kolmogorov-Smirnov distance of two distributions, of the values that are finite; nan if a side has none."""
    one, other = (np.sort(side[np.isfinite(side)]) for side in (one, other))
    if not min(len(one), len(other)):
        return float("nan")
    both = np.concatenate([one, other])
    below = [np.searchsorted(side, both, side="right") / len(side) for side in (one, other)]
    return float(np.abs(below[0] - below[1]).max())


def _center(feature: str, values: np.ndarray) -> float:
    return float(np.mean(values) if feature == "multiphasic" else np.nanmedian(values))


def _correlation(one: np.ndarray, other: np.ndarray) -> Float[np.ndarray, " unit"]:
    one, other = (side - side.mean(axis=0) for side in (one, other))
    size = np.sqrt((one**2).sum(axis=0) * (other**2).sum(axis=0))
    return (one * other).sum(axis=0) / np.where(size > 0, size, np.nan)


def _directions(a: Activity, conditions: tuple[str, ...], *means: np.ndarray) -> dict[str, np.ndarray]:
    """Preferred directions in both epochs and the angle between; nothing if labels are not angles."""
    from recirc.data.directions import directions  # loads readers of files

    try:
        place = dict(zip(a.conditions, np.deg2rad(directions(a))))
    except ValueError:
        return {}
    angles = np.array([place[label] for label in conditions])
    if len(np.unique(angles)) < 3:
        return {}
    design = np.stack([np.ones_like(angles), np.cos(angles), np.sin(angles)], axis=1)
    weights = [np.linalg.lstsq(design, mean, rcond=None)[0] for mean in means]
    preferred = [np.rad2deg(np.arctan2(weight[2], weight[1])) % 360 for weight in weights]
    change = np.abs((preferred[1] - preferred[0] + 180) % 360 - 180)
    names = ("preparatory_direction", "movement_direction", "direction_change")
    return dict(zip(names, (*preferred, change)))
