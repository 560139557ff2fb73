"""How well a network predicts neurons that it never saw."""

from collections.abc import Sequence
from typing import NamedTuple

import equinox as eqx
import numpy as np

from recirc.compare.samples import check_same_samples, condition_groups
from recirc.types import Activity, Score

PENALTIES = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)


class NeuronMap(eqx.Module):
    r"""Linear map from a network's rates to neurons, fitted on some conditions and scored on others.

    $$\hat y = \bar y + B^\top (x - \bar x), \qquad
      B = (X^\top X + \lambda I)^{-1} X^\top Y, \qquad \lambda = p\,\mathrm{tr}(X^\top X)/n$$

    X are the network's centered rates (sample by n units), Y the neurons'. The penalty p is the one with the
    smallest squared error when every training condition in turn is left out. Fit on training conditions,
    score on others; leave the neurons that the network was given as hints out of `neurons`.

    Args:
        weights: B.
        network_mean, neuron_mean: means over the training samples.
        penalty: p that was chosen.
        neurons: names of the neurons, in order.

    Example:
        >>> import jax, recirc
        >>> rates = jax.random.normal(jax.random.key(0), (4, 50, 6))
        >>> network = recirc.Activity(rates, dt=0.01, conditions="abcd")
        >>> neurons = recirc.Activity(rates[..., :2] + 3, dt=0.01, conditions="abcd")
        >>> found = recirc.compare.NeuronMap.fit(network.select([0, 1, 2]), neurons.select([0, 1, 2]))
        >>> round(found.score(network.select([3]), neurons.select([3])).value, 3)
        1.0
    """

    weights: np.ndarray
    network_mean: np.ndarray
    neuron_mean: np.ndarray
    penalty: float
    neurons: tuple[str, ...] = eqx.field(static=True)

    @classmethod
    def fit(
        cls, network: Activity, neurons: Activity, *, penalties: Sequence[float] = PENALTIES, every: int = 1
    ) -> "NeuronMap":
        """Fit on training conditions.

        Args:
            network, neurons: activities at the same conditions and times.
            penalties: candidates for p, positive; one alone is taken as it is.
            every: use every n-th time sample; at 1 ms steps 5 loses nothing.

        Raises:
            ValueError: if conditions or times differ, a penalty is not positive, `every` < 1, or there is one
                condition and more than one penalty to choose from.
        """
        check_same_samples(network, neurons)
        if not len(penalties) or min(penalties) <= 0 or every < 1:
            raise ValueError(f"penalties must be positive and `every` at least 1, got {tuple(penalties)} and {every}.")
        groups = list(condition_groups(network.conditions).values())
        if len(groups) < 2 and len(penalties) > 1:
            raise ValueError("a penalty is chosen by leaving a condition out, and there is only one; give one penalty.")
        x, y = (np.asarray(side.rates, np.float64)[:, ::every] for side in (network, neurons))
        x_mean, y_mean = x.mean((0, 1)), y.mean((0, 1))
        x, y = x - x_mean, y - y_mean
        if not np.any(x):
            raise ValueError("the network's rates are constant, so they predict nothing.")
        blocks = [_Moments.of(x[group], y[group]) for group in groups]
        total = _Moments.sum(blocks)
        penalty = float(penalties[0])
        if len(penalties) > 1:
            folds = [(_Moments.sum(blocks[:i] + blocks[i + 1 :]), held) for i, held in enumerate(blocks)]
            errors = np.sum([_heldout_error(train, held, penalties) for train, held in folds], axis=0)
            penalty = float(penalties[int(np.argmin(errors))])
        ridge = total.xx + penalty * np.trace(total.xx) / len(total.xx) * np.eye(len(total.xx))
        return cls(np.linalg.solve(ridge, total.xy), x_mean, y_mean, penalty, neurons.units)

    def predict(self, network: Activity) -> Activity:
        """The neurons' rates that a network's activity implies.

        Raises:
            ValueError: if the network has another number of units than in the fit.
        """
        n_units, n_given = len(self.network_mean), network.rates.shape[2]
        if n_units != n_given:
            raise ValueError(f"the map was fitted to {n_units} units and is given {n_given}.")
        rates = (np.asarray(network.rates, np.float64) - self.network_mean) @ self.weights + self.neuron_mean
        return network.replace(rates=rates, units=self.neurons, outputs=None)

    def score(self, network: Activity, neurons: Activity) -> Score:
        """R² over units, times and trials together, about every unit's mean in the training samples.

        Returns:
            Metric `heldout_neuron_r2`; part `per_unit`, nan for a unit that never leaves its training mean.

        Raises:
            ValueError: if conditions, times or the names of neurons differ.
        """
        check_same_samples(network, neurons)
        if neurons.units != self.neurons:
            differing = sorted(set(neurons.units) ^ set(self.neurons))
            raise ValueError(f"the neurons are not those of the fit, in order; differing names: {differing[:10]}.")
        truth = np.asarray(neurons.rates, np.float64)
        error = ((np.asarray(self.predict(network).rates) - truth) ** 2).sum((0, 1))
        spread = ((truth - self.neuron_mean) ** 2).sum((0, 1))
        if not spread.sum() > 0:
            raise ValueError("no neuron leaves its training mean, so there is no variance to explain.")
        per_unit = 1 - error / np.where(spread > 0, spread, np.nan)
        value = float(1 - error.sum() / spread.sum())
        settings: dict[str, object] = {"penalty": self.penalty}
        return Score("heldout_neuron_r2", value, "unit", parts={"per_unit": per_unit}, settings=settings)


class _Moments(NamedTuple):
    """Sums over samples; those of disjoint sets of samples add."""

    count: float
    x: np.ndarray
    y: np.ndarray
    xx: np.ndarray
    xy: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray, y: np.ndarray) -> "_Moments":
        x, y = x.reshape(-1, x.shape[-1]), y.reshape(-1, y.shape[-1])
        return cls(len(x), x.sum(0), y.sum(0), x.T @ x, x.T @ y)

    @classmethod
    def sum(cls, parts: Sequence["_Moments"]) -> "_Moments":
        return cls(*(np.sum(np.stack(field), axis=0) for field in zip(*parts)))

    def about(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Second moments xx and xy about given means."""
        left, right = self.x - self.count * x, self.y - self.count * y
        return (self.xx - np.outer(x, left) - np.outer(self.x, x), self.xy - np.outer(x, right) - np.outer(self.x, y))


def _heldout_error(train: _Moments, held: _Moments, penalties: Sequence[float]) -> np.ndarray:
    """Squared error on `held` of the ridge fitted to `train`, one per penalty, less what no penalty changes.

    In the eigenbasis of the Gram matrix the coefficients are D / (v + lambda), so the error is a quadratic
    form in 1 / (v + lambda) and a further penalty costs almost nothing.
    """
    means = train.x / train.count, train.y / train.count
    gram, cross = train.about(*means)
    held_gram, held_cross = held.about(*means)
    values, vectors = np.linalg.eigh(gram)
    values, rotated = np.maximum(values, 0.0), vectors.T @ cross
    quadratic = (vectors.T @ held_gram @ vectors) * (rotated @ rotated.T)
    linear = np.sum(rotated * (vectors.T @ held_cross), axis=1)
    inverse = 1 / (values[None, :] + np.asarray(penalties)[:, None] * values.mean())
    return np.sum(inverse @ quadratic * inverse, axis=1) - 2 * inverse @ linear
