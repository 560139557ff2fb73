"""The target-generating network ("embedder") of full-FORCE."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from recirc.circuits import RateNetwork, simulate
from recirc.types import Activity, Trials


class Embedding(NamedTuple):
    """What an embedder did: its activity and its recurrent, output and hint currents a^D.

    `currents[t]` enters step t, and the last entry follows the last step; the trained J must produce them by itself.
    """

    activity: Activity
    currents: Float[Array, "time unit trial"]


def embed(
    network: RateNetwork, trials: Trials, *, gain: float, drive: float, hint_drive: float, key: PRNGKeyArray
) -> Embedding:
    r"""Run an embedder built around `network`.

    $$\tau\dot x^D = -x^D + J^D f(x^D) + u_{in} f_{in} + u_{out} f_{out} + u_{hint} h$$

    Args:
        network: gives the input weights, the initial state, the time constant and the connections.
        trials: inputs, targets and hints.
        gain: g; the nonzero $J^D$ are N(0, g² / connections per unit).
        drive: $u_{out}$ is uniform in ± this.
        hint_drive: $u_{hint}$ is uniform in ± this over the square root of the number of hints.
        key: draws $J^D$, $u_{out}$ and $u_{hint}$; without hints the first two stay the same.

    Raises:
        ValueError: if there are hints and `hint_drive` is 0, there are more hints than units, or `network` feeds its
            output back (the currents would not contain it).
    """
    recurrent_key, output_key, hint_key, noise_key = jax.random.split(key, 4)
    n_hints = 0 if trials.hints is None else trials.hints.shape[2]
    if n_hints and hint_drive == 0:
        raise ValueError(f"there are {n_hints} hints but hint_drive is 0; drop the hints or give them weights.")
    if n_hints > network.n_units:
        found = f"{n_hints} hints cannot be embedded in {network.n_units} units"
        raise ValueError(f"{found}; record fewer units or enlarge the network.")
    if network.feedback is not None:
        raise ValueError("the network feeds its output back, which its target currents lack; use one without feedback.")
    density = 1.0 if network.connections is None else float(jnp.mean(network.connections))
    recurrent = jax.random.normal(recurrent_key, network.recurrent.shape) * gain / np.sqrt(density * network.n_units)
    if network.connections is not None:
        recurrent = jnp.where(network.connections, recurrent, 0.0)
    output_weights = _uniform(output_key, (network.n_units, trials.targets.shape[2]), drive)
    hint_weights = _uniform(hint_key, (network.n_units, n_hints), hint_drive / np.sqrt(max(n_hints, 1)))
    hints = trials.targets[:, :, :0] if trials.hints is None else trials.hints
    teaching = jnp.concatenate([trials.targets, hints], axis=2)
    teaching_weights = jnp.concatenate([output_weights, hint_weights], axis=1)
    driven = eqx.tree_at(
        lambda n: (n.recurrent, n.input_weights, n.readout, n.feedback),
        network,
        (recurrent, jnp.concatenate([network.input_weights, teaching_weights], axis=1), network.readout * 0, None),
        is_leaf=lambda leaf: leaf is None,
    )
    all_inputs = trials.replace(inputs=jnp.concatenate([trials.inputs, teaching], axis=2))
    activity = simulate(driven, all_inputs, key=noise_key)
    rates = jnp.transpose(activity.rates, (1, 2, 0))
    first = network.nonlinearity(network.initial_state(trials.n_trials))[None]
    held = jnp.transpose(jnp.concatenate([teaching, teaching[:, -1:]], axis=1), (1, 2, 0))
    currents = jnp.einsum("ij,tjk->tik", recurrent, jnp.concatenate([first, rates]))
    return Embedding(activity, currents + jnp.einsum("ij,tjk->tik", teaching_weights, held))


def _uniform(key, shape, scale: float):
    return jax.random.uniform(key, shape, minval=-1.0, maxval=1.0) * scale
