"""A linear dynamical system of the recorded rates' leading components: the closed-form student of low rank."""

import dataclasses

import equinox as eqx
import numpy as np

from recirc.circuits import linear
from recirc.ranges import check_within
from recirc.train.base import State
from recirc.train.student import LEARNABLE, AbstractStudent, one_step_r2, penalized, solved, with_weights


class LinearDynamics(AbstractStudent):
    r"""The best linear system whose recurrence sees the leading components of the rates, and no others.

    $$\min_{M,U,b} \sum_t \|M C^\top r_{t-1} + U u_t + b - a_t\|^2 + \alpha\, T \langle r^2 \rangle
      \|(M, U, b)\|_F^2, \qquad J = M C^\top$$

    with a (`AbstractStudent`) of a network with f(x) = x, whatever f the given one has, and C the components of largest
    mean square. One step of it is $r_t = (1 - \epsilon) r_{t-1} + \epsilon (J r_{t-1} + U u_t + b)$; the states are
    the rates themselves, so that no state is hidden and what unrecorded units hold is lost, as in `OneStepRidge`.

    Args:
        n_components: columns of C; None for all, which is `OneStepRidge` of a linear network.
        penalty, learns, free_run, n_passes: as in `OneStepRidge`.

    Raises:
        ValueError: in a fit, as `AbstractStudent`, or if there are more components than units; it keeps neither missing
            connections nor Dale's law.

    Source: principal component regression of the linear systems of Churchland et al. 2012 (doi 10.1038/nature11129),
    with inputs and bias.

    Example:
        >>> recirc.train.LinearDynamics(n_components=8).penalty
        1e-06
    """

    n_components: int | None = eqx.field(static=True, default=10)
    penalty: float = eqx.field(static=True, default=1e-6)
    learns: tuple[str, ...] = eqx.field(static=True, default=LEARNABLE)
    free_run: int = eqx.field(static=True, default=1000)
    n_passes: int = eqx.field(static=True, default=1)

    def __check_init__(self):
        check_within("[1, inf)", n_components=self.n_components)

    def init(self, network, trials, *, key):
        n_components = self.n_components
        if n_components is not None and n_components > network.n_units:
            raise ValueError(f"{n_components} components of {network.n_units} units; ask for no more than there are.")
        network = dataclasses.replace(network, nonlinearity=linear)
        return State(network, None, self.sums(network, trials))

    def step(self, state, trials, *, key):
        network, sums, n_units = state.network, state.learner, state.network.n_units
        weights = self.rows(sums, n_units)
        readout = solved(penalized(sums, n_units, self.penalty)[:n_units, :n_units], sums.readout)
        network = with_weights(network, weights, readout, self.learns)
        return self.finished(network, trials, one_step_r2(sums, weights), sums)

    def rows(self, sums, n_units):
        """Weights on every regressor, a row per unit."""
        matrix, n_regressors = penalized(sums, n_units, self.penalty), len(sums.gram)
        n_components = n_units if self.n_components is None else self.n_components
        components = np.linalg.eigh(sums.gram[:n_units, :n_units])[1][:, n_units - n_components :]
        basis = np.zeros((n_regressors, n_components + n_regressors - n_units))
        basis[:n_units, :n_components] = components
        basis[n_units:, n_components:] = np.eye(n_regressors - n_units)
        return solved(basis.T @ matrix @ basis, sums.cross @ basis) @ basis.T
