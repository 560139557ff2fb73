"""CURBD's training: FORCE in the space of rates."""

from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from recirc.circuits import RateNetwork
from recirc.ranges import check_within
from recirc.train.base import State
from recirc.train.full_force import learn_all, pass_entry
from recirc.train.recursive_least_squares import Drive, start_learner
from recirc.train.student import AbstractStudent, one_step_r2, states_of
from recirc.types import Trials


class Curbd(AbstractStudent):
    r"""Change J by recursive least squares while the network runs by itself, until its rates are the recorded ones.

    $$J \leftarrow J - c\, e_t (P r_t)^\top, \qquad e_t = f(J r_t + U u + b) - f(a), \qquad
      c = \frac{1}{1 + r_t^\top P r_t}, \qquad P \leftarrow P - c\, P r_t r_t^\top P$$

    r are the network's own rates; every trial starts from the first recorded state. a is the current that the leak left
    to be made in the next step (`AbstractStudent`), so that the circuit itself has no error. The readout learns beside.

    Regions are blocks of units, which `compare.region_currents` needs to split the currents; where regions lack
    connections, give the network `connections`, which are kept.

    Args:
        n_passes, penalty: passes over all trials, and 1 / P at the start.
        same_time: as published, a is the recorded state at the same time itself, as if the network were at rest
            there: right where activity is slow against tau.
        noise: sigma of the private noise while learning.
        update_interval: seconds between updates.
        lockstep: trials that run side by side; None for all.
        free_run: as in `OneStepRidge`.

    Raises:
        ValueError: in a fit, as `AbstractStudent`; it does not keep Dale's law.

    Source: Perich et al. 2020 (doi 10.1101/2020.12.18.423348) and their code. Departures: a, unless `same_time`; exact
    decay within a step; trials in lockstep; white private noise where they add slow noise; J starts as the network's.

    Example:
        >>> recirc.train.Curbd(n_passes=5).penalty
        1.0
    """

    is_random = True
    keeps: ClassVar = ("connections",)
    n_passes: int = eqx.field(static=True, default=20)
    penalty: float = eqx.field(static=True, default=1.0)
    same_time: bool = eqx.field(static=True, default=False)
    noise: float = eqx.field(static=True, default=0.01)
    update_interval: float = eqx.field(static=True, default=0.001)
    lockstep: int | None = eqx.field(static=True, default=None)
    free_run: int = eqx.field(static=True, default=1000)

    def __check_init__(self):
        check_within("(0, inf]", penalty=self.penalty, update_interval=self.update_interval)
        check_within("[0, inf)", noise=self.noise)
        check_within("[1, inf]", lockstep=self.lockstep)

    @property
    def learns(self) -> tuple[str, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return ("readout",)

    def init(self, network, trials, *, key):
        sums = self.sums(network, trials)
        learner = start_learner(network, self.penalty, rows="rates")
        return State(network, None, (sums, learner, self._drive(network, trials)))

    def step(self, state, trials, *, key):
        sums, learner, drive = state.learner
        network, learner, made = learn_all(self, state.network, learner, drive, trials.dt, rows="rates", key=key)
        r2 = one_step_r2(sums, np.asarray(network.recurrent))
        after, entry = self.finished(network, trials, r2, (sums, learner, drive))
        if not made.is_finite:
            learned = pass_entry(made, drive)
            entry |= {"bad_step": learned["bad_step"], "bad_trial": learned["bad_trial"]}
        return after, entry

    def _drive(self, network: RateNetwork, trials: Trials) -> Drive:
        """From the first recorded state on; after each step there is a current to make, so that the last has none."""
        states = states_of(network, np.asarray(trials.hints))
        kept = float(np.exp(-trials.dt / network.time_constant))
        added = np.asarray(trials.inputs)[:, 2:] @ np.asarray(network.input_weights).T + np.asarray(network.bias)
        wanted = states[:, 1:-1] if self.same_time else (states[:, 2:] - kept * states[:, 1:-1]) / (1 - kept)
        by_step = (trials.inputs[:, 1:-1], trials.targets[:, 1:-1], added, network.nonlinearity(jnp.asarray(wanted)))
        inputs, targets, added, wanted = (jnp.transpose(jnp.asarray(each), (1, 2, 0)) for each in by_step)
        mask = jnp.transpose(trials.mask[:, 1:-1] * trials.mask[:, 2:])
        return Drive(inputs, targets, mask, added=added, wanted=wanted, start=jnp.asarray(states[:, 0].T))
