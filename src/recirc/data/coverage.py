"""What was recorded, where the file does not say: trials in which no unit fires, and units that fall silent."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float

EXPECTED, LONGEST_PAUSE, PAUSE_SPIKES = 10.0, 1.0, 50.0  # spikes; seconds; spikes that a pause would have held
SHARE = 0.1  # of a window
FIRES_NOT = "no unit fires"


def unrecorded(
    spikes: Sequence[np.ndarray], starts: Float[np.ndarray, " trial"], stops: Float[np.ndarray, " trial"]
) -> tuple[Bool[np.ndarray, " trial"], str]:
    r"""Windows that hold time in which nothing was recorded, as all spikes together tell, and the reason.

    With r the median over windows of all units' spikes per second, where there are any, a window is out if it holds no
    spike though 10 are expected, or if a tenth of it, and 10 / r, lie within a pause of all units longer than both 1 s
    and 50 / r: of Poisson spikes fewer than one in $e^{10}$ windows.

    Args:
        spikes: times of every unit, s, rising.
        starts, stops: of the windows, s.

    Example:
        >>> spikes, starts = [np.arange(0, 40, 0.02)], np.arange(0, 80, 2.0)
        >>> unrecorded(spikes, starts, starts + 1)[0].nonzero()[0].tolist() == list(range(20, 40))
        True
    """
    pooled = np.sort(np.concatenate([*spikes, np.empty(0)]))
    counts = np.searchsorted(pooled, stops) - np.searchsorted(pooled, starts)
    durations = stops - starts
    if not counts.any():
        return np.ones(len(starts), bool), FIRES_NOT
    rate = float(np.median((counts / durations)[counts > 0]))
    out = (counts == 0) & (rate * durations >= EXPECTED)
    edges = np.concatenate([[min(starts.min(), pooled[0])], pooled, [max(stops.max(), pooled[-1])]])
    is_long = np.diff(edges) > max(LONGEST_PAUSE, PAUSE_SPIKES / rate)
    told = []
    for first, last in zip(edges[:-1][is_long], edges[1:][is_long]):
        within = np.minimum(stops, last) - np.maximum(starts, first) > np.maximum(EXPECTED / rate, SHARE * durations)
        told += [f"{first:.4g} to {last:.4g} s"] if within.any() else []
        out |= within
    more = f" and {len(told) - 3} more" if len(told) > 3 else ""
    return out, f"{FIRES_NOT} from {', '.join(told[:3])}{more}" if told else FIRES_NOT


def lost_units(rates: Float[np.ndarray, "trial time unit"], duration: float) -> dict[int, tuple[int, str]]:
    """Units silent in all first or all last trials though 20 spikes are expected there: number of trials, and which.

    Args:
        rates: spikes/s, trials in the order in which they were recorded.
        duration: of a trial, s.
    """
    found = {}
    fires = rates.max(axis=1) > 0
    for unit in np.flatnonzero(fires.any(axis=0)).tolist():
        active = np.flatnonzero(fires[:, unit])
        mean = rates[active[0] : active[-1] + 1, :, unit].mean()
        for n_silent, which in ((int(active[0]), "first"), (len(rates) - 1 - int(active[-1]), "last")):
            if n_silent * duration * mean >= 2 * EXPECTED and n_silent > 0.1 * len(rates):
                found[unit] = n_silent, which
    return found
