"""How conditions hang together, and so which changes among them chance could have made."""

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from recirc.compare.samples import condition_groups
from recirc.types import Activity

LENGTHS = (0.25, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0, 8.0, 16.0)  # of the kernel, in s.d. of covariates or radians
MANY = 5  # conditions whose orders are enough for a test: 120
LOUD = 2.5
NOISES = (1e-4, 1e-3, 1e-2, 0.1, 1.0)  # its noise, over the largest eigenvalue of the rest


class ConditionStructure(NamedTuple):
    """What is known of conditions, and the changes among them that it allows.

    Args:
        kind: "ring" (directions at even steps), "uneven ring", "scattered" (other numbers), "exchangeable", "few
            exchangeable" (under `MANY`), or "named" and "few named", taken for these though nobody said so; "loud"
            before a ring or "scattered" if one condition has far more power than the others.
        n: number of conditions.
        spaces: orthonormal bases (condition, dimension) that together span all contrasts of conditions, each to be
            turned in itself; none if conditions change places instead.
        orders: all orders that conditions may take, the first their own; None for any.
        sentence: what was taken for granted.
    """

    kind: str
    n: int
    spaces: tuple[Float[np.ndarray, "condition dimension"], ...]
    orders: Int[np.ndarray, "order condition"] | None
    sentence: str

    @property
    def n_arrangements(self) -> float:
        """How many changes there are, none at all included."""
        if self.spaces:
            return 2.0 ** len(self.spaces) if all(basis.shape[1] == 1 for basis in self.spaces) else np.inf
        return float(math.factorial(self.n) if self.orders is None else len(self.orders))

    def mixing(self, random: np.random.Generator, *, shared: bool = False) -> Float[np.ndarray, "condition condition"]:
        """A change at random, as a matrix over conditions; `shared` as in `TurnedConditions`."""
        if not self.spaces:
            orders = self.orders
            return np.eye(self.n)[random.permutation(self.n) if orders is None else random.choice(orders)]
        mixing, angle, flip = (
            np.full((self.n, self.n), 1 / self.n),
            random.uniform(0, 2 * np.pi),
            random.choice([-1, 1]),
        )
        for k, basis in enumerate(self.spaces, 1):
            if shared and self.kind == "ring" and basis.shape[1] == 2:
                cosine, sine = np.cos(k * angle), np.sin(k * angle)
                turn = np.array([[cosine, -sine * flip], [sine, cosine * flip]])
            else:
                turn = haar(basis.shape[1], random)
            mixing += basis @ turn @ basis.T
        return mixing

    def mixings(self) -> Iterator[Float[np.ndarray, "condition condition"]]:
        """Every change but none at all, where they can be counted."""
        if self.spaces:
            basis = np.concatenate(self.spaces, axis=1)
            signs = itertools.islice(itertools.product((1.0, -1.0), repeat=self.n - 1), 1, None)
            return ((basis * sign) @ basis.T + 1 / self.n for sign in signs)
        orders = itertools.permutations(range(self.n)) if self.orders is None else self.orders
        return (np.eye(self.n)[list(order)] for order in itertools.islice(orders, 1, None))


def haar(n: int, random: np.random.Generator) -> Float[np.ndarray, "n n"]:
    """A random orthogonal matrix of either determinant."""
    if n == 1:
        return random.choice([-1.0, 1.0], size=(1, 1))
    q, r = np.linalg.qr(random.standard_normal((n, n)))
    return q * np.where(np.diag(r) < 0, -1.0, 1.0)


