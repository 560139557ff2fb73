"""How near a network is to a reference, between its own twin and the reference itself."""

import warnings
from collections.abc import Sequence

import equinox as eqx
import numpy as np
from jaxtyping import Float, PRNGKeyArray

from recirc.circuits.base import numpy_generator
from recirc.compare.base import AbstractSimilarity
from recirc.types import Activity, Score

STILL = 0.02  # rad from the identity: dynamics other than a common decay move the state by under 2 % in a step


class BesideTwins(eqx.Module):
    """A score of a network against a reference, on the scale from its twin (0) to the reference itself (1).

    Args:
        score: of all units of the network.
        network, halves: median score of the network, and of one half of the reference's units, against the other half.
        twins: of every twin, as `network`.
        identity: what a state that stays where it is would score against the reference; of `DSA` alone, else nan.
        speed_ratio: how many times as fast the network's dynamics are as the reference's; of `DSA` alone, else nan.

    Example:
        >>> import numpy as np
        >>> score = recirc.Score("dsa", 0.4, "mechanism", direction="lower")
        >>> BesideTwins(score, network=0.4, halves=0.1, twins=np.array([0.7, 0.7])).score.value
        0.4
    """

    score: Score
    network: float
    halves: float
    twins: Float[np.ndarray, " twin"]
    identity: float = np.nan
    speed_ratio: float = np.nan

    @property
    def difference(self) -> float:
        """How much better the network scores than its twins do on average; above 0 is nearer, in the score's unit."""
        return float(self._better(self.network, self.twins.mean()))

    @property
    def scale(self) -> float:
        """0 as near as the twins, 1 as near as a half of the reference; nan where the twins are as near as a half."""
        room = self._better(self.halves, self.twins.mean())
        return float(self.difference / room) if room > 0 else np.nan

    @property
    def sentence(self) -> str:
        """All of it in words."""
        unit = "" if self.score.unit == "1" else f" {self.score.unit}"
        said = f"{self.score.metric} {self.network:.3g}{unit}, twin {self.twins.mean():.3g}, half {self.halves:.3g}: "
        told = "the twin is as near as a half of the reference, so nothing can be told"
        said += told if np.isnan(self.scale) else f"{self.scale:.2g} of the way from the twin to the reference"
        if np.isfinite(self.identity):
            said += f"; the identity {self.identity:.3g}"
            if self.identity <= max(self.halves, STILL):
                return f"{said}: of the reference's dynamics little but slowness is seen."
            if self.identity <= self.network:
                return f"{said}: a state that stays where it is would be as near as the network."
        return said + (f"; {self.speed_ratio:.2g} times as fast." if np.isfinite(self.speed_ratio) else ".")

    def _better(self, one, other):
        return one - other if self.score.direction == "higher" else other - one


def beside_twins(
    measure: AbstractSimilarity,
    network: Activity,
    reference: Activity,
    twins: Sequence[Activity],
    *,
    n_splits: int = 9,
    key: PRNGKeyArray,
) -> BesideTwins:
    r"""Score a network, its twins and halves of the reference alike, by samples of equally many units.

    $$s = \frac{d(T, R) - d(N, R)}{d(T, R) - d(R', R)}$$

    R and R' are disjoint samples of the reference's units, N and T of the network's and its twins'; all have half as
    many units as the reference, or as many as a smaller network has. They are drawn again for each of `n_splits`
    halvings; d are medians over these. A twin shares the network's input weights and bias
    and has random recurrent weights of its gain, so that what inputs alone do is at 0. Over networks of several seeds,
    test `difference` with `sign_flip_test`.

    Args:
        measure: a similarity, `DSA` for dynamics.
        network, reference, twins: activities at the same conditions and times.
        n_splits: halvings of the reference.
        key: random key.

    Raises:
        ValueError: if there is no twin, the reference has fewer than two units, or as the measure does.

    Example:
        >>> import jax, recirc
        >>> rates = jax.random.normal(jax.random.key(0), (4, 60, 24)).cumsum(1)
        >>> noise = recirc.Activity(rates, dt=0.01, conditions="abcd")
        >>> a, b, twin = (noise.select_units(noise.units[i::3]) for i in range(3))
        >>> found = beside_twins(recirc.compare.DSA(rank=4), a, b, [twin], n_splits=3, key=jax.random.key(1))
        >>> len(found.twins)
        1
    """
    if not len(twins) or len(reference.units) < 2:
        raise ValueError(f"got {len(twins)} twins and {len(reference.units)} units of the reference; give one and two.")
    score, random = measure(network, reference), numpy_generator(key)
    n = min(len(reference.units) // 2, *(len(side.units) for side in (network, *twins)))
    values = []

    def sample(side: Activity) -> Activity:
        return side.select_units(list(random.permutation(np.array(side.units))[:n]))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the score itself has said all there is to say
        for _ in range(n_splits):
            units = list(random.permutation(np.array(reference.units)))
            half, other = reference.select_units(units[:n]), reference.select_units(units[n : 2 * n])
            values.append([measure(side, half).value for side in (other, *map(sample, (network, *twins)))])
    halves, own, *of_twins = np.median(values, axis=0)
    identity, speed_ratio = score.parts.get("identity_angle"), score.parts.get("speed_ratio", np.nan)
    identity = np.nan if identity is None else float(identity[1])
    return BesideTwins(score, float(own), float(halves), np.array(of_twins), identity, 1 / float(speed_ratio))
