"""Tests that run a circuit under circumstances that it was not trained in."""

import dataclasses
from collections.abc import Mapping, Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray

from recirc.circuits import AbstractCircuit, simulate
from recirc.circuits.altered import Perturbed
from recirc.compare.base import AbstractProbe, AbstractSimilarity
from recirc.compare.output_error import normalized_error
from recirc.compare.samples import window
from recirc.compare.states import check_n_outputs
from recirc.types import Level, Score, Trials


def _items(settings: Mapping[str, object] | Sequence[tuple[str, object]]) -> tuple[tuple[str, object], ...]:
    return tuple(dict(settings).items())


class NewTrials(AbstractProbe):
    """Output error on trials as they are: held-out directions, other delays, other radii, targets that jump.

    Args:
        name: what the trials are, as it stands in results.
        settings: what else stands in results: {"delay_s": 2.0}, {"scale": 1.5}; kept as pairs.
        measure: similarity of outputs, made and asked for; None for `output_nmse` over the mask. A measure
            sees no mask, so it needs trials of one length.

    Returns (when called): the measure's score, or metric `output_nmse` with parts as in `OutputNMSE`;
    settings `{"set": name}` and `settings`. A network that blows up has the worst value there is.

    Raises:
        ValueError: when called, if the circuit's outputs are not those of the trials, or there is a measure
            and the mask is not one stretch, equal in all trials.

    Example:
        >>> import jax, recirc
        >>> trials = recirc.tasks.CenterOutReach().between().trials(8, key=jax.random.key(0))
        >>> network = recirc.circuits.RateNetwork.random(n_units=20, key=jax.random.key(1))
        >>> recirc.compare.NewTrials()(network, trials, key=jax.random.key(2)).value
        1.0
    """

    name: str = eqx.field(static=True, default="heldout_direction")
    settings: tuple[tuple[str, object], ...] = eqx.field(static=True, converter=_items, default=())
    measure: AbstractSimilarity | None = None

    def __call__(self, circuit: AbstractCircuit, trials: Trials, *, key: PRNGKeyArray) -> Score:
        settings = {"set": self.name} | dict(self.settings)
        return output_score(circuit, trials, settings, level="generalization", key=key, measure=self.measure)


class PrivateNoise(AbstractProbe):
    """Output error with independent white noise in every unit, instead of the noise that the circuit has.

    One draw per trial: repeat trials (`trials.select(np.tile(...))`) for a steadier number.

    Args:
        sigma: of the noise current, as `RateNetwork.noise`: its s.d. averaged over 1 ms.

    Returns (when called): metric `output_nmse`; settings `{"set": "private_noise", "sigma": sigma}`.

    Raises:
        ValueError: if `sigma` is negative, or the circuit has no field `noise`.

    Example:
        >>> trials = recirc.tasks.Oscillation().trials(1, key=jax.random.key(0))
        >>> network = recirc.circuits.RateNetwork.random(n_units=5, n_inputs=1, n_outputs=1, key=jax.random.key(1))
        >>> PrivateNoise(0.2)(network, trials, key=jax.random.key(2)).metric
        'output_nmse'
    """

    sigma: float = 0.1

    def __check_init__(self):
        if not self.sigma >= 0:
            raise ValueError(f"sigma must not be negative, got {self.sigma}.")

    def __call__(self, circuit: AbstractCircuit, trials: Trials, *, key: PRNGKeyArray) -> Score:
        if "noise" not in {field.name for field in dataclasses.fields(circuit)}:
            raise ValueError(
                f"{type(circuit).__name__} has no private noise to set; use a circuit with a field `noise`."
            )
        noisy = dataclasses.replace(circuit, noise=float(self.sigma))  # pyright: ignore[reportCallIssue]
        settings = {"set": "private_noise", "sigma": self.sigma}
        return output_score(noisy, trials, settings, level="robustness", key=key)


