"""Sums over pairs of rates that are some bins apart, of which linear fits to any of the units are made."""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np

from recirc.circuits import RateNetwork, linear
from recirc.train.student import Sums, added, sums_of
from recirc.types import Trials

GROUPS = 10  # of trials, for the jackknife
LEARNS = ("bias",)


def in_groups(rates: np.ndarray) -> list[np.ndarray]:
    """Trials in groups for the jackknife; few trials are cut in time."""
    if len(rates) < GROUPS // 2:
        cut = rates.shape[1] // GROUPS
        rates = rates[:, : cut * GROUPS].reshape(len(rates) * GROUPS, cut, rates.shape[2])
    n_groups = min(GROUPS, len(rates))
    return [rates[first::n_groups] for first in range(n_groups)]


def tau(step: float) -> float:
    """A time constant for networks of this step; it cancels, since a linear network's step is any matrix."""
    return 10 * step


def linear_network(n_units: int, step: float) -> RateNetwork:
    """A linear network without weights."""
    zeros = jnp.zeros((n_units, n_units))
    return RateNetwork(
        recurrent=zeros, input_weights=zeros[:, :0], readout=zeros[:0], bias=zeros[0], start=zeros[0],
        time_constant=tau(step), nonlinearity=linear,
    )  # fmt: skip


def hint_trials(rates: np.ndarray, step: float) -> Trials:
    """Rates as hints, without inputs and targets."""
    names = [str(i) for i in range(len(rates))]
    return Trials(rates[:, :, :0], rates[:, :, :0], dt=step, conditions=names, hints=rates)


def lagged_sums(rates: np.ndarray, ahead: int, step: float) -> Sums:
    """Sums over all pairs of samples that are `ahead` bins apart."""
    network = linear_network(rates.shape[2], step)
    thinned = [rates[:, first::ahead] for first in range(ahead)]
    return added(sums_of(network, hint_trials(each, step), LEARNS) for each in thinned if each.shape[1] > 1)


def without(whole: Sums, parts: Sequence[Sums]) -> list[Sums]:
    """Sums over all parts but one, for each."""
    return [Sums(*(a - b for a, b in zip(whole, part))) for part in parts]  # pyright: ignore[reportArgumentType]
