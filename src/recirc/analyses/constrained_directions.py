"""How many directions of weights a recording determines: the spectrum of its rates against noise."""

from collections.abc import Sequence

import numpy as np

from recirc.analyses.lagged_sums import added, without
from recirc.train.student import Sums

PENALTIES = 10.0 ** np.arange(-8, 3)  # candidates, times the mean of the spectrum
N_ITERATIONS = 100


def constrained_share(groups: Sequence[Sums], *, overlap: int = 1) -> float:
    r"""Share of the directions of weights that pairs of successive rates determine.

    $$\frac{\gamma}{n}, \quad \gamma = \sum_i \frac{s_i}{s_i + \rho}, \quad
      \rho = \sigma^2 \Big/ \frac{\|W(\rho)\|_F^2}{n \gamma}$$

    with s the spectrum of the products of n units' rates, a constant taken out, $\sigma^2$ the squared error of ridge
    in groups of trials that it was not fitted to, with the penalty that makes it smallest, and W(rho) the weights of
    ridge with penalty rho. Along a direction whose s is far below the ratio of noise to weights, the recording says
    nothing.

    Args:
        groups: sums of each group of trials, with a constant regressor; 2 or more.
        overlap: how many pairs tell what one does, as pairs do that are so many bins apart.

    Source: the number of well-determined parameters of MacKay 1992 (doi 10.1162/neco.1992.4.3.415), by his iteration.
    Departures: one prior for all units, and the noise of left-out trials, which a fit to few pairs does not hide.
    """
    whole, n_units = added(groups), len(groups[0].cross)
    gram, cross = _centered(whole)
    spectrum, basis = np.linalg.eigh(gram / overlap)
    spectrum, along = np.maximum(spectrum, 0.0), cross @ basis / overlap
    noise = _left_out_error(groups) / (whole.n_pairs * n_units)
    ratio = 1e-3 * spectrum.mean()
    for _ in range(N_ITERATIONS):
        weights, share = along / (spectrum + ratio), np.sum(spectrum / (spectrum + ratio))
        ratio = noise * n_units * share / np.sum(weights**2)
    return float(np.mean(spectrum / (spectrum + ratio)))


def _left_out_error(groups: Sequence[Sums]) -> float:
    """Squared error of ridge in groups that it was not fitted to, summed, with the best of the penalties."""
    whole, errors = added(groups), np.zeros(len(PENALTIES))
    for group, rest in zip(groups, without(whole, groups)):
        values, basis = np.linalg.eigh(_centered(rest)[0])
        along = _centered(rest)[1] @ basis
        gram, cross = (basis.T @ _centered(group)[0] @ basis), _centered(group)[1] @ basis
        for i, penalty in enumerate(PENALTIES * values.mean()):
            weights = along / (np.maximum(values, 0.0) + penalty)
            errors[i] += np.sum((weights @ gram) * weights) - 2 * np.sum(weights * cross)
    return float(errors.min() + np.sum(whole.squares - whole.totals**2 / whole.n_pairs))


def _centered(sums: Sums) -> tuple[np.ndarray, np.ndarray]:
    """Products of rates with one another, and of what follows with them, about their means."""
    n_units = len(sums.cross)
    mean = sums.gram[-1, :n_units] / sums.n_pairs
    gram = sums.gram[:n_units, :n_units] - sums.n_pairs * np.outer(mean, mean)
    return gram, sums.cross[:, :n_units] - np.outer(sums.totals, mean)
