"""CORNN: a convex, logistic fit of one-step predictions."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg

from recirc.ranges import check_within
from recirc.train.base import State
from recirc.train.student import (
    LEARNABLE,
    AbstractStudent,
    blocks,
    factor,
    one_step_r2,
    penalized,
    strength,
    sums_of,
    with_weights,
)

LARGEST = 1 - 1e-6  # of tanh a


class Cornn(AbstractStudent):
    r"""Fit the tanh of what every step left to be made by weighted logistic regression.

    $$\min_\theta -\sum_t \frac{1}{1 - d_t^2} \Big[ \tfrac{1 + d_t}{2} \log \tfrac{1 + \hat d_t}{2} +
      \tfrac{1 - d_t}{2} \log \tfrac{1 - \hat d_t}{2} \Big] + \tfrac{\alpha}{2} T \langle r^2 \rangle
      \|\theta\|^2, \qquad d = \tanh a, \quad \hat d_t = \tanh(\theta^\top \phi_t)$$

    for every unit, with a of `AbstractStudent` and its regressors $\phi_t = (r_{t-1}, u_t, 1)$. The weights make every
    unit's Hessian nearly $A = \sum_t \phi\phi^\top + \alpha T \langle r^2 \rangle I$, which is factored once.
    The first $\theta$ is the least-squares fit of a, and each pass a Newton step with A,

    $$\theta \leftarrow \theta + A^{-1} \Big( \sum_t \phi_t e_t - \alpha T \langle r^2 \rangle \theta \Big),
      \qquad e_t = (d_t - \hat d_t) / (1 - d_t^2),$$

    in which errors beyond `threshold` are left out, and the others count the more. It is not consistent under noise in
    the states: with s.d. s of a about its mean, currents come out larger by a factor of about $1 + s^2$.

    Args:
        n_passes: Newton steps.
        penalty: alpha.
        threshold: largest $|e|$ that counts.
        bits: 64, or 32, which halves memory and time.
        learns, free_run: as in `OneStepRidge`.

    Raises:
        ValueError: in a fit, as `AbstractStudent`; it keeps neither missing connections nor Dale's law.

    Source: Dinc et al. 2023 (arXiv 2311.10200) and their code. Departures: their units leak after the nonlinearity,
    $r_t = (1 - \epsilon) r_{t-1} + \epsilon \tanh(J r_{t-1})$, and their d is what that leak left; ours leak before
    it, so that d is the tanh of the current; the penalty counts in mean squared rates; a bias; sums over blocks.

    Example:
        >>> recirc.train.Cornn(bits=32).dtype.__name__
        'float32'
    """

    n_passes: int = eqx.field(static=True, default=10)
    penalty: float = eqx.field(static=True, default=1e-6)
    threshold: float = eqx.field(static=True, default=1.0)
    bits: int = eqx.field(static=True, default=64)
    learns: tuple[str, ...] = eqx.field(static=True, default=LEARNABLE)
    free_run: int = eqx.field(static=True, default=1000)

    def __check_init__(self):
        check_within("(0, inf]", threshold=self.threshold)
        if self.bits not in (32, 64):
            raise ValueError(f"bits must be 32 or 64, got {self.bits}.")

    @property
    def dtype(self) -> type:  # pyright: ignore[reportIncompatibleVariableOverride]
        return np.float32 if self.bits == 32 else np.float64

    def init(self, network, trials, *, key):
        self.check(network, trials)
        limit = float(np.arctanh(LARGEST))
        sums = sums_of(network, trials, self.learns, lambda currents: np.clip(currents, -limit, limit))
        matrix, n_units = penalized(sums, network.n_units, self.penalty), network.n_units
        lower = factor(matrix)
        weights = scipy.linalg.cho_solve((lower, True), sums.cross.T, check_finite=False).T
        own = lower[:n_units, :n_units]  # the factor of the rates' own part
        readout = scipy.linalg.cho_solve((own, True), sums.readout.T, check_finite=False).T
        return State(with_weights(network, weights, readout, self.learns), None, (sums, lower, weights))

    def step(self, state, trials, *, key):
        sums, lower, weights = state.learner
        pull, left_out = np.zeros_like(weights), 0
        for regressors, currents, _ in blocks(state.network, trials, self.learns):
            error, far = _errors(currents, regressors @ weights.T, self.threshold)
            pull += np.asarray(error).T @ regressors
            left_out = left_out + np.asarray(far)
        pull *= (sums.n_pairs / np.maximum(sums.n_pairs - left_out, 1))[:, None].astype(weights.dtype)
        pull -= strength(sums, len(weights), self.penalty) * weights
        weights = weights + scipy.linalg.cho_solve((lower, True), pull.T, check_finite=False).T
        network = with_weights(state.network, weights, None, self.learns)
        return self.finished(network, trials, one_step_r2(sums, weights), (sums, lower, weights))


@jax.jit
def _errors(currents, predicted, threshold):
    """e, zero where it is beyond the threshold, and how often it is for every unit: one loop over all of it."""
    wanted = jnp.clip(jnp.tanh(currents), -LARGEST, LARGEST)
    error = (wanted - jnp.tanh(predicted)) / (1 - wanted**2)
    far = jnp.abs(error) > threshold
    return jnp.where(far, 0, error), jnp.sum(far, axis=0)
