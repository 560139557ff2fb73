"""Backpropagation through time for students: units one to one with the recorded ones, and hidden ones."""

import dataclasses
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

from recirc.circuits import RateNetwork
from recirc.circuits.altered import Forced, Restarted
from recirc.circuits.base import trajectory
from recirc.ranges import check_within
from recirc.train.base import State
from recirc.train.bptt import adam, output_spread
from recirc.train.student import LEARNABLE, AbstractStudent, first_states, run_freely, states_of
from recirc.types import Trials


class _Samples(eqx.Module):
    """What is learned from, the trial last: steps that lead to the second sample of each trial and later ones."""

    inputs: Float[Array, "time channel trial"]  # and what units are set to, as `Forced` has it
    wanted: Float[Array, "time hint trial"]
    targets: Float[Array, "time output trial"]
    mask: Float[Array, "time trial"]
    starts: Float[Array, "unit trial"]  # those of hidden units are learned
    spread: Float[Array, " hint"]
    scale: Float[Array, " output"]


class BpttStudent(AbstractStudent):
    r"""Train by the gradient, through time, of what the recorded units do; further units are hidden.

    $$L = \Big\langle \frac{(r_i - h_i)^2}{s_i^2} \Big\rangle + w \Big\langle \frac{(W r - y)^2}{\sigma^2} \Big\rangle +
      \frac{\alpha}{n} \|J\|_F^2$$

    Unit i is to do what hint i did, for as many units as there are hints; the network's other units do whatever helps.
    Every trial starts from its first recorded state, and hidden units from the network's `start`, which learns. Each
    `forcing` seconds recorded units are set to what was recorded (teacher forcing), while hidden ones run on, so that
    they come to hold what the recorded past tells; $s_i^2$ is the mean squared change since the last such moment: where
    noise that is not known drives a circuit, no more can be predicted. y are the targets, $\sigma$ their s.d.

    Every update takes `batch_size` trials, so that a long recording is cut into trials first. Each pass logs
    what `AbstractStudent` says, R² of one step being that where every step starts from what was recorded.

    Args:
        n_passes, n_updates, batch_size: passes, updates per pass, and trials per update.
        learning_rate, final_learning_rate, clip: of the first and last update (a cosine between them); largest norm of
            the gradient.
        forcing: seconds between moments at which recorded units are set; None for the start of a trial alone.
        penalty: alpha.
        task_weight: w; with 0 the readout is fitted afterwards, by least squares, and nothing else knows the targets.
        learns: which of input_weights, bias and readout learn beside J and the start of hidden units.
        free_run: as in `OneStepRidge`.

    Raises:
        ValueError: in a fit, as `AbstractStudent`, but that there may be more units than hints.

    Source: Mikhaeil et al. 2022 (arXiv 2110.07238) for forcing at intervals; loss and rule as in `Bptt`, in 32 bits.

    Example:
        >>> import jax, recirc
        >>> recirc.enable_x64()
        >>> keys = jax.random.split(jax.random.key(0), 3)
        >>> network = recirc.circuits.teacher("random", n_units=8, key=keys[0]).network
        >>> driven = recirc.circuits.noise_trials(8, n_steps=100, n_trials=4, dt=0.01, key=keys[1])
        >>> student, seen = recirc.circuits.recorded(network, driven, range(4), key=keys[2])
        >>> student = recirc.circuits.with_hidden(student, 4, key=keys[2])
        >>> trainer = recirc.train.BpttStudent(n_passes=2, n_updates=5)
        >>> recirc.fit(trainer, student, seen, key=keys[2]).network.n_units
        8
    """

    dtype = np.float32
    is_random = True
    hides: ClassVar = True
    keeps: ClassVar = ("connections", "signs")
    mend: ClassVar = "Try a lower learning rate, a smaller clip, or more frequent forcing."
    n_passes: int = eqx.field(static=True, default=10)
    n_updates: int = eqx.field(static=True, default=50)
    batch_size: int = eqx.field(static=True, default=32)
    learning_rate: float = eqx.field(static=True, default=5e-3)
    final_learning_rate: float = eqx.field(static=True, default=5e-4)
    clip: float = eqx.field(static=True, default=1.0)
    forcing: float | None = eqx.field(static=True, default=0.05)
    penalty: float = eqx.field(static=True, default=0.0)
    task_weight: float = eqx.field(static=True, default=1.0)
    learns: tuple[str, ...] = eqx.field(static=True, default=LEARNABLE)
    free_run: int = eqx.field(static=True, default=1000)

    def __check_init__(self):
        check_within("[1, inf]", n_updates=self.n_updates, batch_size=self.batch_size)
        check_within("(0, inf]", learning_rate=self.learning_rate, final_learning_rate=self.final_learning_rate)
        check_within("(0, inf]", clip=self.clip, forcing=self.forcing)
        check_within("[0, inf)", task_weight=self.task_weight)

    def init(self, network, trials, *, key):
        self.check(network, trials)
        network = network.constrained()
        return State(network, None, (adam(self).init(self.learned(network)), jnp.zeros((), int)))

    def step(self, state, trials, *, key):
        (optimizer, before), network = state.learner, state.network
        samples = _samples(network, trials, self.forcing)
        keys = jax.random.split(key, self.n_updates)
        network, optimizer = _update_all(self, network, optimizer, samples, keys, trials.dt)
        if self.task_weight == 0 and "readout" in self.learns:
            network = _read_out(network, samples, trials.dt)
        entry = {"one_step_r2": _one_step_r2(network, trials)} | run_freely(network, trials, self.free_run)
        return State(network, None, (optimizer, before + self.n_updates)), entry

    def learned(self, network: RateNetwork) -> dict[str, Array]:
        """The weights that learn, by name."""
        return {name: getattr(network, name) for name in ("recurrent", "start", *self.learns)}