class PerturbedState(AbstractProbe):
    """Output error after one kick of white noise to the state, by default where the movement starts.

    Args:
        snr_db: power of the state over that of the kick, in decibels.
        time_s: seconds from trial start; None takes the start of `epoch` in every trial.
        epoch: name of an epoch of the trials.

    Returns (when called): metric `output_nmse`; settings `{"set": "perturbed_initial_state", "snr_db":
    snr_db}`, and `time_s` if given.

    Raises:
        ValueError: when called, if the trials have no such epoch or the kick falls outside a trial.

    Example:
        >>> trials = recirc.tasks.Oscillation().trials(1, key=jax.random.key(0))
        >>> network = recirc.circuits.RateNetwork.random(n_units=5, n_inputs=1, n_outputs=1, key=jax.random.key(1))
        >>> PerturbedState(snr_db=20.0, time_s=0.1)(network, trials, key=jax.random.key(2)).metric
        'output_nmse'
    """

    snr_db: float = 30.0
    time_s: float | None = eqx.field(static=True, default=None)
    epoch: str = eqx.field(static=True, default="movement")

    def __call__(self, circuit: AbstractCircuit, trials: Trials, *, key: PRNGKeyArray) -> Score:
        settings = {"set": "perturbed_initial_state", "snr_db": self.snr_db}
        if self.time_s is not None:
            settings["time_s"] = self.time_s
            times = np.array([self.time_s])
        elif self.epoch in trials.epochs:
            times = trials.epochs[self.epoch][:, 0]
        else:
            raise ValueError(f"the trials have no epoch {self.epoch!r}, only {sorted(trials.epochs)}; give time_s.")
        steps = np.round(times / trials.dt).astype(int)
        if steps.min() < 0 or steps.max() >= trials.n_steps:
            raise ValueError(
                f"a kick at {times.min()} to {times.max()} s falls outside the {trials.time[-1]:g} s trials."
            )
        kick_key, run_key = jax.random.split(key)
        kicked = Perturbed(circuit, jnp.asarray(self.snr_db), jnp.asarray(steps), kick_key)
        return output_score(kicked, trials, settings, level="robustness", key=run_key)


class InputScale(AbstractProbe):
    """Output error with all inputs multiplied by a factor and targets as they were.

    The target stays because in a pulse-coded task the direction of the input says what to do and its size
    says nothing. Where size means something (a radius, a go cue of 1), make such trials and use `NewTrials`.

    Args:
        scale: the factor.
        measure: as in `NewTrials`.

    Returns (when called): as `NewTrials`, with settings `{"set": "input_scale", "scale": scale}`.

    Example:
        >>> trials = recirc.tasks.Oscillation().trials(1, key=jax.random.key(0))
        >>> network = recirc.circuits.RateNetwork.random(n_units=5, n_inputs=1, n_outputs=1, key=jax.random.key(1))
        >>> InputScale(2.0)(network, trials, key=jax.random.key(2)).metric
        'output_nmse'
    """

    scale: float = 1.5
    measure: AbstractSimilarity | None = None

    def __call__(self, circuit: AbstractCircuit, trials: Trials, *, key: PRNGKeyArray) -> Score:
        scaled = trials.replace(inputs=self.scale * trials.inputs)
        settings = {"set": "input_scale", "scale": self.scale}
        return output_score(circuit, scaled, settings, level="generalization", key=key, measure=self.measure)


