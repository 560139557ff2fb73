"""Surrogates whose units lost their order in time."""

from typing import ClassVar

import numpy as np
from jaxtyping import PRNGKeyArray

from recirc.compare.base import AbstractNull, numpy_generator
from recirc.types import Activity


class TimeShifted(AbstractNull):
    r"""Every unit's course shifted around the trial by a lag of its own, the same in all trials.

    $$\tilde X_{ctu} = X_{c,\,(t - s_u) \bmod T,\,u}, \qquad s_u \text{ uniform on } 0 \dots T - 1$$

    Each unit keeps its courses, its tuning and its spectrum, and the order of its conditions; what is broken is
    the order of units in time, which rotations are made of. A lag per unit rather than per trial: a lag that
    all units share leaves portraits of the dynamics (rotations, tangling) nearly as they were.

    Read it as how much a mere sequence gives, not as a test: copies of a few courses at all lags change by the
    circular shift itself, which is linear and a pure rotation, so that `JPCA`'s ratio is near 1 on surrogates
    of any activity (.95 on noise, .97 on a recording with .89), and tangling low. Take `FlippedComponents` for
    a p-value. Courses that do not end where they began get a step inside the trial. The covariance among units
    is not kept, so it is no null for similarities.

    Source: the objection is that of Lebedev et al. 2019 (doi 10.1038/s41598-019-54760-4).

    Example:
        >>> import jax, recirc
        >>> a = recirc.Activity(jax.random.normal(jax.random.key(0), (4, 50, 6)), dt=0.01, conditions="abcd")
        >>> drawn = recirc.compare.TimeShifted().draw(a, key=jax.random.key(1))
        >>> bool(abs(drawn.rates.mean(1) - a.rates.mean(1)).max() < 1e-6)
        True
    """

    kind: ClassVar[str] = "time_shifted"

    def draw(self, a: Activity, *, key: PRNGKeyArray) -> Activity:
        rates = np.asarray(a.rates)
        n_steps = rates.shape[1]
        lag = numpy_generator(key).integers(n_steps, size=rates.shape[2])
        source = (np.arange(n_steps)[:, None] - lag[None, :]) % n_steps
        return a.replace(rates=np.take_along_axis(rates, source[None], axis=1), outputs=None)
