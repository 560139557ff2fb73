"""Spike times become counts per bin and smooth rates."""

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.ndimage import gaussian_filter1d

GUARD = 1e-9  # seconds
_REACH = 8.0  # standard deviations after which a Gaussian is below 1e-14 of its peak


def bin_counts(spike_times, starts, n_bins: int, dt: float) -> Int[np.ndarray, "trial time"]:
    r"""Spikes of one unit in bins that follow each other without gap or overlap.

    $$n_{ik} = \#\{s : t_i + k\,\Delta \le s < t_i + (k + 1)\,\Delta\}, \qquad k = 0, \ldots, n - 1$$

    Every spike between the first edge and the last is counted once. A spike less than a nanosecond before an
    edge counts as on it, since times on a clock of a millisecond are rarely exact in binary.

    Args:
        spike_times: s, seconds, in rising order.
        starts: t, seconds, the first edge of every trial.
        n_bins: n.
        dt: the bins' width, seconds.

    Raises:
        ValueError: if spike times are not in rising order, `n_bins` < 1 or `dt` is not positive.

    Example:
        >>> bin_counts([0.1, 0.2, 0.25, 1.0], [0.0, 0.1], 3, 0.1).tolist()
        [[0, 1, 2], [1, 2, 0]]
    """
    times, starts = np.asarray(spike_times, float), np.asarray(starts, float)
    if not (times[1:] >= times[:-1]).all():
        raise ValueError("spike times must be finite and in rising order; sort them or drop the bad ones.")
    if n_bins < 1 or not dt > 0:
        raise ValueError(f"n_bins must be at least 1 and dt positive, got {n_bins} and {dt}.")
    edges = starts[:, None] + dt * np.arange(n_bins + 1) - GUARD
    return np.diff(np.searchsorted(times, edges.ravel()).reshape(edges.shape), axis=1)


def smooth(
    values: Float[np.ndarray, "*axes time"],
    sd: float,
    dt: float,
    *,
    observed: Bool[np.ndarray, "*last time"] | None = None,
) -> Float[np.ndarray, "*axes time"]:
    r"""Gaussian smoothing along the last axis, within stretches that were observed.

    $$y_k = \frac{\sum_j w_{kj} x_j}{\sum_j w_{kj}}, \qquad w_{kj} = e^{-(k - j)^2 \Delta^2 / 2\sigma^2}$$

    The sums are over the unbroken stretch of observed samples that holds k, so that nothing crosses a gap and
    a constant stays the same up to every edge.

    Args:
        values: x.
        sd: $\sigma$, seconds; 0 changes nothing.
        dt: $\Delta$, seconds.
        observed: which samples count, of the shape of `values` or of its last axes; all if omitted.

    Returns:
        y; nan where nothing was observed.

    Raises:
        ValueError: if `sd` is negative, `dt` is not positive, or `observed` has another shape.

    Example:
        >>> smooth(np.array([0.0, 0.0, 3.0, 0.0, 0.0]), 0.01, 0.01).round(2).tolist()
        [0.23, 0.77, 1.21, 0.77, 0.23]
    """
    if sd < 0 or not dt > 0:
        raise ValueError(f"sd must not be negative and dt must be positive, got {sd} and {dt}.")
    values = np.asarray(values, float)
    if observed is None:
        return _smooth_stretch(values, sd / dt)
    observed = np.asarray(observed, bool)
    if values.shape[-observed.ndim :] != observed.shape:
        raise ValueError(f"observed has shape {observed.shape}, expected the last axes of {values.shape}.")
    n_steps = values.shape[-1]
    patterns, place = np.unique(observed.reshape(-1, n_steps), axis=0, return_inverse=True)
    rows = values.reshape(-1, place.size, n_steps)
    made = np.full_like(rows, np.nan)
    for i, pattern in enumerate(patterns):
        members = np.flatnonzero(place.ravel() == i)
        for first, last in _stretches(pattern):
            made[:, members, first:last] = _smooth_stretch(rows[:, members, first:last], sd / dt)
    return made.reshape(values.shape)


def _stretches(mask: Bool[np.ndarray, " time"]) -> list[tuple[int, int]]:
    """First and one past the last place of every run of true values."""
    steps = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(int)))
    return list(zip(steps[::2].tolist(), steps[1::2].tolist()))


def _smooth_stretch(values: np.ndarray, sd_bins: float) -> np.ndarray:
    if sd_bins == 0:
        return values
    share = gaussian_filter1d(np.ones(values.shape[-1]), sd_bins, mode="constant", truncate=_REACH)
    return gaussian_filter1d(values, sd_bins, mode="constant", truncate=_REACH) / share
