"""Whether the same state can change in different ways."""

from collections.abc import Mapping
from typing import ClassVar

import equinox as eqx
import numpy as np
from jaxtyping import Float
from scipy.spatial.distance import cdist

from recirc.compare.base import AbstractPortrait
from recirc.compare.normalization import normalized_averages
from recirc.compare.samples import centered, check_enough_samples, principal_axes
from recirc.types import Activity, Direction, Score

BLOCK = 256


class Tangling(AbstractPortrait):
    r"""How often nearby states change in different ways, as they cannot in a smooth autonomous system.

    $$Q(t) = \max_{t'} \frac{\|\dot x_t - \dot x_{t'}\|^2}{\|x_t - x_{t'}\|^2 + \epsilon}, \qquad
      \epsilon = e \sum_k \mathrm{Var}(x_k)$$

    x are the leading principal components of soft-normalized averages over repeats, t and t' any times of any
    conditions, and the change is the difference from the step before over dt. It depends on smoothing:
    compare activities (and rates with outputs) only after the same filter and with the same `every`.

    Args:
        n_components: components of x, at least 1; all there are if fewer.
        of: "rates" or "outputs" (muscles), which are divided by their range alone.
        epsilon: e, positive; keeps Q finite where states meet.
        every: seconds between the samples that are compared, rounded to whole steps, at least one.
        soft, start, stop: as in `AbstractPortrait`, `soft` for rates.

    Returns (when called): metric `tangling_p95`, the 95th percentile of Q, in 1/s²; parts `q` (condition by
    time) and `time` (s).

    Raises:
        ValueError: if a number is out of its range or `of` unknown; when called, if outputs are asked for and missing.

    Source: Russo et al. 2018 (doi 10.1016/j.neuron.2018.01.004) and its code, with two departures: the first
    step of a condition, which has no change, is left out and not given that of the next, and every condition
    is sampled from its own start.

    Example:
        >>> import numpy as np, recirc
        >>> angle = np.arange(100) * 0.0628
        >>> circle, eight = (np.stack([np.cos(angle), np.sin(k * angle)], -1)[None] for k in (1, 2))
        >>> a, b = (recirc.Activity(x, dt=0.01, conditions=["0"]) for x in (circle, eight))
        >>> measure = recirc.compare.Tangling(2, soft=None)
        >>> measure(a).value < measure(b).value
        True
    """

    metric: ClassVar[str] = "tangling_p95"
    labels: ClassVar[Mapping[str, str]] = {"tangling_p95": "tangling, 95th percentile"}
    direction: ClassVar[Direction] = "lower"

    n_components: int = eqx.field(static=True, default=8)
    of: str = eqx.field(static=True, default="rates")
    soft: float | None = eqx.field(static=True, default=5.0)
    epsilon: float = eqx.field(static=True, default=0.1)
    every: float = eqx.field(static=True, default=0.02)
    start: float | None = eqx.field(static=True, default=None)
    stop: float | None = eqx.field(static=True, default=None)

    def __check_init__(self):
        if self.n_components < 1 or not self.epsilon > 0 or not self.every > 0:
            raise ValueError(
                "n_components must be at least 1, epsilon and every positive; got "
                f"{self.n_components}, {self.epsilon} and {self.every}."
            )
        if self.of not in ("rates", "outputs"):
            raise ValueError(f'of must be "rates" or "outputs", got {self.of!r}.')

    def __call__(self, a: Activity) -> Score:
        soft = self.soft
        if self.of == "outputs":
            if a.outputs is None:
                raise ValueError('the activity has no outputs; give some, or ask for of="rates".')
            a, soft = a.replace(rates=a.outputs, units=None), 0.0
        found = normalized_averages(a, soft, self.start, self.stop)
        samples = centered(found.rates)
        axes, _ = principal_axes(samples, self.n_components)
        check_enough_samples(len(samples), axes.shape[1])
        states = (samples @ axes).reshape(*found.rates.shape[:2], -1)
        step = max(1, round(self.every / a.dt))
        x, dx = states[:, 1::step], (np.diff(states, axis=1) / a.dt)[:, ::step]
        if not np.any(dx):
            raise ValueError("nothing changes in the window, so that there is nothing to be tangled.")
        floor = self.epsilon * float(states.var(axis=(0, 1)).sum())
        q = tangling(x.reshape(-1, x.shape[2]), dx.reshape(-1, x.shape[2]), floor)
        parts = {"q": q.reshape(x.shape[:2]), "time": found.time[1::step]}
        used = found.settings | {"n_components": axes.shape[1], "every": step * a.dt}
        return self.score(np.percentile(q, 95), unit="1/s²", parts=parts, settings=self.settings | used)


def tangling(
    x: Float[np.ndarray, "sample component"], dx: Float[np.ndarray, "sample component"], epsilon: float
) -> Float[np.ndarray, " sample"]:
    """Q of every state and rate of change, block by block, so that memory grows with the number of samples only."""
    q = []
    for block in (slice(begun, begun + BLOCK) for begun in range(0, len(x), BLOCK)):
        apart = cdist(x[block], x, "sqeuclidean") + epsilon
        q.append((cdist(dx[block], dx, "sqeuclidean") / apart).max(axis=1))
    return np.concatenate(q)
