"""Full-FORCE, with or without hints."""

from typing import ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from recirc.circuits import RateNetwork
from recirc.ranges import check_within
from recirc.train.base import State
from recirc.train.batch import AbstractBatchable
from recirc.train.embedder import embed
from recirc.train.recursive_least_squares import Drive, Learner, Schedule, choose_block, learn_pass, start_learner
from recirc.types import Trials


class FullForce(AbstractBatchable):
    r"""Train J to make by itself the currents of a network that was driven with the answers.

    $$\min_{J,W} \sum_t \|J r - a^D\|^2 + \|W r - f_{out}\|^2 + \alpha(\|J\|_F^2 + \|W\|_F^2)$$

    by recursive least squares on the trained network's own rates r, all trials in lockstep. $a^D$ is the embedder's
    current; hints, where `trials` has them, drive the embedder only.

    Args:
        embedder_gain: g of the embedder's random J.
        drive: scale of the output weights $u_{out}$ into the embedder.
        hint_drive: scale of the hint weights; the sum over hints is normalized by their number's square root.
        noise: sigma of the private noise while learning.
        update_interval: seconds between updates; about one time constant generalizes best.
        n_passes, penalty: passes over all trials, and alpha.
        warm_up: passes at the start in which the units are driven by $a^D$ itself (teacher forcing).
        lockstep: trials that run side by side; None for all.

    Source: DePasquale et al. 2018 (doi 10.1371/journal.pone.0191527); hints from recordings: Salatiello & Giese 2020
    (doi 10.1007/978-3-030-61609-0_69). Departures: lockstep trials, updates at fixed intervals rather than at random
    steps, private noise while learning, every trial from the same initial state; `FullForce.paper()` comes nearest.

    Example:
        >>> recirc.train.FullForce(n_passes=20).penalty
        1.0
    """

    uses_hints = True
    first_only = ("embedder_gain", "drive", "hint_drive", "n_passes", "penalty")
    tunable: ClassVar = {"gain": ("embedder_gain",), "drive": ("drive", "hint_drive"), "noise": ("noise",)}
    embedder_gain: float = eqx.field(static=True, default=1.0)
    drive: float = eqx.field(static=True, default=0.15)
    hint_drive: float = eqx.field(static=True, default=0.6)
    noise: float = eqx.field(static=True, default=0.06)
    update_interval: float = eqx.field(static=True, default=0.01)
    n_passes: int = eqx.field(static=True, default=50)
    penalty: float = eqx.field(static=True, default=1.0)
    warm_up: int = eqx.field(static=True, default=0)
    lockstep: int | None = eqx.field(static=True, default=None)

    @classmethod
    def paper(cls, **changes) -> "FullForce":
        """The published regime: chaotic embedder, unit drives, no noise, an update every 2 ms."""
        published = {"embedder_gain": 1.5, "drive": 1.0, "hint_drive": 1.0, "noise": 0.0, "update_interval": 0.002}
        return cls(**{**published, "n_passes": 20, **changes})

    def __check_init__(self):
        check_schedule(self)
        check_within("[0, inf)", warm_up=self.warm_up)

    @property
    def initial_gain(self) -> float:
        return self.embedder_gain

    def init(self, network: RateNetwork, trials: Trials, *, key) -> State:
        scales = {"gain": self.embedder_gain, "drive": self.drive, "hint_drive": self.hint_drive}
        embedding = embed(network, trials, **scales, key=key)
        learner = start_learner(network, self.penalty, rows="all")
        forced = embedding.currents[:-1] if self.warm_up else None
        return State(network, embedding.activity, (learner, embedding.currents[1:], forced, 0))

    def prepare(self, trials: Trials) -> Drive:
        return drive_from(trials)

    def advance(self, state: State, data: Drive, dt: float, *, key):
        learner, currents, forced, index = state.learner
        drive = data._replace(currents=currents, forced=forced if index < self.warm_up else None)
        network, learner, learned = learn_all(self, state.network, learner, drive, dt, rows="all", key=key)
        return State(network, state.embedder, (learner, currents, forced, index + 1)), learned

    def entry(self, seen: "Learned", data: Drive) -> dict[str, float]:
        return pass_entry(seen, data)

    def working_bytes(self, network: RateNetwork, trials: Trials) -> int:
        return trials.targets.dtype.itemsize * trials.mask.size * network.n_units  # rates and currents in the making


