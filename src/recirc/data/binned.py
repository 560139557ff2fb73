"""When units were observed, and their smoothed rates in the windows of trials."""

from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float

from recirc.data.session import Session
from recirc.data.spikes import bin_counts, smooth

_REACH = 4.0  # standard deviations that smoothing looks beyond the window
_AT_ONCE = 16  # units, so that memory stays small
_TOLERANCE = 1e-6  # seconds


@runtime_checkable
class Bins(Protocol):
    """Width of the bins and of the smoothing, s, and how many bins a window has."""

    @property
    def dt(self) -> float: ...
    @property
    def smoothing(self) -> float: ...
    @property
    def n_bins(self) -> int: ...


def unit_coverage(
    session: Session, starts: Float[np.ndarray, " trial"], duration: float
) -> Bool[np.ndarray, "unit trial"]:
    """Whether every unit was observed all through the window of every trial; yes where the file does not say."""
    if session.observed is None:
        return np.ones((session.n_units, len(starts)), bool)
    known: dict[bytes, np.ndarray] = {}
    for spans in session.observed:
        if (name := spans.tobytes()) not in known:
            known[name] = inside(starts, starts + duration, spans)
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
    session: Session, spikes: list[np.ndarray], units: list[int], trials: Float[np.ndarray, "trial 3"], bins: Bins
) -> Float[np.ndarray, "trial time unit"]:
    """Smoothed rates in spikes/s in every trial's window.

    Smoothing uses bins beyond the window too, where they lie in the trial and the unit was observed.

    Args:
        session: says when units were observed.
        spikes: times of the units, in rising order, s.
        units: their places in the session.
        trials: start of the window, start and stop of the trial, s.
        bins: of the window, and the smoothing.
    """
    n_pad = int(np.ceil(_REACH * bins.smoothing / bins.dt))
    n_bins = bins.n_bins + 2 * n_pad
    starts = trials[:, 0] - n_pad * bins.dt
    edges = starts[:, None] + bins.dt * np.arange(n_bins + 1)
    in_trial = (edges[:, :-1] >= trials[:, 1:2] - _TOLERANCE) & (edges[:, 1:] <= trials[:, 2:] + _TOLERANCE)
    in_trial[:, n_pad : n_pad + bins.n_bins] = True  # the window itself, however times are rounded
    rates = np.empty((len(trials), bins.n_bins, len(units)))
    groups: dict[bytes, list[int]] = {}
    for place, unit in enumerate(units):
        spans = b"" if session.observed is None else session.observed[unit].tobytes()
        groups.setdefault(spans, []).append(place)
    for members in groups.values():
        seen = in_trial
        if session.observed is not None:
            seen = in_trial & inside(edges[:, :-1], edges[:, 1:], session.observed[units[members[0]]])
            seen[:, n_pad : n_pad + bins.n_bins] = True
        for first in range(0, len(members), _AT_ONCE):
            some = members[first : first + _AT_ONCE]
            counts = np.stack([bin_counts(spikes[i], starts, n_bins, bins.dt) for i in some])
            smoothed = smooth(counts / bins.dt, bins.smoothing, bins.dt, observed=seen)
            rates[:, :, some] = np.moveaxis(smoothed[:, :, n_pad : n_pad + bins.n_bins], 0, -1)
    return rates
