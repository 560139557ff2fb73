"""Rates in a new condition from those in other conditions, without any network.

A network that predicts no better than these has not shown that its dynamics explain anything.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from recirc.compare.covariates import Covariates
from recirc.compare.heldout_neurons import NeuronMap
from recirc.compare.joint_gp import JointGP
from recirc.types import Activity

Rates = Float[np.ndarray, "condition time unit"]
NewRates = Float[np.ndarray, "new time unit"]


def condition_mean(seen: Covariates, rates: Rates, new: Covariates) -> NewRates:
    """The mean over conditions, whatever the new ones are.

    Args:
        seen, rates: conditions that were recorded, and what was.
        new: conditions to predict.

    Example:
        >>> import numpy as np
        >>> a = recirc.Activity(np.arange(6.0).reshape(3, 2, 1), dt=0.01, conditions=[0, 90, 180])
        >>> known = recirc.compare.covariates_of(a)
        >>> condition_mean(known, np.asarray(a.rates), known)[0].ravel().tolist()
        [2.0, 3.0]
    """
    return np.broadcast_to(rates.mean(axis=0), (new.n_conditions, *rates.shape[1:]))


def cosine_tuning(seen: Covariates, rates: Rates, new: Covariates) -> NewRates:
    r"""Tuning that is linear in the encoded covariates, fitted by least squares to every unit and time apart.

    $$\hat y(\theta) = a + b\cos\theta + c\sin\theta$$

    of one angle: cosine tuning. Numbers enter as they are, categories by one channel per level.

    Args:
        seen, rates, new: as in `condition_mean`; with too few conditions the smallest coefficients.

    Source: Georgopoulos et al. 1982 (doi 10.1523/JNEUROSCI.02-11-01527.1982), of one angle.

    Example:
        >>> from recirc.compare.covariates import Covariate
        >>> at = lambda *angles: Covariates((Covariate("direction", "angle", np.array(angles)),))
        >>> rates = 3 + np.cos(np.deg2rad([-57.0, 63.0, 183.0]))[:, None, None]
        >>> round(cosine_tuning(at(0.0, 120.0, 240.0), rates, at(57.0)).item(), 6)
        4.0
    """
    design = lambda at: np.concatenate([np.ones((at.n_conditions, 1)), at.encoded], axis=1)  # noqa: E731
    return np.einsum("nc,ctu->ntu", design(new) @ np.linalg.pinv(design(seen)), rates)


class Process(NamedTuple):
    """The mean of two Gaussian processes, one of units apart and one of coupled units, which errs less than either.

    Args:
        apart, coupled: `JointGP`s.

    Example:
        >>> apart = recirc.compare.JointGP((1.0,), duration=0.1, noise=0.1)
        >>> Process(apart, apart._replace(coupled=True)).coupled.coupled
        True
    """

    apart: JointGP
    coupled: JointGP

    @classmethod
    def choose(cls, seen: Covariates, rates: Rates, *, dt: float, tests: Sequence[Sequence[int]]) -> "Process":
        """Both as `JointGP.choose` finds them."""
        return cls(*(JointGP.choose(seen, rates, dt=dt, tests=tests, coupled=coupled) for coupled in (False, True)))

    def predict(self, seen: Covariates, rates: Rates, new: Covariates, *, dt: float) -> NewRates:
        """Rates in new conditions; scale units so that they can be compared."""
        return np.mean([each.predict(seen, rates, new, dt=dt) for each in self], axis=0)


INTERPOLATIONS: dict[str, Callable[[Covariates, Rates, Covariates], NewRates]] = {
    "cosine_tuning": cosine_tuning,
    "condition_mean": condition_mean,
}


def interpolated(
    known: Covariates,
    rates: Rates,
    *,
    dt: float,
    scales: Float[np.ndarray, "group unit"],
    groups: Sequence[Sequence[int]],
    processes: Sequence[Process],
) -> dict[str, Rates]:
    """What conditions look like to those who saw only the others and need no network.

    Args:
        known: all conditions.
        rates: what was recorded in them.
        dt: seconds between time samples.
        scales: what rates are divided by where units are compared, positive and finite.
        groups: places of the conditions that are left out together.
        processes: of every group, chosen without it.

    Returns:
        Predictions by the methods of `INTERPOLATIONS`; by a `JointGP` of fixed length 1 and noise .1 for every time
        apart, "gp_directions"; by the process' parts, "gp_joint" (units apart) and "gp_coupled"; by the whole, "gp".

    Example:
        >>> import numpy as np
        >>> rates = np.random.default_rng(0).normal(size=(8, 5, 3))
        >>> known = recirc.compare.covariates_of(recirc.Activity(rates, dt=0.01, conditions=range(0, 360, 45)))
        >>> parts = (recirc.compare.JointGP((1.0,), 0.1, 0.1, coupled) for coupled in (False, True))
        >>> choice = {"groups": [[0]], "scales": np.ones((1, 3)), "processes": [Process(*parts)]}
        >>> sorted(interpolated(known, rates, dt=0.01, **choice))
        ['condition_mean', 'cosine_tuning', 'gp', 'gp_coupled', 'gp_directions', 'gp_joint']
    """
    fixed = JointGP((1.0,) * len(known.columns), dt / 1000, 0.1)
    names = (*INTERPOLATIONS, "gp_directions", "gp_joint", "gp_coupled", "gp")
    found = {name: np.full(rates.shape, np.nan) for name in names}
    for group, scale, process in zip(groups, scales, processes):
        rest = np.delete(np.arange(len(rates)), list(group))
        seen, new = known.select(rest), known.select(group)
        for name, method in INTERPOLATIONS.items():
            found[name][list(group)] = method(seen, rates[rest], new)
        for name, part in zip(names[-4:], (fixed, *process, process)):
            found[name][list(group)] = scale * part.predict(seen, rates[rest] / scale, new, dt=dt)
    return found


def direct_map(
    activity: Activity,
    folds: Sequence[tuple[np.ndarray, np.ndarray]],
    scales: Float[np.ndarray, "group unit"],
    groups: Sequence[Sequence[int]],
) -> Rates:
    """Units from other units by `NeuronMap`, in every condition; it sees the left-out conditions' recording.

    Args:
        activity: one trial per condition.
        folds: places of the units that are seen, and of those that are predicted from them; together the latter are
            all units.
        scales, groups: as in `interpolated`.

    Example:
        >>> import numpy as np
        >>> rates = np.random.default_rng(0).normal(size=(8, 30, 6))
        >>> a = recirc.Activity(rates, dt=0.01, conditions=range(8))
        >>> folds = [(np.arange(3), np.arange(3, 6)), (np.arange(3, 6), np.arange(3))]
        >>> direct_map(a, folds, recirc.compare.left_out_scales(rates), [[i] for i in range(8)]).shape
        (8, 30, 6)
    """
    rates, names = np.asarray(activity.rates, np.float64), np.array(activity.units)
    found = np.zeros_like(rates)
    for group, scale in zip(groups, scales):
        rest = np.delete(np.arange(len(rates)), list(group))
        scaled = activity.replace(rates=rates / scale, outputs=None)
        for seen, unseen in folds:
            recorded, asked = scaled.select_units(list(names[seen])), activity.select_units(list(names[unseen]))
            fitted = NeuronMap.fit(recorded.select(rest), asked.select(rest))
            for place, made in zip(group, np.asarray(fitted.predict(recorded.select(group)).rates)):
                found[place][:, unseen] = made
    return found
