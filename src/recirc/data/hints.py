"""Hints: the signals of a few recorded units, made ready to drive a target-generating network."""

import math
import warnings

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from recirc.data.safe_open import DataWarning
from recirc.data.screening import listed
from recirc.types import Activity, Trials

NORMALIZATIONS = ("sd", "maximum", "none")
PREFIXES = {"excitatory": "E", "inhibitory": "I"}


def hints_from(
    target: Activity,
    *,
    trials: Trials,
    key: PRNGKeyArray,
    fraction: float | None = None,
    n_units: int | None = None,
    gain: float = 1.0,
    normalization: str = "sd",
    kind: str | None = None,
    tail: float | None = 0.11,
) -> Trials:
    r"""Trials with the activity of a random sample of units as hints.

    $$h_i(t) = g\, D[\rho_i(t) / \nu_i]$$

    rho is the rate of a sampled unit, nu its normalizer, g the gain, D the tail of `spline_tail`, which also replaces
    the end of the trials' targets, so that both agree about rest. A network to be compared that gets no hints is
    trained on the result with `replace(hints=None, hint_units=())`. With one key, the hints of a smaller sample of
    units are the first channels of a larger one's.

    Args:
        target: the recorded circuit.
        trials: trials of the same conditions, in the same order, on the same time axis.
        key: decides the sample.
        fraction, n_units: share of the usable units that is sampled, in (0, 1], rounded up, or their number.
        gain: g, at least 0: 1 suits normalized rates; 5, as published, saturates the network that hints drive.
        normalization: nu is the unit's s.d. over all trials ("sd"), the largest rate of any ("maximum"), or 1 ("none").
        kind: samples only "excitatory" or only "inhibitory" units: those whose names start with E or with I.
        tail: seconds of smooth decay to 0 at the end of every trial; None for no tail.

    Returns:
        The trials with hints, hint units and tailed targets.

    Raises:
        ValueError: if not exactly one of `fraction` and `n_units` is given, a number is out of range, `normalization`
            or `kind` is unknown, no unit is of that kind or none fires, or times or conditions of the two differ.

    Warns:
        DataWarning: if units whose rate never changes are left out of the sample ("sd" only).

    Source: Salatiello & Giese 2020 (doi 10.1007/978-3-030-61609-0_69): gain 5, 110 samples of tail. The normalizer and
    the shape of the tail are not in what could be read of that paper and are ours, and so is the default gain.

    Example:
        >>> import jax, recirc
        >>> trials = recirc.tasks.CenterOutReach().trials(8, key=jax.random.key(0))
        >>> rates = jax.random.normal(jax.random.key(1), (8, trials.n_steps, 30))
        >>> target = recirc.Activity(rates, dt=trials.dt, conditions=trials.conditions)
        >>> hinted = recirc.data.hints_from(target, trials=trials, fraction=0.1, key=jax.random.key(2))
        >>> hinted.hints.shape[2], len(hinted.hint_units)
        (3, 3)
    """
    _check_match(target, trials)
    if normalization not in NORMALIZATIONS:
        raise ValueError(f"normalization {normalization!r} is unknown; choose one of {', '.join(NORMALIZATIONS)}.")
    if not (math.isfinite(gain) and gain >= 0):
        raise ValueError(f"gain must be a number of at least 0, got {gain}.")
    scale = _normalizers(target, trials, normalization)
    usable = _usable_units(target, scale, kind)
    n_sampled = _sample_size(len(usable), fraction, n_units)
    sample = np.asarray(usable)[np.asarray(jax.random.permutation(key, len(usable)))[:n_sampled]]
    hints, targets = gain * np.asarray(target.rates)[:, :, sample] / scale[sample][None, None, :], trials.targets
    if tail is not None:
        hints = spline_tail(jnp.asarray(hints), duration=tail, dt=trials.dt, mask=trials.mask)
        targets = spline_tail(targets, duration=tail, dt=trials.dt, mask=trials.mask)
    return trials.replace(hints=hints, targets=targets, hint_units=[target.units[i] for i in sample])