class InputNoise(AbstractProbe):
    r"""Output error with independent white noise added to inputs.

    $$\tilde u_t = u_t + \sigma \sqrt{2 \tau / dt}\; \eta_t, \qquad \eta_t \sim N(0, I)$$

    Scaled so, the noise has an s.d. of sigma after a leak of time constant tau, whatever dt (for dt well under tau).
    One draw per trial: repeat trials (`trials.select(np.tile(...))`) for a steadier number.
    Compare networks at equal error without noise.

    Args:
        sigma: s.d. of the noise after the leak, in units of the input.
        time_constant: tau, seconds; that of the network, as a rule.
        measure: as in `NewTrials`.
        name: the test's, in its settings.
        channels: inputs that are noisy; all if None.
        epoch: of the trials, outside of which there is no noise; None for all of them.

    Returns (when called): as `NewTrials`, with settings `{"set": name, "sigma": sigma}`.

    Raises:
        ValueError: if `sigma` is negative or `time_constant` not positive; when called, as `NewTrials`.

    Source: Song et al. 2016 (doi 10.1371/journal.pcbi.1004792) for the scale.

    Example:
        >>> import jax, recirc
        >>> trials = recirc.tasks.DelayedReach(delay=0.5).trials(8, key=jax.random.key(0))
        >>> network = recirc.circuits.RateNetwork.random(
        ...     n_units=20, n_inputs=3, n_outputs=4, key=jax.random.key(1)
        ... )
        >>> recirc.compare.InputNoise(0.1)(network, trials, key=jax.random.key(2)).settings
        {'set': 'input_noise', 'sigma': 0.1}
    """

    sigma: float = 0.1
    time_constant: float = 0.05
    measure: AbstractSimilarity | None = None
    name: str = eqx.field(static=True, default="input_noise")
    channels: tuple[int, ...] | None = eqx.field(static=True, default=None)
    epoch: str | None = eqx.field(static=True, default=None)

    def __check_init__(self):
        if not (self.sigma >= 0 and self.time_constant > 0):
            raise ValueError(
                f"sigma must not be negative and time_constant must be positive, got {self.sigma} and "
                f"{self.time_constant} s."
            )

    def __call__(self, circuit: AbstractCircuit, trials: Trials, *, key: PRNGKeyArray) -> Score:
        noise_key, run_key = jax.random.split(key)
        scale = float(self.sigma * np.sqrt(2 * self.time_constant / trials.dt))
        noise = scale * np.array(jax.random.normal(noise_key, trials.inputs.shape, trials.inputs.dtype))
        if self.channels is not None:
            noise[..., [i for i in range(noise.shape[2]) if i not in self.channels]] = 0.0
        if self.epoch is not None:
            spans = trials.epochs[self.epoch] / trials.dt
            step = np.arange(trials.n_steps) + 0.5  # the middle of each, so that rounding moves none
            noise *= ((spans[:, :1] < step) & (step < spans[:, 1:]))[:, :, None]
        noisy = trials.replace(inputs=trials.inputs + noise)
        settings = {"set": self.name, "sigma": self.sigma}
        return output_score(circuit, noisy, settings, level="robustness", key=run_key, measure=self.measure)


def output_score(
    circuit: AbstractCircuit,
    trials: Trials,
    settings: dict[str, object],
    *,
    level: Level,
    key: PRNGKeyArray,
    measure: AbstractSimilarity | None = None,
) -> Score:
    """Score of a circuit's outputs against what `trials` ask for; what all probes of outputs share.

    Raises:
        ValueError: as `NewTrials`.
    """
    made = simulate(circuit, trials, key=key)
    check_n_outputs(0 if made.outputs is None else made.outputs.shape[2], trials)
    if measure is None:
        asked = trials.targets, trials.mask, trials.conditions
        return normalized_error(made.outputs, *asked, level=level, settings=settings)
    silent = jnp.zeros((*trials.mask.shape, 1))  # no units to compare, so that only outputs can be
    span = _counted(trials)
    asked = window(made.replace(rates=silent, units=None, outputs=trials.targets), *span)
    made = window(made, *span)
    if all(jnp.isfinite(each).all() for each in jax.tree.leaves(made)):
        score = measure(made, asked)
    else:
        perfect = measure(asked, asked)
        worst = -np.inf if perfect.direction == "higher" else np.inf
        score = dataclasses.replace(perfect, value=worst, parts={})
    return dataclasses.replace(score, level=level, settings=score.settings | settings)


def _counted(trials: Trials) -> tuple[float, float]:
    """Start and stop, in seconds, of the stretch that the mask counts in every trial."""
    counted = np.asarray(trials.mask) > 0
    steps = np.flatnonzero(counted[0])
    if not steps.size or (counted != counted[:1]).any() or steps[-1] - steps[0] + 1 != steps.size:
        raise ValueError(
            "a measure needs trials that count from one step to another, the same in all, and their mask is "
            "not so; make trials of one length, with fixed durations, or leave measure at None."
        )
    return float(steps[0] * trials.dt), float((steps[-1] + 1) * trials.dt)
