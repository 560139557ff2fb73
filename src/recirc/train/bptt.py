"""Backpropagation through time."""

import dataclasses
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

from recirc.circuits import RateNetwork
from recirc.circuits.base import trajectory
from recirc.circuits.rate_network import noise_scale
from recirc.ranges import check_within
from recirc.train.base import State
from recirc.train.batch import AbstractBatchable
from recirc.train.full_force import log_entry
from recirc.train.penalties import AbstractPenalty, RatePenalty, Run
from recirc.types import Trials

KEPT, KEPT_OF_KICKS = 7, 6  # trajectories in memory for the gradient, and more for penalties on the flow of gradients
LEARNABLE = ("recurrent", "input_weights", "readout", "bias", "start")


class _Samples(eqx.Module):
    """Trials with the trial last, as circuits have them."""

    inputs: Float[Array, "time input trial"]
    targets: Float[Array, "time output trial"]
    mask: Float[Array, "time trial"]
    scale: Float[Array, " output"]


class Bptt(AbstractBatchable):
    r"""Train by the gradient of the error, through time, with Adam.

    $$L = \Big\langle \frac{(z - y)^2}{s^2} \Big\rangle + w \Big\langle \frac{(V r - h)^2}{s^2} \Big\rangle +
      \text{penalties}$$

    Means are over the outputs (or the hints) and the samples that the mask counts; s is the s.d. of an output's target
    or of a hint, so that all count alike, whatever their units. Hints h of the trials, recorded units as a rule, are
    further outputs: their readout V starts at 0, learns with the rest, and is dropped at the end. Every update takes
    `batch_size` trials and new noise; gradients are clipped to a norm, and the learning rate falls as a cosine. After
    each pass the network runs a held-out share of every condition's trials without noise, and training stops when its
    smallest $R^2$ over outputs reaches the goal.

    The network's `connections` and `signs` (Dale's law) hold after every update. Any nonlinearity that JAX can
    differentiate will do. Arithmetic is in 32 bits.

    Args:
        n_passes, n_updates: passes at the most, each with a look at the held-out trials at its end; updates per pass.
        batch_size: trials per update; all of them if there are no more.
        learning_rate, final_learning_rate, clip: of the first and last update; largest norm of the whole gradient.
        input_noise: s.d. of each input is this times $\sqrt{2\tau/dt}$ in every step.
        private_noise: each unit's x gets $\sqrt{2\,dt/\tau}$ times this in every step, which makes an s.d. of about
            this. It stands in for the network's own noise, which the returned network keeps.
        penalties: terms to add to the loss, from `train.penalties`.
        ramp: passes over which penalties rise from zero; strong ones would silence the network before it has learned.
        goal_r2: where to stop, at the earliest after `n_passes_least`; None to make all passes.
        n_passes_least: passes to make in any case, so that penalties have their effect; never fewer than `ramp`.
        held_out: share of each condition's trials to judge by; with too few trials all are trained and judged on.
        learns: which of recurrent, input_weights, readout (with V), bias and start are trained.
        hint_weight: w; with 0, as in trials without hints, the task is all there is.

    Raises:
        ValueError: if a number is out of range or `learns` names something else; in a fit, of a network with feedback,
            or if there are hints and no readout is to learn.

    Source: Song, Yang & Wang 2016 (doi 10.1371/journal.pcbi.1004792) for loss, noise and penalties. Departures: Adam
    for plain gradient descent, errors in units of s, exact decay within a step, trials drawn from a given set; hints.

    Example:
        >>> import jax, recirc
        >>> recirc.enable_x64()
        >>> trials = recirc.tasks.CenterOutReach(dt=0.01).trials(8, key=jax.random.key(0))
        >>> network = recirc.circuits.RateNetwork.random(n_units=20, time_constant=0.05, key=jax.random.key(1))
        >>> fit = recirc.fit(recirc.train.Bptt(n_passes=2, n_updates=5), network, trials, key=jax.random.key(2))
        >>> fit.outcome.name
        'MISSED'
    """

    dtype = np.float32
    uses_hints = True
    mend = "Try a lower learning rate, a smaller clip, or weaker penalties."
    tunable: ClassVar = {"rate": ("learning_rate", "final_learning_rate"), "noise": ("private_noise",)}
    n_passes: int = eqx.field(static=True, default=40)
    n_updates: int = eqx.field(static=True, default=50)
    batch_size: int = eqx.field(static=True, default=32)
    learning_rate: float = eqx.field(static=True, default=2e-3)
    final_learning_rate: float = eqx.field(static=True, default=2e-4)
    clip: float = eqx.field(static=True, default=1.0)
    input_noise: float = eqx.field(static=True, default=0.01)
    private_noise: float = eqx.field(static=True, default=0.05)
    penalties: tuple[AbstractPenalty, ...] = eqx.field(static=True, default=(RatePenalty(1e-3),))
    ramp: int = eqx.field(static=True, default=0)
    goal_r2: float | None = eqx.field(static=True, default=0.98)
    n_passes_least: int = eqx.field(static=True, default=0)
    held_out: float = eqx.field(static=True, default=0.2)
    learns: tuple[str, ...] = eqx.field(static=True, default=LEARNABLE)
    hint_weight: float = eqx.field(static=True, default=1.0)

    def __check_init__(self):
        check_within("[1, inf]", n_passes=self.n_passes, n_updates=self.n_updates, batch_size=self.batch_size)
        check_within("(0, inf]", learning_rate=self.learning_rate, final_learning_rate=self.final_learning_rate)
        check_within("(0, inf]", clip=self.clip)
        check_within(
            "[0, inf)", input_noise=self.input_noise, private_noise=self.private_noise, hint_weight=self.hint_weight
        )
        check_within(f"[0, {self.n_passes}]", ramp=self.ramp, n_passes_least=self.n_passes_least)
        check_within("[0, 1)", held_out=self.held_out)
        check_within("(-inf, 1)", goal_r2=self.goal_r2)  # no training reaches 1
        if (unknown := sorted(set(self.learns) - set(LEARNABLE))) or not self.learns:
            raise ValueError(f"learns names {', '.join(unknown) or 'nothing'}; choose from {', '.join(LEARNABLE)}.")

    def init(self, network: RateNetwork, trials: Trials, *, key) -> State:
        if network.feedback is not None:
            raise ValueError("Bptt trains networks without output feedback; set the network's feedback to None.")
        network, n_hints = network.constrained(), self._hints(trials).shape[2]
        if n_hints and "readout" not in self.learns:
            raise ValueError(f"there are {n_hints} hints and no readout learns; add it to `learns`, or drop the hints.")
        hint_readout = jnp.zeros((n_hints, network.n_units), network.readout.dtype)
        optimizer = adam(self).init(self._learned(_with_readout(network, network.readout, hint_readout)))
        return State(network, None, (optimizer, 0, hint_readout))

    def _hints(self, trials: Trials) -> Float[Array, "trial time hint"]:
        return trials.hints if trials.hints is not None and self.hint_weight > 0 else trials.targets[:, :, :0]

    def prepare(self, trials: Trials) -> tuple[_Samples, _Samples]:
        trained, judged = (trials.select(index) for index in split_by_condition(trials.conditions, self.held_out))
        return _samples(trained, self._hints(trained), self.hint_weight), _samples(judged)

    def advance(self, state: State, data: tuple[_Samples, _Samples], dt: float, *, key):
        (optimizer, before, hint_readout), n_updates, (trained, judged) = state.learner, self.n_updates, data
        made = before + np.arange(n_updates)
        strengths = np.minimum(1, made / (self.ramp * n_updates)) if self.ramp else np.ones(n_updates)
        schedule = (jax.random.split(key, n_updates), jnp.asarray(strengths, self.dtype))
        network = _with_readout(state.network, state.network.readout, hint_readout)
        network, optimizer, losses = _update_all(self, network, optimizer, trained, schedule, dt)
        readout, hint_readout = jnp.split(network.readout, [len(state.network.readout)])
        network = _with_readout(network, readout)
        seen = (_outputs(network, judged, dt), losses[-1], before + n_updates)
        return State(network, None, (optimizer, before + n_updates, hint_readout)), seen

    def entry(self, seen, data: tuple[_Samples, _Samples]) -> dict[str, float]:
        outputs, targets, mask = (np.asarray(a, np.float64) for a in (seen[0], data[1].targets, data[1].mask))
        entry = log_entry(outputs, targets, mask) | {"loss": float(seen[1])}
        if "bad_trial" not in entry:
            entry["output_r2"] = smallest_r2(outputs, targets, mask)
            if self.goal_r2 is not None:
                is_early = seen[2] < self.n_updates * max(self.ramp, self.n_passes_least)
                entry["reached"] = float(entry["output_r2"] >= self.goal_r2 and not is_early)
        return entry

    def working_bytes(self, network: RateNetwork, trials: Trials) -> int:
        trajectories = KEPT + KEPT_OF_KICKS * any(penalty.is_immediate for penalty in self.penalties)
        n_samples = min(self.batch_size, trials.n_trials) * trials.n_steps
        return trajectories * np.dtype(self.dtype).itemsize * n_samples * network.n_units

    def _learned(self, network: RateNetwork) -> dict[str, Array]:
        return {name: getattr(network, name) for name in self.learns}


