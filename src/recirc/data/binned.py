"""When units were observed, and their smoothed rates in the windows of trials."""

import numpy as np
from jaxtyping import Bool, Float

from recirc.data.session import Session
from recirc.data.spikes import bin_counts, smooth

_REACH = 4.0  # standard deviations that smoothing looks beyond the window
_AT_ONCE = 16  # units, so that memory stays small
_TOLERANCE = 1e-6  # seconds


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
        session: says when units were observed.
        spikes: times of units, in rising order, s, by their places in the session.
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
