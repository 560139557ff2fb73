"""Spike times become counts per bin and smooth rates, where units were observed."""

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.ndimage import gaussian_filter1d

from recirc.data.session import Session

GUARD = 1e-9  # seconds
_TAIL = 8.0  # standard deviations after which a Gaussian is below 1e-14 of its peak
_REACH = 4.0  # standard deviations that smoothing looks beyond the window
_AT_ONCE = 16  # units, so that memory stays small
_TOLERANCE = 1e-6  # seconds


def bin_counts(spike_times, starts, n_bins: int, dt: float) -> Int[np.ndarray, "trial time"]:
    r"""Spikes of one unit in bins that follow each other without gap or overlap.

    $$n_{ik} = \#\{s : t_i + k\,\Delta \le s < t_i + (k + 1)\,\Delta\}, \qquad k = 0, \ldots, n - 1$$

    Every spike from the first edge to the last is counted once; one less than a nanosecond before an edge is on it.

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

    Sums are over the stretch of observed samples that holds k: nothing crosses a gap, and a constant stays the same.

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
        edges = np.flatnonzero(np.diff(np.concatenate([[False], pattern, [False]]).astype(int)))
        for first, last in edges.reshape(-1, 2).tolist():
            made[:, members, first:last] = _smooth_stretch(rows[:, members, first:last], sd / dt)
    return made.reshape(values.shape)


def _smooth_stretch(values: np.ndarray, sd_bins: float) -> np.ndarray:
    if sd_bins == 0:
        return values
    share = gaussian_filter1d(np.ones(values.shape[-1]), sd_bins, mode="constant", truncate=_TAIL)
    return gaussian_filter1d(values, sd_bins, mode="constant", truncate=_TAIL) / share


def unit_coverage(
    session: Session, starts: Float[np.ndarray, " trial"], duration: float
) -> Bool[np.ndarray, "unit trial"]:
    """Whether every unit was observed all through the window of every trial; yes where the file does not say."""
    if session.observed is None:
        return np.ones((session.n_units, len(starts)), bool)
    different = {spans.tobytes(): spans for spans in session.observed}
    known = {name: inside(starts, starts + duration, spans) for name, spans in different.items()}
    return np.stack([known[spans.tobytes()] for spans in session.observed])


def inside(starts: np.ndarray, stops: np.ndarray, spans: Float[np.ndarray, "interval 2"]) -> np.ndarray:
    """Which of the intervals from starts to stops lie within one of the spans, those that touch joined.

    Example:
        >>> inside(np.array([0.0, 1.5]), np.array([1.0, 2.5]), np.array([[0.0, 1.0], [1.0, 2.0]])).tolist()
        [True, False]
    """
    spans = np.asarray(spans, float)
    spans = spans[np.isfinite(spans).all(axis=1)]
    spans = spans[np.argsort(spans[:, 0], kind="stable")]
    if not len(spans):
        return np.zeros(np.shape(starts), bool)
    reached = np.maximum.accumulate(spans[:, 1])
    is_new = np.concatenate([[True], spans[1:, 0] > reached[:-1] + _TOLERANCE])
    first, last = spans[is_new, 0], reached[np.concatenate([is_new[1:], [True]])]
    place = np.searchsorted(first, starts + _TOLERANCE, side="right") - 1
    return (place >= 0) & (stops <= last[np.maximum(place, 0)] + _TOLERANCE)


def unit_rates(
    session: Session,
    spikes: dict[int, np.ndarray],
    trials: Float[np.ndarray, "trial 3"],
    n_bins: int,
    dt: float,
    smoothing: float,
) -> Float[np.ndarray, "trial time unit"]:
    """Smoothed rates in spikes/s in every trial's window.

    Smoothing uses bins beyond the window too, where they lie in the trial and the unit was observed.

    Args:
        session, spikes: says when units were observed, and their times, s, in rising order by place in the session.
        trials: start of the window, start and stop of the trial, s.
        n_bins, dt, smoothing: of the window, and of its bins and the Gaussian, s.
    """
    n_pad = int(np.ceil(_REACH * smoothing / dt))
    window = slice(n_pad, n_pad + n_bins)
    starts = trials[:, 0] - n_pad * dt
    edges = starts[:, None] + dt * np.arange(n_bins + 2 * n_pad + 1)
    in_trial = (edges[:, :-1] >= trials[:, 1:2] - _TOLERANCE) & (edges[:, 1:] <= trials[:, 2:] + _TOLERANCE)
    rates = np.empty((len(trials), n_bins, len(spikes)))
    groups: dict[bytes, list[tuple[int, int]]] = {}
    for place, unit in enumerate(spikes):
        spans = b"" if session.observed is None else session.observed[unit].tobytes()
        groups.setdefault(spans, []).append((place, unit))
    for members in groups.values():
        seen = in_trial
        if session.observed is not None:
            seen = in_trial & inside(edges[:, :-1], edges[:, 1:], session.observed[members[0][1]])
        seen[:, window] = True  # however times are rounded
        for first in range(0, len(members), _AT_ONCE):
            places, units = map(list, zip(*members[first : first + _AT_ONCE]))
            counts = np.stack([bin_counts(spikes[unit], starts, edges.shape[1] - 1, dt) for unit in units])
            smoothed = smooth(counts / dt, smoothing, dt, observed=seen)
            rates[:, :, places] = np.moveaxis(smoothed[:, :, window], 0, -1)
    return rates
