"""Predictions of left-out directions scored: R² in each of them, and what predictions of the others would reach."""

import itertools
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float

Rates = Float[np.ndarray, "direction time unit"]

N_PERMUTATIONS = 5000


def left_out_scales(
    rates: Rates, constant: float = 5.0, *, groups: Sequence[Sequence[int]] | None = None
) -> Float[np.ndarray, "group unit"]:
    """What rates are divided by when conditions are left out: every unit's range without them, and a constant.

    Args:
        rates: of all conditions.
        constant: of soft normalization, in the unit of the rates.
        groups: places of the conditions that are left out together; every one by itself if omitted.

    Example:
        >>> import numpy as np
        >>> left_out_scales(np.arange(6.0).reshape(3, 2, 1), constant=1.0).ravel().tolist()
        [4.0, 6.0, 4.0]
    """
    rates = np.asarray(rates, np.float64)
    alone = [[i] for i in range(len(rates))]
    return np.stack([np.ptp(np.delete(rates, list(g), axis=0), axis=(0, 1)) + constant for g in groups or alone])


def left_out_r2(
    truth: Float[np.ndarray, "time unit"], prediction: Float[np.ndarray, "time unit"], scale: Float[np.ndarray, " unit"]
) -> float:
    r"""R² in one direction, all times and units together; as a metric `heldout_direction_r2`.

    $$R^2 = 1 - \frac{\sum_{tu} (y_{tu} - \hat y_{tu})^2 / s_u^2}{\sum_{tu} (y_{tu} - \bar y_u)^2 / s_u^2}$$

    The mean is over the time of this direction, so that knowing a unit's usual rate earns nothing;
    `heldout_neuron_r2` (`NeuronMap.score`) takes it over the training samples and divides by no range:
    the same prediction scores no lower there, if ranges are equal.

    Args:
        truth, prediction: y and its prediction.
        scale: s; that of `left_out_scales` knows nothing of the direction.

    Example:
        >>> import numpy as np
        >>> truth = np.array([[0.0], [2.0]])
        >>> left_out_r2(truth, truth, np.ones(1)), left_out_r2(truth, np.ones((2, 1)), np.ones(1))
        (1.0, 0.0)
    """
    error = (((truth - prediction) / scale) ** 2).sum()
    return float(1 - error / (((truth - truth.mean(axis=0)) / scale) ** 2).sum())


def r2_matrix(
    rates: Rates, predictions: Rates, scales: Float[np.ndarray, "direction unit"]
) -> Float[np.ndarray, "direction prediction"]:
    """`left_out_r2` in direction i of what was predicted for direction j, (i, j); the diagonal is what was asked for.

    Args:
        rates: the truth.
        predictions: of every direction while it was left out; nan where there is none.
        scales: as in `left_out_scales`.

    Example:
        >>> import numpy as np
        >>> rates = np.random.default_rng(0).normal(size=(3, 20, 4))
        >>> np.diag(r2_matrix(rates, rates, np.ones((3, 4)))).tolist()
        [1.0, 1.0, 1.0]
    """
    return np.array([[left_out_r2(truth, made, scale) for made in predictions] for truth, scale in zip(rates, scales)])


def other_directions_null(matrix: Float[np.ndarray, "direction prediction"], i: int) -> dict[str, str | float] | None:
    """Null of one direction: what was predicted for the others, scored on it.

    Args:
        matrix: as in `r2_matrix`.
        i: the direction.

    Returns:
        Kind, mean, p95 and p, as in a row of `metrics.json`; None if the direction or all others have no value.

    Example:
        >>> import numpy as np
        >>> null = other_directions_null(np.eye(4), 0)
        >>> null["p"], null["mean"]
        (0.25, 0.0)
    """
    others = np.delete(matrix[i], i)
    others = others[np.isfinite(others)]
    if not len(others) or not np.isfinite(matrix[i, i]):
        return None
    return _bounds("other_directions", others, matrix[i, i])


def shuffled_directions_null(
    matrix: Float[np.ndarray, "direction prediction"], statistic: Callable = np.mean
) -> dict[str, str | float]:
    """Null of all directions: predictions change places; all orders of up to 7, otherwise 5000 random ones.

    Args:
        matrix: as in `r2_matrix`, without directions that have no value.
        statistic: over directions, a function of an array and `axis`.

    Returns:
        Kind, mean, p95 and p, as in a row of `metrics.json`.

    Example:
        >>> import numpy as np
        >>> shuffled_directions_null(np.eye(4))["mean"] < 0.25  # all orders but the true one
        True
    """
    n = len(matrix)
    if n <= 7:
        orders = np.array(list(itertools.permutations(range(n))))[1:]
    else:
        random = np.random.default_rng(0)
        orders = np.array([random.permutation(n) for _ in range(N_PERMUTATIONS)])
    draws = statistic(matrix[np.arange(n)[None, :], orders], axis=1) if len(orders) else np.array([])
    return _bounds("shuffled_conditions", draws, statistic(np.diag(matrix)))


def _bounds(kind: str, draws: np.ndarray, value: float) -> dict[str, str | float]:
    mean, p95 = (float(draws.mean()), float(np.percentile(draws, 95))) if len(draws) else (np.nan, np.nan)
    return {"kind": kind, "mean": mean, "p95": p95, "p": (1 + int((draws >= value).sum())) / (1 + len(draws))}
