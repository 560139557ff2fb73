"""Which units to record next: those on which fits to parts of the recording disagree, with each other and the data."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import PRNGKeyArray

from recirc.circuits.base import numpy_generator
from recirc.compare.unit_groups import unit_groups
from recirc.ranges import check_within
from recirc.types import Activity

PENALTY = 1e-3  # of the maps, times the mean squared rate


class Ranked(NamedTuple):
    """A kind of units, and how much fits are wrong, and disagree, about those of it that they did not see.

    Args:
        kind: its name.
        error: mean squared error of a fit, by which kinds are ranked; what the fits' mean leaves, and `disagreement`.
        disagreement: variance among fits.
    """

    kind: str
    error: float
    disagreement: float


def which_next(
    activity: Activity, *, key: PRNGKeyArray, kinds: Mapping[str, Sequence[str]] | None = None, n_fits: int = 10
) -> tuple[Ranked, ...]:
    r"""Rank kinds of units, of which more may be recorded, by what the other units do not settle.

    Every kind is left out in turn. Each of an ensemble of ridge maps $W_s$ sees a random half $s$ of the other units
    and predicts the rates that were left out, in the half of the trials that it was not fitted to;

    $$e = \left\langle (W_s r_s - r)_i^2(t) \right\rangle_{s, i, t}
        = \left\langle (\bar y - r)_i^2(t) \right\rangle_{i, t}
        + \left\langle \mathrm{Var}_s (W_s r_s)_i(t) \right\rangle_{i, t}, \qquad
      \bar y = \langle W_s r_s \rangle_s$$

    over fits, units, times and trials, in squared units of rates. Where e is small, the other units settle what those
    of the kind do, and more of it add little.

    Args:
        activity: rates; 2 or more trials or conditions.
        key: decides the halves.
        kinds: name of a kind -> names of its units; every unit is a kind of its own if omitted.
        n_fits: maps of an ensemble, 2 or more.

    Returns:
        The kinds, the one to record more of first.

    Raises:
        ValueError: if there is one trial, a rate is not finite, a unit is unknown or of two kinds, or a kind has no
            unit or leaves fewer than 4 others.

    Source: query by committee, Seung et al. 1992 (doi 10.1145/130385.130417). Departure: units that are left out were
    recorded, so that what the committee's mean leaves counts beside its disagreement.

    Example:
        >>> import jax, recirc
        >>> recirc.enable_x64()
        >>> keys = jax.random.split(jax.random.key(0), 3)
        >>> network = recirc.circuits.teacher("random", n_units=20, key=keys[0]).network
        >>> driven = recirc.circuits.noise_trials(20, n_steps=100, n_trials=10, dt=0.01, key=keys[1])
        >>> seen = recirc.simulate(network, driven, key=keys[2])
        >>> len(recirc.analyses.which_next(seen, key=keys[2]))
        20
    """
    check_within("[2, inf)", n_fits=n_fits, n_trials=activity.n_trials)
    kinds = {unit: [unit] for unit in activity.units} if kinds is None else kinds
    rates, random = np.asarray(activity.rates, np.float64), numpy_generator(key)
    if not np.isfinite(rates).all():
        raise ValueError("rates have values that are not finite; remove or interpolate them first.")
    order = random.permutation(len(rates))
    halves = order[::2], order[1::2]
    found = []
    for kind, left_out in unit_groups(activity, kinds, what="kind").items():
        if not len(left_out):
            raise ValueError(f"kind {kind!r} has no units; name some, or leave it out.")
        others = np.setdiff1d(np.arange(rates.shape[2]), left_out)
        if len(others) < 4:
            raise ValueError(f"kind {kind!r} leaves {len(others)} other units; a fit to half of them needs 4 or more.")
        parts = [random.permutation(others)[: len(others) // 2] for _ in range(n_fits)]
        numbers = []
        for fitted, judged in (halves, halves[::-1]):
            made = np.array([_predicted(rates[fitted], rates[judged], part, left_out) for part in parts])
            numbers.append((np.mean((made - rates[judged][:, :, left_out]) ** 2), np.mean(made.var(axis=0))))
        found.append(Ranked(kind, *np.mean(numbers, axis=0).tolist()))
    return tuple(sorted(found, key=lambda ranked: -ranked.error))


def _predicted(fitted: np.ndarray, judged: np.ndarray, seen: np.ndarray, unseen: np.ndarray) -> np.ndarray:
    """Rates of unseen units in trials that are judged, by a ridge map from seen ones."""
    x, y = (fitted[:, :, units].reshape(-1, len(units)) for units in (seen, unseen))
    centers = x.mean(axis=0), y.mean(axis=0)
    x, y = x - centers[0], y - centers[1]
    gram = x.T @ x
    gram[np.diag_indices(len(gram))] += PENALTY * max(np.trace(gram) / len(gram), 1e-300)
    return (judged[:, :, seen] - centers[0]) @ np.linalg.solve(gram, x.T @ y) + centers[1]
