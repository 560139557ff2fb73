"""How many dimensions an activity has."""

from collections.abc import Mapping
from typing import ClassVar

import equinox as eqx
import numpy as np

from recirc.compare.base import AbstractPortrait
from recirc.compare.normalization import normalized_averages, without_condition_mean
from recirc.compare.samples import centered, check_enough_samples, principal_axes
from recirc.types import Activity, Direction, Score


class ParticipationRatio(AbstractPortrait):
    r"""Number of dimensions that share the variance.

    $$\mathrm{PR} = \frac{(\sum_i \lambda_i)^2}{\sum_i \lambda_i^2}$$

    lambda are the variances of the principal components of soft-normalized averages over repeats, samples
    being conditions and times: 1 if one component has all the variance, n if n have equal shares. Noise that
    averaging leaves adds dimensions, so compare activities of like smoothness. It is neither good nor bad;
    the direction "lower" says that a null is asked for as few dimensions.

    Args:
        soft, start, stop: as in `AbstractPortrait`.
        subtract_condition_mean: whether the mean over conditions is subtracted at every time (what is left is
            tuning), or only every unit's mean. Components for 90 % must be fewer than samples.

    Returns (when called): metric `participation_ratio`; parts `variance_share` (of every component) and
    `n_components_90` (components that hold 90 % of the variance).

    Example:
        >>> import jax, recirc
        >>> a = recirc.Activity(jax.random.normal(jax.random.key(0), (4, 500, 6)), dt=0.01, conditions="abcd")
        >>> bool(5.9 < recirc.compare.ParticipationRatio(soft=None)(a).value <= 6)
        True
    """

    metric: ClassVar[str] = "participation_ratio"
    labels: ClassVar[Mapping[str, str]] = {"participation_ratio": "participation ratio"}
    direction: ClassVar[Direction] = "lower"

    soft: float | None = eqx.field(static=True, default=5.0)
    start: float | None = eqx.field(static=True, default=None)
    stop: float | None = eqx.field(static=True, default=None)
    subtract_condition_mean: bool = eqx.field(static=True, default=False)

    def __call__(self, a: Activity) -> Score:
        found = normalized_averages(a, self.soft, self.start, self.stop)
        rates = without_condition_mean(found.rates) if self.subtract_condition_mean else found.rates
        samples = centered(rates)
        _, squares = principal_axes(samples, 0)
        if not squares[0] > 0:
            raise ValueError("every unit is constant in the window; nothing has dimensions there.")
        share = squares / squares.sum()
        needed = 1 + int(np.searchsorted(np.cumsum(share), 0.9))
        n_free = samples.shape[0] - self.subtract_condition_mean * rates.shape[1]
        check_enough_samples(n_free, needed)
        return self.score(
            1 / (share**2).sum(),
            parts={"variance_share": share, "n_components_90": np.array(needed)},
            settings=self.settings | found.settings,
        )