def condition_structure(a: Activity, *, exchangeable: bool = False) -> ConditionStructure:
    r"""What labels, covariates and rates of `a` tell of its conditions.

    Let K be the covariance of rates over conditions, H what takes the mean over conditions away. Rotations that commute
    with HKH leave the distribution of Gaussian rates as it is; they turn within its eigenspaces.

    - Labels, or the only numeric covariate, that are directions at even steps: K depends on the step alone, and
      eigenspaces are those of the Fourier components, of dimension two but for the alternating one.
    - Other directions, or numeric covariates: $K_{cd} = \exp(-2\sin^2(\Delta/2)/\ell^2)$ of the angle between two
      directions, or $\exp(-\Delta^2/2\ell^2)$ of the distance between z-scored covariates (of an angle its cosine and
      sine), with the length that makes the rates most likely (noise beside it changes no eigenspace). Mostly all have
      dimension one: signs.
    - Nothing known: conditions change places in any order; under `MANY` of them all contrasts are turned in one space.
      Names do not say whether neighbors are alike, and where they are 44 % of unrelated populations pass for alike. So
      this is taken for "exchangeable" if the caller says so, or if there are two conditions, and else for "named".

    Where one condition is loud (its contrast has over `LOUD` times the median power), rates are not Gaussian over
    conditions, and a turn would spread it: two loud conditions at one place then pass for likeness (11 to 15 % false
    alarms). Directions at even steps may then only turn by whole steps and be reflected, and others change places.

    Args:
        a: any activity.
        exchangeable: whether any order of the conditions is as good as another, which names cannot say.

    Raises:
        ValueError: if there are fewer than two conditions, or they have different numbers of trials.
    """
    from recirc.data.directions import condition_angles  # loads readers of files

    groups = exchangeable_groups(a)
    first, n = [group[0] for group in groups], len(groups)
    rates = np.asarray(a.rates, np.float64)[np.array(groups)].mean(1)
    columns, angles = _numeric([np.asarray(values)[first] for values in a.covariates.values()]), None
    if not exchangeable:
        angles = condition_angles(dict.fromkeys(a.conditions))
        if angles is None and len(columns) == 1 and len(np.unique(columns[0])) == n and _is_circle(columns[0]):
            angles = columns[0]
    if angles is not None:
        order = np.argsort(angles % 360)
        steps = np.diff(np.append(angles[order] % 360, angles[order[0]] % 360 + 360))
        if np.allclose(steps, 360 / n, atol=1e-3 * 360 / n):
            sentence = f"{n} directions at even steps are taken as stationary."
            if not _is_loud(rates):
                return ConditionStructure("ring", n, _fourier(order), None, sentence)
            sentence += " One is loud, so that they only turn by whole steps."
            return ConditionStructure("loud ring", n, (), _whole_steps(order), sentence)
        turn = np.deg2rad(angles[:, None] - angles[None, :])
        squares, kind, what = 4 * np.sin(turn / 2) ** 2, "uneven ring", "directions"
    elif exchangeable or not columns:
        few = "few " if n < MANY and not _is_loud(rates) else ""
        is_known = exchangeable or n == 2
        sentence = "conditions are taken as exchangeable"
        sentence += "." if is_known else (
            ", and nothing but names says so: where neighbors are alike it is wrong. Give directions or covariates, or "
            "say that they are (exchangeable=True, --exchangeable)."
        )  # fmt: skip
        kind = few + ("exchangeable" if is_known else "named")
        return ConditionStructure(kind, n, (contrasts(n),) if few else (), None, sentence)
    else:
        known = np.concatenate([_embedded(values) for values in columns], axis=1)
        squares, kind, what = ((known[:, None] - known[None, :]) ** 2).sum(2), "scattered", "conditions"
    vectors, values, noise, length = _likeliest(rates, squares)
    loud = "loud " if _is_loud(rates, (vectors**2 @ (np.maximum(values, 0.0) + noise))) else ""
    same = np.split(np.arange(n - 1), 1 + np.flatnonzero(np.diff(values) > 1e-6 * values[-1]))
    sentence = f"{n} {what} are taken as stationary, alike over a length of {length:g} (estimated)."
    return ConditionStructure(loud + kind, n, tuple(vectors[:, members] for members in same), None, sentence)


def exchangeable_groups(a: Activity) -> list[np.ndarray]:
    """Indices of the trials of every condition, of conditions that can change places.

    Raises:
        ValueError: if there are fewer than two conditions, or they have different numbers of trials.
    """
    groups = list(condition_groups(a.conditions).values())
    if len(groups) < 2 or len({len(group) for group in groups}) > 1:
        raise ValueError(
            f"conditions change places only if two or more have equally many trials; there are "
            f"{len(groups)} with {sorted({len(group) for group in groups})} trials; average repeats."
        )
    return groups