def adam(trainer) -> optax.GradientTransformation:
    """The rule by which a gradient trainer changes its weights."""
    n_updates, share = trainer.n_passes * trainer.n_updates, trainer.final_learning_rate / trainer.learning_rate
    rate = optax.cosine_decay_schedule(trainer.learning_rate, n_updates, share)
    return optax.chain(optax.clip_by_global_norm(trainer.clip), optax.adam(rate))


def split_by_condition(conditions, held_out: float) -> tuple[np.ndarray, np.ndarray]:
    """Trials to train and to judge on: the last of every condition are held out, and none if there are too few."""
    kept = np.ones(len(conditions), bool)
    for label in dict.fromkeys(conditions):
        members = np.flatnonzero(np.array(conditions) == label)
        kept[members[len(members) - int(held_out * len(members)) :]] = False
    everything = np.arange(len(conditions))
    return everything[kept], everything[~kept] if not kept.all() else everything


def smallest_r2(outputs, targets, mask) -> float:
    """Smallest R² over outputs, on the samples that count; see `output_spread` for outputs that never vary."""
    counted = mask[:, None]
    error = np.sum(counted * (outputs - targets) ** 2, axis=(0, 2)) / counted.sum()
    return float(np.min(1 - error / output_spread(targets, mask)))


def output_spread(targets, mask) -> np.ndarray:
    """Variance of every output's target on the samples that count; the others' mean for outputs that never vary."""
    counted = mask[:, None]
    mean = np.sum(counted * targets, axis=(0, 2), keepdims=True) / counted.sum()
    spread = np.sum(counted * (targets - mean) ** 2, axis=(0, 2)) / counted.sum()
    varies = spread > 1e-12 * spread.max()
    return np.where(varies, spread, np.mean(spread[varies]) if varies.any() else 1.0)


