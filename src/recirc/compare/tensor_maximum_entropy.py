"""Surrogates of maximum entropy, given means and covariances over time, units and conditions."""

from collections.abc import Callable, Sequence
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from recirc.compare.base import AbstractNull
from recirc.types import Activity

_FLOOR = 1e-10  # an eigenvalue under this share of the largest is zero: rates are often single precision
_TOLERANCE = 1e-9
_MAX_STEPS = 200


class TensorMaximumEntropy(AbstractNull):
    r"""Gaussian activity with the same means and covariances over conditions, times and units, else random.

    $$X = M + \sum_{ctu} \frac{z_{ctu}}{\sqrt{\lambda_c + \lambda_t + \lambda_u}}\; q_c \otimes q_t \otimes q_u,
      \qquad z_{ctu} \sim N(0, 1)$$

    M is the sum of the mean over each axis (condition, time, unit); q are the eigenvectors of the covariance over each
    axis of what M leaves, and the multipliers lambda make the expected covariance over every axis equal to that of `a`:
    the sum of 1 / (lambda_c + lambda_t + lambda_u) over two axes is the eigenvalue over the third. Where an eigenvalue
    is zero (a mean was removed, or there are fewer samples than units) the surrogates have no variance either.

    It asks whether a portrait says more than: signals so smooth, in so many dimensions, with conditions so alike, look
    like this. Every trial is a condition; average repeats first. Means and covariances hold over many draws.

    Smoothness is kept where the variance is: small components of units, whose lambda_u is large, come out
    nearly white in time. So it is no null for similarities: `Procrustes` of unrelated smooth noises had
    p <= 0.05 in 63 % of cases. For rotations and tangling it errs to the safe side (`JPCA`: 0 of 60).

    Raises (when drawn from):
        ValueError: if means over the axes are all there is.

    Source: Elsayed & Cunningham 2017 (doi 10.1038/nn.4617), surrogates that keep all three covariances. The
    multipliers are found by Newton's method on the convex dual instead of conjugate gradients on the squared
    error of logarithms: about 15 steps to nine digits.

    Example:
        >>> import jax, recirc
        >>> a = recirc.Activity(jax.random.normal(jax.random.key(0), (4, 50, 6)), dt=0.01, conditions="abcd")
        >>> recirc.compare.TensorMaximumEntropy().draw(a, key=jax.random.key(1)).rates.shape
        (4, 50, 6)
    """

    kind: ClassVar[str] = "tensor_maximum_entropy"

    def sampler(self, a: Activity) -> Callable[[np.random.Generator], np.ndarray]:
        rates = np.asarray(a.rates, np.float64)
        mean = _additive_mean(rates)
        if np.abs(rates - mean).max() <= 1e-7 * np.abs(rates).max():
            raise ValueError(
                "the activity is the sum of its means over conditions, times and units; nothing is left that "
                "a surrogate could have at random."
            )
        axes = [_eigensystem(rates - mean, axis) for axis in range(3)]
        deviations = np.sqrt(maximum_entropy_variances([values for values, _ in axes]))

        def drawn(random: np.random.Generator) -> np.ndarray:
            tensor = random.standard_normal(deviations.shape) * deviations
            for _, vectors in axes:  # each turn takes the leading axis and puts it last
                tensor = np.tensordot(tensor, vectors, axes=(0, 1))
            return mean + tensor

        return drawn


def _additive_mean(rates: np.ndarray) -> np.ndarray:
    along = [rates.mean(axis, keepdims=True) for axis in ((1, 2), (0, 2), (0, 1))]
    return along[0] + along[1] + along[2] - 2 * rates.mean()


def _eigensystem(rates: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues of the covariance (a sum) over one axis that are not zero, and their eigenvectors."""
    over_axis = np.moveaxis(rates, axis, 0).reshape(rates.shape[axis], -1)
    values, vectors = np.linalg.eigh(over_axis @ over_axis.T)
    kept = values > _FLOOR * values[-1]
    return values[kept] * (values.sum() / values[kept].sum()), vectors[:, kept]


def maximum_entropy_variances(
    eigenvalues: Sequence[Float[np.ndarray, " _"]],
) -> Float[np.ndarray, "first second third"]:
    """Variances of the maximum-entropy tensor in the coordinates of the eigenvectors of its three axes.

    Newton's method with a line search on the convex function whose gradient is the error of the eigenvalues,
    in units where all entries would have variance 1. The multipliers are known up to two constants (one may
    be added to one axis and taken from another); least squares leaves those alone.

    Args:
        eigenvalues: of the three covariances, positive, with equal sums.

    Raises:
        ValueError: if it does not converge, which finite positive eigenvalues with equal sums never caused.
    """
    sizes = [len(values) for values in eigenvalues]
    scale = sum(eigenvalues[0]) / np.prod(sizes)
    wanted = np.concatenate(list(eigenvalues)) / scale
    multipliers = np.repeat([np.prod(sizes) / 3 / size for size in sizes], sizes) / wanted
    variances = 1 / _sums(multipliers, sizes)
    for _ in range(_MAX_STEPS):
        gradient = wanted - _marginals(variances)
        if np.abs(gradient / wanted).max() < _TOLERANCE:
            return variances * scale
        step = _newton_step(gradient, variances, sizes)
        multipliers = _line_search(multipliers, step, gradient, wanted, sizes)
        variances = 1 / _sums(multipliers, sizes)
    raise ValueError(
        "the maximum-entropy multipliers did not converge; leave out units or conditions that hardly vary."
    )


def _sums(values: np.ndarray, sizes: list[int]) -> np.ndarray:
    first, second, third = np.split(values, np.cumsum(sizes)[:-1])
    return first[:, None, None] + second[None, :, None] + third[None, None, :]


def _marginals(tensor: np.ndarray) -> np.ndarray:
    return np.concatenate([tensor.sum((1, 2)), tensor.sum((0, 2)), tensor.sum((0, 1))])


def _newton_step(gradient: np.ndarray, variances: np.ndarray, sizes: list[int]) -> np.ndarray:
    squares = variances**2
    pairs = [[None, squares.sum(2), squares.sum(1)], [None, None, squares.sum(0)], [None] * 3]
    diagonal = np.split(_marginals(squares), np.cumsum(sizes)[:-1])
    hessian = np.block(
        [
            [np.diag(diagonal[i]) if i == j else pairs[i][j] if i < j else np.transpose(pairs[j][i]) for j in range(3)]
            for i in range(3)
        ]
    )
    weight = 1 / np.sqrt(np.diag(hessian))
    scaled = hessian * weight[:, None] * weight[None, :]
    return -weight * np.linalg.lstsq(scaled, weight * gradient, rcond=1e-13)[0]


def _line_search(multipliers, step, gradient, wanted, sizes) -> np.ndarray:
    """Halve the step, begun inside the region where all variances are positive, until the dual falls."""

    def dual(values: np.ndarray) -> float:
        return float(wanted @ values - np.log(_sums(values, sizes)).sum())

    nearest = (_sums(step, sizes) / _sums(multipliers, sizes)).min()
    length = min(1.0, -0.99 / nearest) if nearest < 0 else 1.0
    before, slope = dual(multipliers), float(gradient @ step)
    rounding = 1e-12 * abs(before)
    while dual(multipliers + length * step) > before + 1e-4 * length * slope + rounding and length > 1e-8:
        length /= 2
    return multipliers + length * step