def contrasts(n: int) -> Float[np.ndarray, "condition contrast"]:
    """Orthonormal contrasts of n conditions."""
    return np.linalg.svd(np.eye(n) - 1 / n)[0][:, : n - 1]


def _fourier(order: np.ndarray) -> tuple[np.ndarray, ...]:
    """Cosine and sine of every frequency on a ring that goes through conditions in this order."""
    n = len(order)
    place = np.empty(n)
    place[order] = np.arange(n)
    waves = [np.stack([wave(2 * np.pi * k * place / n) for wave in (np.cos, np.sin)], 1) for k in range(1, n // 2 + 1)]
    if n % 2 == 0:
        waves[-1] = waves[-1][:, :1]
    return tuple(wave / np.linalg.norm(wave, axis=0) for wave in waves)


def _whole_steps(order: np.ndarray) -> np.ndarray:
    """All turns and reflections of a ring that goes through conditions in this order."""
    n = len(order)
    place = np.argsort(order)
    turns = [order[(step + way * place) % n] for way in (1, -1) for step in range(n)]
    return np.unique(turns, axis=0) if n < 3 else np.array(turns)


def _numeric(covariates: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Those that are finite numbers and differ between conditions."""
    numbers = [np.asarray(values, float) for values in covariates if values.dtype.kind in "iuf" and values.ndim == 1]
    return [values for values in numbers if np.isfinite(values).all() and np.ptp(values) > 0]


def _is_circle(values: np.ndarray) -> bool:
    """Whether numbers are angles in degrees around a whole circle: no gap is over 120, none is farther than a turn."""
    from recirc.data.directions import largest_gap  # loads readers of files

    is_turn = 240 - 1e-6 <= np.ptp(values) <= 360
    return bool(len(np.unique(values % 360)) > 2 and is_turn and largest_gap(values) <= 120 + 1e-6)


def _embedded(values: np.ndarray) -> Float[np.ndarray, "condition axis"]:
    """A covariate as coordinates: an angle as cosine and sine, another number as its z-score."""
    if _is_circle(values):
        return np.stack([np.cos(np.deg2rad(values)), np.sin(np.deg2rad(values))], axis=1) * np.sqrt(2)
    return ((values - values.mean()) / values.std())[:, None]


def _is_loud(rates: np.ndarray, expected: np.ndarray | float = 1.0) -> bool:
    """Whether one condition has far more power, over what is expected of it, than the others."""
    power = ((rates - rates.mean(0)) ** 2).sum((1, 2)) / expected
    return len(rates) > 2 and bool(power.max() > LOUD * np.median(power))


def _likeliest(rates: np.ndarray, squares: np.ndarray) -> tuple[np.ndarray, np.ndarray, float, float]:
    """The kernel that makes rates most likely: eigenvectors and eigenvalues (ascending), its noise, its length."""
    n = len(rates)
    flat, basis = (rates - rates.mean(0)).reshape(n, -1), contrasts(n)
    second_moments, best = basis.T @ (flat @ flat.T) @ basis, (-np.inf, np.eye(n - 1), np.ones(n - 1), 0.0, LENGTHS[0])
    for length in LENGTHS:
        values, vectors = np.linalg.eigh(basis.T @ np.exp(-squares / (2 * length**2)) @ basis)
        power = np.einsum("ij,ik,kj->j", vectors, second_moments, vectors)
        for noise in NOISES:
            spectrum = np.maximum(values, 0.0) + noise * values[-1]
            likelihood = -np.log(spectrum).sum() - (n - 1) * np.log(max((power / spectrum).sum(), 1e-300))
            if likelihood > best[0]:
                best = likelihood, vectors, values, noise * values[-1], length
    _, vectors, values, noise, length = best
    return basis @ vectors, values, noise, length
