"""Shape similarity of whole populations, estimated from the units that were sampled of each."""

from collections.abc import Callable
from typing import ClassVar

import numpy as np

from recirc.compare.rotated_conditions import AbstractConditionSimilarity
from recirc.compare.samples import centered, paired_samples
from recirc.types import Activity, Direction, Score


class DebiasedBures(AbstractConditionSimilarity):
    r"""Cosine of the Procrustes angle as it would be if all units of both populations were recorded.

    $$s = 2\, s_n - \overline{s_{n/2}}, \qquad s_n = \frac{\|X^\top Y\|_*}{\|X\|_F\,\|Y\|_F}$$

    X and Y are centered samples (trial and time) by units; s_n is the normalized Bures similarity of their kernels, and
    the cosine of `Procrustes`. From few units of one population it lies below 1, from few units of unlike ones it is
    off, too, in either case by about 1/n where n units are many beside the dimensions. So it is found again from halves
    of the units of both sides, and the line through both is followed to 1/n = 0. There are three halvings of each
    side, of units in the order of their variance, so that no chance is in them; the bar is over the twelve pairs of
    halves.

    It is an estimate: it scatters about 1 for samples of one population, and lies above 1 for units compared with
    themselves. Of populations with 10 dimensions that have .753, samples of 15 units give .746 on average
    (s_n: .654) and of 60 units .752 (.728). Where dimensions are more than units some bias is left: 60 of them, .798:
    .601 from 15 units (.495), .777 from 60 (.689).

    Returns (when called): metric `debiased_bures`.

    Raises:
        ValueError: when called, if a side has fewer than four units that vary, or as `Procrustes` does.

    Source: Harvey et al. 2024 (arXiv 2311.11436) for the similarity and its duality with shape distance; Pospisil et
    al. 2024 (arXiv 2310.05742) for how biased it is under sampling. They correct for few stimuli of given units by
    moments; here conditions and times are given and units are sampled, and the correction is an extrapolation.

    Example:
        >>> import jax, recirc
        >>> rates = jax.random.normal(jax.random.key(0), (8, 50, 3)) @ jax.random.normal(jax.random.key(1), (3, 20))
        >>> a = recirc.Activity(rates, dt=0.01, conditions="abcdefgh")
        >>> halves = [a.select_units(list(units)) for units in (a.units[:10], a.units[10:])]
        >>> cosine = float(jax.numpy.cos(recirc.compare.Procrustes()(*halves).value))
        >>> bool(cosine < recirc.compare.DebiasedBures()(*halves).value)
        True
    """

    metric: ClassVar[str] = "debiased_bures"
    label: ClassVar[str] = "Bures similarity, debiased"
    direction: ClassVar[Direction] = "higher"
    blind_to: ClassVar[frozenset[str]] = frozenset({"permutations", "offsets", "scale"})
    estimates_populations: ClassVar[bool] = True

    def __call__(self, a: Activity, b: Activity) -> Score:
        x, y = paired_samples(a, b)
        return self.score(_whole(x, y, _halves(x), _halves(y)))

    def against(self, a: Activity, b: Activity) -> Callable[[np.ndarray], float]:
        y, halves = centered(b.rates), _halves(centered(a.rates))  # surrogates of equal covariance have these, too
        theirs = _halves(y)
        return lambda rates: _whole(centered(rates), y, halves, theirs)


def _whole(x: np.ndarray, y: np.ndarray, halves_x: np.ndarray, halves_y: np.ndarray) -> float:
    products, squares = x.T @ y, ((x**2).sum(axis=0), (y**2).sum(axis=0))
    found = [
        _similarity(products[np.ix_(one, other)], squares[0][one].sum() * squares[1][other].sum())
        for pair in zip(halves_x, halves_y)
        for one in pair[0]
        for other in pair[1]
    ]
    return 2 * _similarity(products, squares[0].sum() * squares[1].sum()) - float(np.mean(found))


def _similarity(products: np.ndarray, squares: float) -> float:
    return float(np.linalg.svd(products, compute_uv=False).sum() / np.sqrt(squares))


def _halves(x: np.ndarray) -> np.ndarray:
    """Three halvings of the units (halving, half, unit): of every four neighbors in variance two go to either half."""
    n_units = x.shape[1]
    if n_units < 4:
        raise ValueError(f"{n_units} units that vary cannot be halved three ways; give four or more.")
    place = np.empty(n_units, int)
    place[np.argsort(-(x**2).sum(axis=0), kind="stable")] = np.arange(n_units) % 4
    firsts = np.array([np.isin(place, pair) for pair in ((0, 3), (0, 1), (0, 2))])
    return np.stack([firsts, ~firsts], axis=1)
