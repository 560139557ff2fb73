"""Ridge on one-step predictions: the closed-form student."""

from typing import ClassVar

import equinox as eqx

from recirc.train.base import State
from recirc.train.student import (
    LEARNABLE,
    AbstractStudent,
    constrained_rows,
    one_step_r2,
    penalized,
    solved,
    with_weights,
)


class OneStepRidge(AbstractStudent):
    r"""Regress what every step left to be made on the rates before it.

    $$\min_{J,U,b} \sum_t \|J r_{t-1} + U u_t + b - a_t\|^2 + \alpha\, T \langle r^2 \rangle \|(J, U, b)\|_F^2$$

    a, the readout and what is logged: `AbstractStudent`. Rows are independent, so that missing connections are left out
    of a row's regression, and Dale's law bounds its weights; both are exact, and take a solution per unit.

    Args:
        penalty: alpha.
        learns: which of input_weights, bias and readout are fitted beside J; the others are taken for known.
        free_run: steps of the run by itself, at most.
        n_passes: one is enough; further ones repeat it.

    Raises:
        ValueError: in a fit, as `AbstractStudent`, or where many weights do as well (with a penalty of 0).

    Source: Qian et al. 2024 (NeurIPS 37), the maximum of the posterior. Departures: the exact decay within a step, a
    penalty in units of squared rates, inputs and bias.

    Example:
        >>> import jax, recirc
        >>> recirc.enable_x64()
        >>> keys = jax.random.split(jax.random.key(0), 3)
        >>> network = recirc.circuits.teacher("random", n_units=20, key=keys[0]).network
        >>> driven = recirc.circuits.noise_trials(20, n_steps=500, key=keys[1])
        >>> student, seen = recirc.circuits.recorded(network, driven, range(20), inputs_known=True, key=keys[2])
        >>> fit = recirc.fit(recirc.train.OneStepRidge(penalty=1e-12), student, seen, key=keys[2])
        >>> bool(abs(fit.network.recurrent - network.recurrent).max() < 1e-6)
        True
    """

    keeps: ClassVar = ("connections", "signs")
    penalty: float = eqx.field(static=True, default=1e-6)
    learns: tuple[str, ...] = eqx.field(static=True, default=LEARNABLE)
    free_run: int = eqx.field(static=True, default=1000)
    n_passes: int = eqx.field(static=True, default=1)

    def init(self, network, trials, *, key):
        return State(network, None, self.sums(network, trials))

    def step(self, state, trials, *, key):
        network, sums = state.network, state.learner
        matrix, n_units = penalized(sums, network.n_units, self.penalty), network.n_units
        if network.connections is None and network.signs is None:
            weights = self.rows(sums, n_units)
        else:
            weights = constrained_rows(matrix, sums.cross, network)
        readout = solved(matrix[:n_units, :n_units], sums.readout)
        network = with_weights(network, weights, readout, self.learns)
        return self.finished(network, trials, one_step_r2(sums, weights), sums)

    def rows(self, sums, n_units):
        """Weights on every regressor, a row per unit, of a network without constraints."""
        return solved(penalized(sums, n_units, self.penalty), sums.cross)