def spline_tail(
    signal: Float[Array | np.ndarray, "trial time channel"], *, duration: float, dt: float, mask=None
) -> Float[Array, "trial time channel"]:
    r"""The signal with its end replaced by a smooth decay to zero.

    The last $n$ = `duration` / `dt` samples of every trial become the cubic Hermite spline that leaves the sample
    before them, $j$, with its value $y_j$ and slope $m = y_j - y_{j-1}$ and reaches 0 with slope 0 at the last one:

    $$D[y]_{j+k} = y_j (1 + 2s)(1-s)^2 + m\,n\,s(1-s)^2, \qquad s = k/n$$

    Applying it twice changes nothing more.

    Args:
        signal: any signal.
        duration: seconds; at least one step, and leaving at least two samples before it.
        dt: seconds per step.
        mask: `(trial, time)`, 1 where a sample counts (all if omitted); after the last of a trial the signal is 0.

    Raises:
        ValueError: if `duration` is shorter than `dt` or than the shortest trial allows, or a trial is all masked.

    Example:
        >>> import jax.numpy as jnp
        >>> spline_tail(jnp.ones((1, 6, 1)), duration=0.002, dt=0.001)[0, :, 0].tolist()
        [1.0, 1.0, 1.0, 1.0, 0.5, 0.0]
    """
    given = np.asarray(signal)
    n_trials, n_steps = given.shape[:2]
    counts = np.ones((n_trials, n_steps), bool) if mask is None else np.asarray(mask) > 0
    if not counts.any(axis=1).all():
        raise ValueError(f"trial {int(np.argmin(counts.any(axis=1)))} is masked throughout; remove it.")
    last = n_steps - 1 - np.argmax(counts[:, ::-1], axis=1)
    n_tail = round(duration / dt)
    if n_tail < 1 or last.min() - n_tail < 1:
        allowed = f"the shortest trial, {last.min() + 1} steps, allows {max(0, last.min() - 1)}"
        found = f"a tail of {duration} s is {n_tail} steps of {dt} s, but it needs at least 1 step and {allowed}"
        raise ValueError(f"{found}; change tail, or pass None for no tail.")
    joint, trial = last - n_tail, np.arange(n_trials)
    value = given[trial, joint][:, None, :]
    slope = value - given[trial, joint - 1][:, None, :]
    after = np.arange(n_steps)[None, :] - joint[:, None]
    s = np.clip(after / n_tail, 0.0, 1.0)[:, :, None]
    decay = value * ((1 + 2 * s) * (1 - s) ** 2) + slope * (n_tail * s * (1 - s) ** 2)
    return jnp.asarray(np.where((after <= 0)[:, :, None], given, decay))


def _check_match(target: Activity, trials: Trials) -> None:
    n_steps = target.rates.shape[1]
    if n_steps != trials.n_steps or not math.isclose(target.dt, trials.dt, rel_tol=1e-6):
        theirs, ours = f"{n_steps} steps of {target.dt} s", f"{trials.n_steps} steps of {trials.dt} s"
        mend = "make the trials with the target's dt and duration, or cut or resample the target"
        raise ValueError(f"the time axes differ: target has {theirs}, trials have {ours}; {mend}.")
    if target.conditions != trials.conditions:
        theirs, ours = (f"{len(x)} ({listed(map(repr, x))})" for x in (target.conditions, trials.conditions))
        mend = "order or select them so that trial i is the same condition in both"
        raise ValueError(f"the conditions differ: target has {theirs}, trials have {ours}; {mend}.")


def _normalizers(target: Activity, trials: Trials, normalization: str) -> np.ndarray:
    rates = np.asarray(target.rates, float)[np.asarray(trials.mask) > 0]
    if normalization == "sd":
        scale = rates.std(axis=0)
        return np.where(scale > 1e-9 * np.abs(rates).max(axis=0), scale, 0.0)
    return np.full(rates.shape[1], np.abs(rates).max() if normalization == "maximum" else 1.0)


def _usable_units(target: Activity, scale: np.ndarray, kind: str | None) -> list[int]:
    """Indices of the units that may be sampled: of the kind asked for, and with something to normalize by."""
    if kind is not None and kind not in PREFIXES:
        raise ValueError(f"kind {kind!r} is unknown; choose {', '.join(PREFIXES)}, or None for all units.")
    candidates = [i for i, name in enumerate(target.units) if kind is None or name.startswith(PREFIXES[kind])]
    if not candidates:
        prefix = PREFIXES.get(str(kind))
        raise ValueError(f"no unit is {kind}: no name starts with {prefix!r}; the first are {target.units[:3]}.")
    silent = [target.units[i] for i in candidates if scale[i] == 0]
    if len(silent) == len(candidates):
        raise ValueError(f"none of the {len(candidates)} units ever changes its rate, so there is nothing to hint at.")
    if silent:
        told = f"{len(silent)} units never change their rate and are not sampled: {', '.join(silent)}."
        warnings.warn(told, DataWarning, stacklevel=3)
    return [i for i in candidates if scale[i] > 0]


def _sample_size(n_usable: int, fraction: float | None, n_units: int | None) -> int:
    if (fraction is None) == (n_units is None):
        raise ValueError(f"give either fraction or n_units; got fraction={fraction} and n_units={n_units}.")
    none = "for no hints, train on the trials as they are."
    if fraction is not None:
        if not 0 < fraction <= 1:
            raise ValueError(f"fraction must be in (0, 1], got {fraction}; {none}")
        return math.ceil(round(fraction * n_usable, 9))
    if n_units is None or n_units < 1:
        raise ValueError(f"n_units must be at least 1, got {n_units}; {none}")
    if n_units > n_usable:
        raise ValueError(f"n_units is {n_units} but only {n_usable} units can be sampled; ask for at most {n_usable}.")
    return n_units
