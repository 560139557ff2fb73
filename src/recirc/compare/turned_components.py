"""Surrogates whose temporal components each have their conditions turned on their own."""

from collections.abc import Callable
from typing import ClassVar

import numpy as np

from recirc.compare.base import AbstractNull
from recirc.compare.condition_structure import condition_structure, exchangeable_groups
from recirc.types import Activity


class TurnedComponents(AbstractNull):
    r"""Equally smooth signals with the same envelope and tuning, and another order of states.

    $$\tilde X_c = \sum_k e_k \sum_d (M_k)_{cd}\, e_k^\top X_d, \qquad
      M_k = \pm\tfrac1n \mathbf{1}\mathbf{1}^\top + \sum_s B_s Q_{ks} B_s^\top$$

    e_k are the temporal principal components (eigenvectors of time-by-time second moments about every unit's mean,
    pooled over conditions), and each has a change among conditions of its own: a sign for the mean over conditions, and
    the random turns of `RotatedConditions` for what differs among them. `FlippedComponents` gives each component of
    each condition a sign; here like conditions stay alike. What breaks is how components follow one another, which is
    what `DSA` looks at. It is exact where rates are Gaussian, conditions as `RotatedConditions` takes them, and the
    components, estimated, independent. Repeats of a condition move together.

    Raises (when drawn from):
        ValueError: if there are fewer than two conditions, or they have different numbers of trials.

    Source: ours, of rotation tests (Langsrud 2005, doi 10.1007/s11222-005-4789-5) and `FlippedComponents`.

    Example:
        >>> import jax, recirc
        >>> rates = jax.random.normal(jax.random.key(0), (8, 50, 6))
        >>> a = recirc.Activity(rates, dt=0.01, conditions=[45 * i for i in range(8)])
        >>> drawn = recirc.compare.TurnedComponents().draw(a, key=jax.random.key(1))
        >>> bool(abs((drawn.rates**2).sum() / (rates - rates.mean((0, 1))).var() / rates.size - 1) < 0.01)
        True
    """

    kind: ClassVar[str] = "turned_components"

    def sampler(self, a: Activity) -> Callable[[np.random.Generator], np.ndarray]:
        rates, structure = np.asarray(a.rates, np.float64), condition_structure(a)
        groups = np.array(exchangeable_groups(a))
        mean, back, n = rates.mean((0, 1)), np.argsort(groups.ravel()), len(groups)
        over_time = np.moveaxis(rates - mean, 1, 0).reshape(rates.shape[1], -1)
        basis = np.linalg.eigh(over_time @ over_time.T)[1]
        grouped = np.einsum("tk,gctu->kgcu", basis, (rates - mean)[groups])  # component, condition, repeat, unit

        def turned(random: np.random.Generator) -> np.ndarray:
            signs = random.choice([0.0, -2.0 / n], size=len(grouped))
            mixings = np.stack([structure.mixing(random) + sign for sign in signs])
            moved = np.einsum("kgh,khcu->kgcu", mixings, grouped)
            return np.einsum("tk,kgcu->gctu", basis, moved).reshape(rates.shape)[back] + mean

        return turned

    def structure(self, a: Activity) -> str:
        return condition_structure(a).kind
