"""Muscles of the reference circuit: smooth random targets, and the readout that produces them."""

import dataclasses
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, PRNGKeyArray

from recirc.circuits.motor_cortex import StabilityOptimized
from recirc.ranges import check_within
from recirc.types import Activity, Score


def muscle_signals(
    time, n_signals: int, *, key: PRNGKeyArray, width: float = 0.11, length_scale: float = 0.05
) -> Float[np.ndarray, "signal time"]:
    r"""Smooth random signals that start and end at rest: draws of a Gaussian process.

    $$\mathrm{cov}(t, t') = E(t/\sigma) E(t'/\sigma) e^{-(t - t')^2 / 2\ell^2}, \qquad E(u) = u e^{-u^2/4}$$

    after the go cue, and 0 before it; the largest variance is 1. A key gives the same signals however time is sampled.

    Args:
        time: seconds from the go cue, times before it included.
        n_signals, key: number of draws, and random key.
        width, length_scale: sigma and l, seconds; signals are largest near 1.4 sigma, and at 4.5 sigma 3 % of that.

    Raises:
        ValueError: if `time` is not one row of finite numbers, or one of the numbers is not positive.

    Source: Stroud et al. 2018 (doi 10.1038/s41593-018-0276-0), with a scale of ours.

    Example:
        >>> import jax
        >>> float(muscle_signals([-0.1, 0.0, 0.1], 1, key=jax.random.key(0))[0, 1]) == 0.0
        True
    """
    time = np.asarray(time, float)
    if time.ndim != 1 or not np.all(np.isfinite(time)):
        raise ValueError(f"time must be one row of finite seconds, got shape {time.shape}.")
    check_within("(0, inf)", n_signals=n_signals, width=width, length_scale=length_scale)
    # White noise on a fixed grid, smoothed by a Gaussian, has that covariance to machine precision: the
    # grid is fine against the Gaussian and reaches beyond the envelope.
    spacing = length_scale / 4
    knots = np.arange(-4 * length_scale, 14 * width + 4 * length_scale, spacing)
    generator = np.random.default_rng(np.asarray(jax.random.key_data(key)).tolist())
    noise = generator.standard_normal((n_signals, knots.size))
    smoothing = np.exp(-(((time[None, :] - knots[:, None]) / length_scale) ** 2))
    elapsed = np.maximum(time, 0.0) / width
    envelope = elapsed * np.exp(0.5 - elapsed**2 / 4) / np.sqrt(2)
    return envelope * (noise @ smoothing) * np.sqrt(np.sqrt(2 / np.pi) * spacing / length_scale)


def direction_targets(
    directions, time, n_muscles: int = 2, *, key: PRNGKeyArray
) -> Float[np.ndarray, "trial time output"]:
    r"""Muscle targets tuned to the direction of a reach.

    $$m(t, \theta) = \cos\theta\, a(t) + \sin\theta\, b(t)$$

    For circuits whose initial state is tuned so: activity is nearly linear in it, and a readout can produce these.

    Args:
        directions, time: theta of each trial, radians, and seconds from the go cue.
        n_muscles, key: number of muscles; each has its own a and b, drawn by `muscle_signals`.

    Raises:
        ValueError: if `directions` is not one row of finite numbers, or as `muscle_signals`.

    Example:
        >>> import numpy as np
        >>> direction_targets(np.array([0.0, 90.0]), 0.01 * np.arange(50), key=jax.random.key(0)).shape
        (2, 50, 2)
    """
    angles = np.asarray(directions, float)
    if angles.ndim != 1 or not np.all(np.isfinite(angles)):
        raise ValueError(f"directions must be one row of finite angles in radians, got shape {angles.shape}.")
    signals = muscle_signals(time, 2 * n_muscles, key=key).reshape(2, n_muscles, -1)
    return np.einsum("ck,kot->cto", np.stack([np.cos(angles), np.sin(angles)], axis=1), signals)