def _samples(network: RateNetwork, trials: Trials, forcing: float | None) -> _Samples:
    """Trials as they are learned from, where recorded units are set every `forcing` seconds."""
    last_first = lambda values: jnp.transpose(jnp.asarray(values), (1, 2, 0))  # noqa: E731
    hints, mask = np.asarray(trials.hints), np.asarray(trials.mask)[:, 1:]
    n_steps = hints.shape[1] - 1
    every = n_steps if forcing is None else max(1, round(forcing / trials.dt))
    is_set = np.arange(n_steps) % every == 0
    known = hints[:, np.arange(n_steps) // every * every]
    counted = mask[:, :, None]
    spread = np.sqrt(np.sum(counted * (hints[:, 1:] - known) ** 2, (0, 1), dtype=float) / counted.sum())
    channels = np.tile(is_set[None, :, None].astype(hints.dtype), (len(hints), 1, 1))
    inputs = np.concatenate([trials.inputs[:, 1:], states_of(network, hints[:, :-1]), channels], axis=2)
    targets = last_first(trials.targets[:, 1:])
    scale = np.sqrt(output_spread(np.asarray(targets, float), mask.T)) if targets.shape[1] else np.ones(0)
    dtype = hints.dtype
    return _Samples(
        last_first(inputs.astype(dtype)), last_first(hints[:, 1:]), targets, jnp.asarray(mask.T),
        first_states(network, trials), jnp.asarray(np.where(spread > 0, spread, 1.0), dtype),
        jnp.asarray(np.where(scale > 0, scale, 1.0), dtype),
    )  # fmt: skip


def _states(network: RateNetwork, samples: _Samples, dt: float) -> Float[Array, "time unit trial"]:
    n_hints = samples.wanted.shape[1]
    hidden = jnp.broadcast_to(network.start[n_hints:, None], (network.n_units - n_hints, samples.mask.shape[1]))
    starts = jnp.concatenate([samples.starts[:n_hints], hidden])
    quiet = Forced(Restarted(dataclasses.replace(network, noise=None), starts), n_hints)
    return trajectory(quiet, samples.inputs, dt, key=jax.random.key(0))  # the key is for noise, and there is none


def _loss(learned, trainer: BpttStudent, network: RateNetwork, batch: _Samples, dt: float):
    changed = dataclasses.replace(network, **learned)
    rates = changed.rates(_states(changed, batch, dt))
    counted, n_hints, n_outputs = batch.mask[:, None], batch.wanted.shape[1], batch.targets.shape[1]
    missed = (rates[:, :n_hints] - batch.wanted) / batch.spread[None, :, None]
    loss = jnp.sum(counted * missed**2) / (jnp.sum(counted) * n_hints)
    if n_outputs and trainer.task_weight > 0:
        off = (jnp.einsum("on,tnb->tob", changed.readout, rates) - batch.targets) / batch.scale[None, :, None]
        loss += trainer.task_weight * jnp.sum(counted * off**2) / (jnp.sum(counted) * n_outputs)
    return loss + trainer.penalty / network.n_units * jnp.sum(changed.recurrent**2)


@eqx.filter_jit
def _update_all(trainer: BpttStudent, network: RateNetwork, optimizer, samples: _Samples, keys, dt: float):
    """One update per key; returns network and optimizer state."""
    rule, n_trials = adam(trainer), samples.mask.shape[1]

    def update(carry, key):
        network, optimizer = carry
        batch = samples
        if trainer.batch_size < n_trials:
            chosen = jax.random.choice(key, n_trials, (trainer.batch_size,), replace=False)
            inputs, wanted, targets, mask, starts = (
                each[..., chosen]
                for each in (samples.inputs, samples.wanted, samples.targets, samples.mask, samples.starts)
            )
            batch = _Samples(inputs, wanted, targets, mask, starts, samples.spread, samples.scale)
        learned = trainer.learned(network)
        gradient = jax.grad(_loss)(learned, trainer, network, batch, dt)
        with jax.numpy_dtype_promotion("standard"):  # Adam raises floats to whole numbers
            change, optimizer = rule.update(gradient, optimizer, learned)
        learned = optax.apply_updates(learned, change)
        return (dataclasses.replace(network, **learned).constrained(), optimizer), None  # pyright: ignore

    return jax.lax.scan(update, (network, optimizer), keys)[0]


def _read_out(network: RateNetwork, samples: _Samples, dt: float) -> RateNetwork:
    """The network with the readout that makes the targets of its rates best."""
    counts = np.asarray(samples.mask) > 0
    rates = np.asarray(network.rates(_all_states(network, samples, dt)))
    pairs = (np.moveaxis(np.asarray(values), 1, 2)[counts].astype(float) for values in (rates, samples.targets))
    readout = np.linalg.lstsq(*pairs, rcond=1e-6)[0].T
    return dataclasses.replace(network, readout=jnp.asarray(readout, network.readout.dtype))


def _one_step_r2(network: RateNetwork, trials: Trials) -> float:
    """R² of a where every step starts from what was recorded."""
    samples = _samples(network, trials, trials.dt)
    n_hints, kept = samples.wanted.shape[1], float(np.exp(-trials.dt / network.time_constant))
    before = np.asarray(samples.inputs)[:, -n_hints - 1 : -1]
    found = np.asarray(_all_states(network, samples, trials.dt))[:, :n_hints]
    counted = np.asarray(samples.mask)[:, None]
    wanted = states_of(network, np.asarray(samples.wanted)) - kept * before
    mean = np.sum(counted * wanted, (0, 2), keepdims=True) / counted.sum()
    error = np.sum(counted * (found - kept * before - wanted) ** 2, dtype=float)
    return float(1 - error / np.sum(counted * (wanted - mean) ** 2, dtype=float))


_all_states = eqx.filter_jit(_states)
