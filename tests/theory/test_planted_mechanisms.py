"""Circuits built by hand around a known mechanism, twenty of each kind, are found to have it."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array, Float

import recirc
from recirc import compare
from recirc.circuits import AbstractCircuit, simulate
from recirc.compare.mechanism import INITIAL, INPUT, MIXED, SUFFICES, UNDETERMINED

N_EACH, SIZES = 20, (20, 60)
KINDS = {  # weights of state and input on the movement, and whether an input after go overwrites the state
    "state": ((1, 0, 0), INITIAL),
    "input": ((0, 1, 0), INPUT),
    "half and half": ((0.5, 0.5, 0), MIXED),
    "memory that gives way": ((1, 0, 1), SUFFICES),
}


class Planted(AbstractCircuit):
    r"""Six latents in N noisy saturating units: a memory m of the target, and two filters that make a transient of it.

    $$\dot m = w (u - m) / \tau_m, \quad \dot p = ((1 - h)(\alpha m + \beta u) - p) / \tau_p, \quad
      \dot q = (p - q) / \tau_q, \qquad v = c (p - q)$$

    u is the target, turned; h the hold line. The memory is written while a target is shown: w = h, or 1 to overwrite.
    """

    embed: Float[Array, "unit 6"]
    decode: Float[Array, "6 unit"]
    recurrent: Float[Array, "unit unit"]  # noise
    readout: Float[Array, "2 unit"]
    turn: Float[Array, "2 2"]
    time_constants: Float[Array, " 3"]
    by_state: Float[Array, ""]
    by_input: Float[Array, ""]
    overwrite: Float[Array, ""]

    def initial_state(self, n_trials):
        return jnp.zeros((self.embed.shape[0], n_trials))

    def step(self, state, inputs, noise, dt):
        return state + dt * self.velocity(state, inputs)

    def rates(self, state):
        return jnp.tanh(state)

    def outputs(self, rates):
        return self.readout @ rates

    def velocity(self, state, inputs):
        rates = self.rates(state)
        memory, fast, slow = jnp.split(self.decode @ rates, 3)
        target, hold = self.turn @ inputs[:2], inputs[2]
        shown = jnp.where(jnp.sum(target**2, axis=0) > 0.01, 1.0, 0.0)
        written = (shown * jnp.maximum(hold, self.overwrite))[None, :]
        drive = (1 - hold)[None, :] * (self.by_state * memory + self.by_input * target)
        changes = [written * (target - memory), drive - fast, fast - slow]
        latent = jnp.concatenate([change / tau for change, tau in zip(changes, self.time_constants)])
        off_plane = self.embed @ (self.decode @ rates) - state + self.recurrent @ rates
        return self.embed @ latent + off_plane / 0.2


def planted(kind, seed):
    """A random circuit of a kind, and trials that ask for what it would do without noise in its weights."""
    draw = np.random.default_rng((list(KINDS).index(kind), seed))
    n, angle = SIZES[seed % 2], draw.uniform(0, 2 * np.pi)
    embed = np.linalg.qr(draw.normal(size=(n, 6)))[0] * 0.3 * np.sqrt(n)
    decode = np.linalg.pinv(embed)
    of_state, of_input, overwrite = (jnp.asarray(float(each)) for each in KINDS[kind][0])
    readout = draw.uniform(2, 4) * (decode[2:4] - decode[4:])
    clean = Planted(
        embed=jnp.asarray(embed),
        decode=jnp.asarray(decode),
        recurrent=jnp.zeros((n, n)),
        readout=jnp.asarray(readout),
        turn=jnp.asarray([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]),
        time_constants=jnp.asarray([draw.uniform(0.02, 0.05), *draw.uniform(0.06, 0.12, 2)]),
        by_state=of_state,
        by_input=of_input,
        overwrite=overwrite,
    )
    noisy = dataclasses.replace(
        clean,
        recurrent=jnp.asarray(0.05 * draw.normal(size=(n, n)) / np.sqrt(n)),
        readout=jnp.asarray(readout * (1 + 0.03 * draw.normal(size=readout.shape))),
    )
    trials = recirc.tasks.DelayedReach(hold=0.2, delay=0.5).trials(8, key=jax.random.key(seed))
    return noisy, trials.replace(targets=simulate(clean, trials, key=jax.random.key(0)).outputs)


@pytest.mark.parametrize("kind", KINDS)
def test_planted_mechanisms_are_found(kind):
    found = []
    for seed in range(N_EACH):
        circuit, trials = planted(kind, seed)
        found.append(compare.mechanism_of(circuit, trials, key=jax.random.key(seed), n_resamples=200).verdict)
    assert sum(verdict == KINDS[kind][1] for verdict in found) >= 0.95 * N_EACH, found


def test_untrained_networks_have_no_mechanism(key):
    trials = recirc.tasks.DelayedReach(hold=0.2, delay=0.5).trials(8, key=key)
    for each in jax.random.split(key, N_EACH):
        network = recirc.circuits.RateNetwork.random(
            n_units=40, n_inputs=3, n_outputs=4, gain=1.1, readout_scale=0.1, time_constant=0.05, key=each
        )
        assert compare.mechanism_of(network, trials, key=key, n_resamples=200).verdict == UNDETERMINED
