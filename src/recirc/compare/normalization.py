"""Soft normalization of units, and the averages over repeats that portraits work on."""

import warnings
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from recirc.compare.samples import check_finite_rates, varying_units, window_steps
from recirc.types import Activity


def soft_normalized(activity: Activity, constant: float) -> Activity:
    r"""Units divided by their range and a constant, so that strong ones count more, but not all.

    $$\tilde a_n = \frac{a_n}{\mathrm{range}_n + c}$$

    The range of unit n is over all times and conditions that are supplied, repeats of a condition averaged.

    Args:
        activity: any activity; units that never change are left out with a warning.
        constant: c, in the unit of the rates, not negative; 5 suits spikes/s, `soft_constant` a network. 0 gives all
            units the same range, infinity leaves them as they are (the limit, up to a factor that all units share).

    Raises:
        ValueError: if `constant` is negative, a rate is not finite, or no unit changes.

    Source: Churchland et al. 2012 (doi 10.1038/nature11129).

    Example:
        >>> import numpy as np, recirc
        >>> a = recirc.Activity(np.array([[[0.0], [20.0]]]), dt=0.01, conditions=["0"])
        >>> soft_normalized(a, 5.0).rates.max().item()
        0.8
    """
    found = normalized_averages(activity, constant)
    kept = activity.select_units(found.units)
    return kept.replace(rates=np.asarray(kept.rates, np.float64) * found.scale)


def soft_constant(model: Activity, recording: Activity | None = None, constant: float = 5.0) -> float:
    r"""The constant of soft normalization that means for a network what `constant` means for a recording.

    $$c = c_0 \frac{\mathrm{median}_n\,\mathrm{range}_n(\text{model})}
                   {\mathrm{median}_n\,\mathrm{range}_n(\text{recording})}$$

    Args:
        model: the network's activity.
        recording: what it is compared with; without one the constant is 0.2 times the model's median range.
        constant: c0, used for the recording, spikes/s.

    Raises:
        ValueError: if `constant` is negative, a rate is not finite, or no unit changes.

    Example:
        >>> import numpy as np
        >>> rates = np.random.default_rng(0).uniform(0, 1, (2, 50, 3))
        >>> network = recirc.Activity(rates, dt=0.01, conditions=["a", "b"])
        >>> recording = recirc.Activity(50 * network.rates, dt=0.01, conditions=["a", "b"])
        >>> round(soft_constant(network, recording), 3)
        0.1
    """
    if not constant >= 0:
        raise ValueError(f"constant must not be negative, got {constant}.")
    share = 0.2 if recording is None else constant / np.median(_ranges(_averages(recording)))
    return float(share * np.median(_ranges(_averages(model))))


class NormalizedAverages(NamedTuple):
    """Soft-normalized averages over the repeats of every condition, and how they came about.

    Fields: `rates` in the window; `scale`, by which each unit was multiplied; `units` that were kept; `conditions` in
    order of first appearance; `time` at the end of every step, s; the constant (infinite if none) and the window used.
    """

    rates: Float[np.ndarray, "condition time unit"]
    scale: Float[np.ndarray, " unit"]
    units: tuple[str, ...]
    conditions: tuple[str, ...]
    time: Float[np.ndarray, " time"]
    soft: float
    start: float
    stop: float

    @property
    def settings(self) -> dict[str, object]:
        """Settings for a score, in values that JSON knows."""
        soft = self.soft if np.isfinite(self.soft) else "off"
        return {"soft": soft, "start": self.start, "stop": self.stop}


def normalized_averages(
    a: Activity, soft: float | None, start: float | None = None, stop: float | None = None
) -> NormalizedAverages:
    """What a portrait looks at: averages over repeats, normalized over all times, cut to a window.

    Args:
        a: any activity.
        soft: constant of `soft_normalized`; None for `soft_constant(a)`.
        start, stop: the window, seconds on the activity's clock; None for all of it.

    Raises:
        ValueError: if `soft` is negative, a rate is not finite, no unit changes, or the window does not fit.

    Warns:
        UserWarning: if units were left out because they never change, or `soft` exceeds their median range.
    """
    averages, steps = _averages(a), window_steps(a, start, stop)
    ranges = _ranges(averages)
    constant = 0.2 * float(np.median(ranges)) if soft is None else float(soft)
    if not constant >= 0:
        raise ValueError(f"the constant of soft normalization must not be negative, got {constant}.")
    if np.median(ranges) < constant < np.inf:
        warnings.warn(
            f"the constant of soft normalization, {constant:g}, exceeds the median range of units, "
            f"{np.median(ranges):.3g}, so that units are hardly normalized; for a network give soft=None or "
            "soft_constant(network, recording).",
            stacklevel=4,
        )
    scale = np.ones(len(ranges)) if np.isinf(constant) else 1 / (ranges + constant)
    time = averages.time[steps]
    return NormalizedAverages(
        np.asarray(averages.rates, np.float64)[:, steps] * scale,
        scale,
        averages.units,
        averages.conditions,
        time,
        constant,
        round(float(time[0] - a.dt), 9),
        round(float(time[-1]), 9),
    )


def without_condition_mean(rates: Float[np.ndarray, "condition time unit"]) -> Float[np.ndarray, "condition time unit"]:
    """What is left when the mean over conditions is subtracted at every time.

    Raises:
        ValueError: if there are fewer than two conditions or they do not differ, so that nothing is left.
    """
    if len(rates) < 2:
        raise ValueError(
            "the mean over conditions is subtracted and there is one condition, so that nothing is left; "
            "give two or more."
        )
    left = rates - rates.mean(axis=0)
    if not (left**2).sum() > 1e-12 * (rates**2).sum():
        raise ValueError(
            "conditions do not differ, so that nothing is left without their mean; give conditions with "
            "different activity, or another window."
        )
    return left


def average_repeats(a: Activity) -> Activity:
    """One trial per condition, the mean over its repeats, conditions in order of first appearance.

    Outputs are dropped where there are repeats.
    """
    from recirc.data.conditions import condition_averages  # loads readers of files

    wanted = list(dict.fromkeys(a.conditions))
    if len(wanted) == a.n_trials:
        return a
    found = condition_averages(np.asarray(a.rates), a.conditions)
    places = [found.conditions.index(name) for name in wanted]
    return a.replace(rates=found.mean[places], conditions=wanted, outputs=None)


def _averages(a: Activity) -> Activity:
    """Averages over repeats, without the units that never change."""
    check_finite_rates(a, "given")
    return varying_units(average_repeats(a), "given")


def _ranges(a: Activity) -> Float[np.ndarray, " unit"]:
    return np.ptp(np.asarray(a.rates, np.float64), axis=(0, 1))