def _with_readout(network: RateNetwork, *readouts) -> RateNetwork:
    return dataclasses.replace(network, readout=jnp.concatenate(readouts))


def _samples(trials: Trials, hints=None, hint_weight: float = 1.0) -> _Samples:
    """Trials with hints as further outputs; weights are in `scale`, since the loss is a mean over all outputs."""
    asked = [(trials.targets, 1.0)] + ([(hints, hint_weight)] if hints is not None and hints.shape[2] else [])
    mask, scales, n_outputs = jnp.transpose(trials.mask), [], sum(values.shape[2] for values, _ in asked)
    for values, weight in asked:
        spread = output_spread(np.asarray(jnp.transpose(values, (1, 2, 0)), np.float64), np.asarray(mask, np.float64))
        scales.append(np.sqrt(spread * (values.shape[2] / n_outputs / weight)))
    inputs, targets = trials.inputs, jnp.concatenate([values for values, _ in asked], axis=2)
    inputs, targets = (jnp.transpose(values, (1, 2, 0)) for values in (inputs, targets))
    return _Samples(inputs, targets, mask, jnp.asarray(np.concatenate(scales), targets.dtype))


@eqx.filter_jit
def _outputs(network: RateNetwork, samples: _Samples, dt: float):
    quiet, no_key = dataclasses.replace(network, noise=None), jax.random.key(0)
    return trajectory(quiet, samples.inputs, dt, key=no_key, seen=lambda x: network.outputs(network.rates(x)))


