"""How many directions of weights a recording determines: the spectrum of its rates against noise."""

import numpy as np

from recirc.train.student import Sums


def constrained_share(sums: Sums) -> float:
    r"""Share of the directions of weights that one-step pairs determine.

    $$\frac{\gamma}{n}, \quad \gamma = \sum_i \frac{s_i}{s_i + \rho}, \quad
      \rho = \frac{\sigma^2}{\sigma_w^2}, \quad \sigma^2 = \frac{E(\rho)}{n (T - \gamma)}, \quad
      \sigma_w^2 = \frac{\|W(\rho)\|_F^2}{n \gamma}$$

    s is the spectrum of the regressors' products, their mean taken out: along a direction whose s is far below the
    ratio of noise to weights the data say nothing. W are the weights of ridge with penalty rho, E their squared error.

    Args:
        sums: of one-step pairs, with a constant regressor.

    Source: the number of well-determined parameters of MacKay 1992 (doi 10.1162/neco.1992.4.3.415), by his iteration,
    with one prior for all units.
    """
    n_units = len(sums.cross)
    gram, cross = sums.gram[:n_units, :n_units], sums.cross[:, :n_units]
    mean = sums.gram[-1, :n_units] / sums.n_pairs
    gram = gram - sums.n_pairs * np.outer(mean, mean)
    cross = cross - np.outer(sums.totals, mean)
    spectrum, basis = np.linalg.eigh(gram)
    spectrum, along = np.maximum(spectrum, 0.0), cross @ basis
    squares = np.sum(sums.squares - sums.totals**2 / sums.n_pairs)
    ratio = 1e-3 * spectrum.mean()
    for _ in range(100):
        weights = along / (spectrum + ratio)
        share = np.sum(spectrum / (spectrum + ratio))
        unexplained = squares - 2 * np.sum(weights * along) + np.sum(weights**2 * spectrum)
        noise = max(unexplained, 1e-12 * squares) / (n_units * (sums.n_pairs - share))
        ratio = noise * n_units * share / np.sum(weights**2)
    return float(np.sum(spectrum / (spectrum + ratio)) / n_units)
