"""Behavior brought onto the clock of the bins, and when in it a movement begins."""

import numpy as np
from jaxtyping import Float

from recirc.data.session import PreparationError, Series


def on_bins(
    time: Float[np.ndarray, " sample"],
    values,
    starts,
    n_bins: int,
    dt: float,
    *,
    lag: float = 0.0,
    rectify: bool = False,
    interval: float | None = None,
) -> Float[np.ndarray, "trial time channel"]:
    r"""Behavior in the bins of every trial, one clock for rates and behavior.

    Where a bin holds two samples or more on average, its value is the mean of those in $[t_i + k\Delta + \ell,
    t_i + (k + 1)\Delta + \ell)$, so that what is faster than the bins is not folded onto slow movement. Slower series
    are interpolated linearly at the middle of every bin, and not across gaps over three sampling intervals.

    Args:
        time: seconds of every sample, rising.
        values: (sample, channel); only what is needed is read, so that it may lie on disk.
        starts, n_bins, dt: t, seconds, the first edge of every trial, and as of the spike counts.
        lag: l, seconds by which behavior follows the activity that it is paired with.
        rectify: take absolute values of the samples first, as raw EMG needs.
        interval: between samples, seconds; by default the median.

    Returns:
        Means or interpolated values; nan where the series has none.

    Raises:
        PreparationError: if times do not rise or are not as many as the values.

    Example:
        >>> on_bins(np.arange(4) * 0.5, np.array([[0.0], [1.0], [2.0], [3.0]]), [0.0], 2, 1.0)[0, :, 0].tolist()
        [0.5, 2.5]
    """
    time = np.asarray(time, float)
    if len(time) != values.shape[0] or not (np.diff(time) > 0).all():
        what = f"{len(time)} times for {values.shape[0]} samples, and times must rise"
        raise PreparationError(what, "repair the series' timestamps")
    if interval is None:
        interval = float(np.median(np.diff(time))) if len(time) > 1 else np.inf
    method = _averaged if interval <= dt / 2 * (1 + 1e-6) else _interpolated
    edges = np.asarray(starts, float)[:, None] + lag + dt * np.arange(n_bins + 1)
    made = np.full((len(edges), n_bins, values.shape[1]), np.nan)
    for i, row in enumerate(edges):
        first, last = np.searchsorted(time, [row[0] - interval * 3, row[-1] + interval * 3])
        if last > first:
            samples = np.asarray(values[first:last], float)
            made[i] = method(time[first:last], np.abs(samples) if rectify else samples, row, interval)
    return made


def series_on_bins(
    series: Series, starts, n_bins: int, dt: float, *, lag: float = 0.0, rectify: bool = False
) -> Float[np.ndarray, "trial time channel"]:
    """As `on_bins`, of a series whose samples are read trial by trial."""
    starts, interval = np.asarray(starts, float), series.clock.interval
    made = np.full((len(starts), n_bins, len(series.channels)), np.nan)
    for i, start in enumerate((starts + lag).tolist()):
        time, values = series.read(start - 4 * interval, start + n_bins * dt + 4 * interval)
        if len(time):
            made[i] = on_bins(time, values, [start], n_bins, dt, rectify=rectify, interval=interval)[0]
    return made


def movement_onset(
    velocity: Float[np.ndarray, "trial time axis"], time: Float[np.ndarray, " time"], *, share: float = 0.05
) -> Float[np.ndarray, " trial"]:
    r"""When the movement of every trial begins: its speed passes a share of its peak for the last time before the peak.

    $$t_{on} = \max \{ t < t_{peak} : \|v(t)\| \le \alpha \|v(t_{peak})\| \}$$

    between samples by linear interpolation. One rule for recordings and for what a task asks of a network, whose bell
    of speed begins long before it could be seen in a hand.

    Args:
        velocity: of the hand, any unit.
        time: seconds of every sample.
        share: alpha, in (0, 1).

    Returns:
        Seconds on the clock of `time`; nan where the hand does not move, or is over the threshold from the start.

    Raises:
        ValueError: if `share` is not in (0, 1), or a velocity is not finite.

    Source: a threshold at a share of peak speed is common for reaches; that it is 5 % is ours.

    Example:
        >>> import jax, recirc
        >>> trials = recirc.tasks.DelayedReach(hold=0.2, delay=0.5).trials(8, key=jax.random.key(0))
        >>> velocity = np.asarray(trials.targets)[:, :, :2]
        >>> [round(float(onset), 3) for onset in movement_onset(velocity, trials.time)[:2]]
        [0.925, 0.925]
    """
    if not 0 < share < 1 or not np.isfinite(velocity).all():
        raise ValueError(
            f"share must be between 0 and 1 and velocity finite, got {share} and {(~np.isfinite(velocity)).sum()} "
            "values that are not; cut the trials to where there are samples."
        )
    speed = np.linalg.norm(velocity, axis=2)
    found = np.full(len(speed), np.nan)
    for i, (own, peak) in enumerate(zip(speed, speed.argmax(axis=1))):
        slow = np.flatnonzero(own[:peak] <= share * own[peak])
        if own[peak] > 0 and len(slow):
            last = slow[-1]
            part = (share * own[peak] - own[last]) / (own[last + 1] - own[last])
            found[i] = time[last] + part * (time[last + 1] - time[last])
    return found


def _averaged(time: np.ndarray, values: np.ndarray, edges: np.ndarray, interval: float) -> np.ndarray:
    """Mean of the samples in every bin; a sample within a millionth of an interval before an edge lies on it."""
    place = np.searchsorted(time, edges - 1e-6 * interval)
    is_bad = ~np.isfinite(values)
    sums, n_bad = (np.cumsum(a, axis=0) for a in (np.where(is_bad, 0.0, values), is_bad))
    sums, n_bad = (np.diff(np.concatenate([np.zeros((1, a.shape[1])), a])[place], axis=0) for a in (sums, n_bad))
    counts = np.diff(place)[:, None]
    return np.where((n_bad == 0) & (counts > 0), sums / np.maximum(counts, 1), np.nan)


def _interpolated(time: np.ndarray, values: np.ndarray, edges: np.ndarray, interval: float) -> np.ndarray:
    middle = (edges[:-1] + edges[1:]) / 2
    if len(time) < 2:
        return np.full((len(middle), values.shape[1]), np.nan)
    after = np.clip(np.searchsorted(time, middle), 1, len(time) - 1)
    step = time[after] - time[after - 1]
    share = (middle - time[after - 1]) / step
    good = (share >= -1e-9) & (share <= 1 + 1e-9) & (step <= 3 * interval)
    made = values[after - 1] * (1 - share)[:, None] + values[after] * share[:, None]
    return np.where(good[:, None], made, np.nan)