def condition_targets(
    conditions: Sequence[str], time, n_muscles: int = 2, *, key: PRNGKeyArray
) -> Float[np.ndarray, "trial time output"]:
    """Muscle targets drawn anew for every condition, for movements made by gains instead of initial states.

    Args:
        conditions, time: one label per trial (equal labels get equal targets), and seconds from the go cue.
        n_muscles, key: number of muscles, and random key.

    Example:
        >>> import numpy as np
        >>> condition_targets(["a", "b"], 0.01 * np.arange(50), key=jax.random.key(0)).shape
        (2, 50, 2)
    """
    place = {label: i for i, label in enumerate(dict.fromkeys(conditions))}
    signals = muscle_signals(time, n_muscles * len(place), key=key).reshape(len(place), n_muscles, -1)
    return signals[[place[label] for label in conditions]].transpose(0, 2, 1)


def fit_muscles(
    circuit: StabilityOptimized, activity: Activity, targets, *, penalty: float = 1.0
) -> tuple[StabilityOptimized, Score]:
    """The circuit with a readout of its excitatory rates that produces muscle targets, by ridge regression.

    Args:
        circuit, activity: a circuit and its rates; preparation included if the muscles are to be silent during it.
        targets: `(trial, time, output)`, as many trials and times.
        penalty: on the squared weights, against squared error summed over trials and times.

    Returns:
        The circuit with `readout` and `readout_bias` (weights of inhibitory units are 0), and the share of variance
        explained on the same activity: its mean over muscles, and one value per muscle in `parts["muscle"]`.

    Raises:
        ValueError: if the shapes disagree or `penalty` is negative.

    Example:
        >>> import jax, numpy as np, recirc
        >>> circuit = recirc.circuits.StabilityOptimized(np.zeros((4, 4)), n_excitatory=2)
        >>> time = np.arange(50) * 0.01
        >>> targets = recirc.circuits.direction_targets([0.0, 1.0], time, 1, key=jax.random.key(0))
        >>> rates = np.repeat(targets, 4, axis=2)
        >>> activity = recirc.Activity(rates, dt=0.01, conditions=["0", "1"])
        >>> bool(fit_muscles(circuit, activity, targets, penalty=1e-3)[1].value > 0.99)
        True
    """
    from sklearn.linear_model import Ridge  # slow to load, and only this needs it

    rates, targets = np.asarray(activity.rates), np.asarray(targets)
    if targets.ndim != 3 or rates.shape[:2] != targets.shape[:2] or rates.shape[2] != circuit.n_units:
        found = f"targets of shape {targets.shape} and rates of shape {rates.shape}"
        mend = "give (trial, time, output) and (trial, time, unit) of the same trials"
        raise ValueError(f"{found} do not fit a circuit of {circuit.n_units} units; {mend}.")
    check_within("[0, inf)", penalty=penalty)
    inputs = rates[:, :, : circuit.n_excitatory].reshape(-1, circuit.n_excitatory)
    wanted = targets.reshape(-1, targets.shape[2])
    model = Ridge(alpha=penalty).fit(inputs, wanted)
    missed = np.sum((wanted - model.predict(inputs).reshape(wanted.shape)) ** 2, axis=0)
    explained = 1 - missed / np.sum((wanted - wanted.mean(axis=0)) ** 2, axis=0)
    readout = np.zeros((wanted.shape[1], circuit.n_units))
    readout[:, : circuit.n_excitatory] = model.coef_
    bias, dtype = np.broadcast_to(model.intercept_, wanted.shape[1]), circuit.recurrent.dtype
    fitted = dataclasses.replace(circuit, readout=jnp.asarray(readout, dtype), readout_bias=jnp.asarray(bias, dtype))
    parts, settings = {"muscle": explained}, {"penalty": penalty, "units": "excitatory"}
    return fitted, Score("output_r2", float(explained.mean()), "performance", parts=parts, settings=settings)
