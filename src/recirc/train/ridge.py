"""Teacher-forced closed form: the fast mode."""

import dataclasses
from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
import jax.scipy.linalg as jsl
import numpy as np

from recirc.circuits import RateNetwork, simulate
from recirc.train.base import AbstractTrainer, State
from recirc.train.embedder import embed
from recirc.train.full_force import log_entry
from recirc.types import Trials


class Ridge(AbstractTrainer):
    r"""Regress the embedder's currents on its own rates in one go, and keep the penalty that runs best by itself.

    $$[J; W] = A R^\top (R R^\top + \alpha I)^{-1}$$

    with the embedder's rates R after every step and A its currents and targets. One pass tries one penalty;
    the network that then performs the trials best with its own activity and private noise is kept.

    Args:
        penalties: alpha to try, times the mean squared rate and the number of samples.
        embedder_gain, drive, hint_drive: as in `FullForce`.
        noise: sigma of the private noise in the closed-loop test.

    Much faster than `FullForce`, whose embedder it shares, for short trials that inputs drive throughout. It never sees
    the network's own mistakes, so it fails, at any penalty, where output must go on without input: look at the
    closed-loop error in the history. It does not respect `connections`.

    Source: echo-state teacher forcing (Jaeger & Haas 2004, doi 10.1126/science.1091277), of full-FORCE's targets.

    Example:
        >>> recirc.train.Ridge(penalties=(1e-6, 1e-4)).n_passes
        2
    """

    uses_hints = True
    tunable: ClassVar = {"gain": ("embedder_gain",), "drive": ("drive", "hint_drive"), "noise": ("noise",)}
    penalties: tuple[float, ...] = eqx.field(static=True, default=(1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3))
    embedder_gain: float = eqx.field(static=True, default=1.0)
    drive: float = eqx.field(static=True, default=0.15)
    hint_drive: float = eqx.field(static=True, default=0.6)
    noise: float = eqx.field(static=True, default=0.01)

    def __check_init__(self):
        if not self.penalties or min(self.penalties) <= 0:
            raise ValueError(f"penalties must be positive numbers, at least one; got {self.penalties}.")

    @property
    def n_passes(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        return len(self.penalties)

    @property
    def initial_gain(self) -> float:
        return self.embedder_gain

    def init(self, network: RateNetwork, trials: Trials, *, key) -> State:
        if network.connections is not None:
            raise ValueError("Ridge cannot keep a sparse J; use FullForce, or a network of density 1.")
        scales = {"gain": self.embedder_gain, "drive": self.drive, "hint_drive": self.hint_drive}
        embedding = embed(network, trials, **scales, key=key)
        rates = jnp.transpose(embedding.activity.rates, (2, 1, 0)) * jnp.transpose(trials.mask)[None]
        wanted = jnp.concatenate([embedding.currents[1:], jnp.transpose(trials.targets, (1, 2, 0))], axis=1)
        samples = rates.reshape(network.n_units, -1)
        answers = jnp.transpose(wanted, (1, 0, 2)).reshape(wanted.shape[1], -1)
        scale = float(jnp.sum(samples**2) / network.n_units)
        return State(network, embedding.activity, (samples @ samples.T, answers @ samples.T, scale, (0, np.inf)))

    def step(self, state: State, trials: Trials, *, key):
        gram, cross, scale, (index, best) = state.learner
        ridge = gram + self.penalties[index] * scale * jnp.eye(gram.shape[0])
        weights = jsl.cho_solve(jsl.cho_factor(ridge), cross.T).T
        recurrent, readout = weights[: gram.shape[0]], weights[gram.shape[0] :]
        candidate = eqx.tree_at(lambda n: (n.recurrent, n.readout), state.network, (recurrent, readout))
        noisy = dataclasses.replace(candidate, noise=self.noise)
        outputs = np.transpose(np.asarray(simulate(noisy, trials, key=key).outputs), (1, 2, 0))
        entry = log_entry(outputs, np.transpose(np.asarray(trials.targets), (1, 2, 0)), np.asarray(trials.mask).T)
        entry["penalty"] = self.penalties[index]
        if "bad_trial" in entry and (np.isfinite(best) or index + 1 < self.n_passes):  # another works or may work
            entry = {"output_nmse": np.inf, "penalty": self.penalties[index]}
        kept = candidate if entry["output_nmse"] < best else state.network
        learner = (gram, cross, scale, (index + 1, min(best, entry["output_nmse"])))
        return State(kept, state.embedder, learner), entry