@eqx.filter_jit
def _update_all(trainer: Bptt, network: RateNetwork, optimizer, samples: _Samples, schedule, dt: float):
    """One update per key and strength of the penalties; returns network, optimizer state and the losses."""
    rule, n_trials = adam(trainer), samples.mask.shape[1]

    def update(carry, now):
        (network, optimizer), (key, strength) = carry, now
        batch_key, noise_key = jax.random.split(key)
        batch = samples
        if trainer.batch_size < n_trials:
            chosen = jax.random.choice(batch_key, n_trials, (trainer.batch_size,), replace=False)
            inputs, targets, mask = (a[..., chosen] for a in (samples.inputs, samples.targets, samples.mask))
            batch = _Samples(inputs, targets, mask, samples.scale)
        loss, gradient = loss_gradient(trainer, network, batch, dt, strength, key=noise_key)
        with jax.numpy_dtype_promotion("standard"):  # Adam raises floats to whole numbers
            change, optimizer = rule.update(gradient, optimizer, trainer._learned(network))
        learned = optax.apply_updates(trainer._learned(network), change)
        return (dataclasses.replace(network, **learned).constrained(), optimizer), loss  # pyright: ignore

    (network, optimizer), losses = jax.lax.scan(update, (network, optimizer), schedule)
    return network, optimizer, losses


def loss_gradient(trainer: Bptt, network: RateNetwork, batch: _Samples, dt: float, strength, *, key):
    """The loss without penalties, and the gradient of the whole, in which they count `strength` times their weight."""
    input_key, state_key = jax.random.split(key)
    scale = float(trainer.input_noise * np.sqrt(2 * network.time_constant / dt))
    inputs = batch.inputs + scale * jax.random.normal(input_key, batch.inputs.shape, batch.inputs.dtype)
    noise = jnp.asarray(noise_current(trainer.private_noise, dt, network.time_constant), inputs.dtype)
    immediate = [penalty for penalty in trainer.penalties if penalty.is_immediate]
    added = [penalty for penalty in trainer.penalties if not penalty.is_immediate]
    shape = (inputs.shape[0], network.n_units, inputs.shape[2])
    kicks = jnp.zeros(shape, inputs.dtype) if immediate else None

    def total(learned, kicks):
        changed = dataclasses.replace(network, noise=noise, **learned)
        states = trajectory(changed, inputs, dt, key=state_key, kicks=kicks)
        rates = changed.rates(states)
        outputs = jnp.einsum("on,tnb->tob", changed.readout, rates)
        counted = jnp.sum(batch.mask) * outputs.shape[1]
        missed = (outputs - batch.targets) / batch.scale[None, :, None]
        error = jnp.sum(batch.mask[:, None] * missed**2) / counted
        run = Run(states, rates, None, batch.mask, dt)
        return error + strength * sum(penalty(changed, run) for penalty in added), (error, run)

    learned = trainer._learned(network)
    (_, (loss, run)), gradient = jax.value_and_grad(total, has_aux=True)(learned, kicks)
    if not immediate:
        return loss, gradient
    run = dataclasses.replace(run, gradients=jax.grad(lambda kicks: total(learned, kicks)[1][0])(kicks))

    def extra(learned):
        changed = dataclasses.replace(network, **learned)
        return strength * sum(penalty(changed, run) for penalty in immediate)

    return loss, jax.tree.map(jnp.add, gradient, jax.grad(extra)(learned))


def noise_current(private_noise: float, dt: float, time_constant: float) -> float:
    """A network's `noise` that gives x about this s.d., in pycog's scaling: sqrt(2 dt / tau) of it in every step."""
    return float(private_noise * np.sqrt(2 * dt / time_constant) / noise_scale(dt, time_constant))