def check_schedule(trainer) -> None:
    """Raise ValueError unless a recursive-least-squares trainer's numbers make sense."""
    check_within("[1, inf]", n_passes=trainer.n_passes, lockstep=trainer.lockstep)
    check_within("(0, inf]", penalty=trainer.penalty, update_interval=trainer.update_interval)
    check_within("[0, inf]", noise=trainer.noise)


def drive_from(trials: Trials, currents=None, forced=None) -> Drive:
    """The engine's view of trials."""
    inputs, targets = (jnp.transpose(a, (1, 2, 0)) for a in (trials.inputs, trials.targets))
    return Drive(inputs, targets, jnp.transpose(trials.mask), currents, forced)


class Learned(NamedTuple):
    """What a pass leaves to be logged: the network's outputs while it learned, and whether its weights are finite."""

    outputs: Float[Array, "time output trial"]
    is_finite: Bool[Array, ""]


def schedule_for(trainer, drive: Drive, dt: float, learner: Learner, *, rows: str) -> Schedule:
    """The engine's schedule from a trainer's fields, in steps."""
    interval, (n_steps, n_trials) = max(1, round(trainer.update_interval / dt)), drive.mask.shape
    if interval > n_steps:
        lasts = f"a trial lasts {n_steps * dt:.3g} s, so nothing would be learned"
        raise ValueError(f"update_interval is {trainer.update_interval} s but {lasts}; shorten the interval.")
    together = min(n_trials, trainer.lockstep or n_trials)
    block = choose_block(together, learner.weights.shape[1]) if learner.row_inputs is None else 1
    return Schedule(interval=interval, block=block, noise=trainer.noise, rows=rows)


def learn_all(trainer, network: RateNetwork, learner: Learner, drive: Drive, dt: float, *, rows: str, key):
    """One pass in groups of the trainer's `lockstep` trials; returns network, learner and what is logged of it."""
    schedule, n_trials, outputs = schedule_for(trainer, drive, dt, learner, rows=rows), drive.mask.shape[1], []
    size = trainer.lockstep or n_trials
    for group, first in enumerate(range(0, n_trials, size)):
        part = drive if size >= n_trials else jax.tree.map(lambda a, i=first: a[..., i : i + size], drive)
        learner, made = learn_pass(network, learner, part, schedule, dt, jax.random.fold_in(key, group))
        outputs.append(made)
    learned = (learner.weights[: network.n_units], learner.weights[network.n_units :])
    network = eqx.tree_at(lambda n: (n.recurrent, n.readout), network, learned)
    return network, learner, Learned(jnp.concatenate(outputs, axis=2), jnp.isfinite(learner.weights).all())


def pass_entry(learned: Learned, drive: Drive) -> dict[str, float]:
    """A pass's log entry."""
    entry = log_entry(np.asarray(learned.outputs), np.asarray(drive.targets), np.asarray(drive.mask))
    if not learned.is_finite:  # the last update of a pass shows in no output
        n_steps, n_trials = drive.mask.shape
        entry = {"bad_step": n_steps - 1, "bad_trial": n_trials - 1} | entry
    return entry


def log_entry(outputs, targets, mask) -> dict[str, float]:
    """`output_nmse` of a pass, and where the outputs first ceased to be finite, if they did."""
    bad = np.argwhere(~np.isfinite(outputs).all(axis=1))
    counted = mask[:, None]
    with np.errstate(all="ignore"):
        nmse = float(np.sum(counted * (outputs - targets) ** 2) / np.sum(counted * targets**2))
    if len(bad) == 0 and np.isfinite(nmse):
        return {"output_nmse": nmse}
    step, trial = bad[0] if len(bad) else (0, 0)
    return {"output_nmse": nmse, "bad_step": int(step), "bad_trial": int(trial)}
