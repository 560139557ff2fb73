"""Whether two epochs use the same dimensions."""

from collections.abc import Mapping
from typing import ClassVar

import equinox as eqx
import numpy as np
from jaxtyping import Float, PRNGKeyArray

from recirc.circuits.base import numpy_generator
from recirc.compare.base import AbstractPortrait
from recirc.compare.normalization import normalized_averages, without_condition_mean
from recirc.compare.null_distribution import NullDistribution, beside
from recirc.compare.samples import check_enough_samples, principal_axes, window_steps
from recirc.types import Activity, Direction, Score

BLOCK = 500


class AlignmentIndex(AbstractPortrait):
    r"""Share of the second epoch's variance that the first epoch's dimensions can hold.

    $$A = \frac{\mathrm{tr}(W^\top C W)}{\sum_{i \le d} \sigma_i(C)}$$

    W are the d leading principal components of the first epoch, C the covariance of the second and sigma its
    singular values; both of averages over repeats, soft-normalized over all times, the mean over conditions
    subtracted. 1 means that the epochs share their dimensions, 0 that they are orthogonal. It is not
    symmetric. Two random subspaces of few units overlap a lot: read it against `random_subspaces`.

    Args:
        first, second: epochs, (start, stop) in seconds on the activity's clock.
        n_components: d, at least 1.
        soft: as in `AbstractPortrait`.

    Returns (when called): metric `alignment_index`, lower for more orthogonal; part `reversed`, the same with
    the epochs exchanged.

    Raises:
        ValueError: if `n_components` < 1; when called, if an epoch has fewer dimensions than components.

    Source: Elsayed et al. 2016 (doi 10.1038/ncomms13239) and its code.

    Example:
        >>> import jax, recirc
        >>> rates = jax.random.normal(jax.random.key(0), (8, 60, 6))
        >>> a = recirc.Activity(rates, dt=0.01, conditions="abcdefgh")
        >>> measure = recirc.compare.AlignmentIndex((0.0, 0.3), (0.3, 0.6), n_components=2, soft=None)
        >>> 0 <= measure(a).value <= 1
        True
    """

    metric: ClassVar[str] = "alignment_index"
    labels: ClassVar[Mapping[str, str]] = {"alignment_index": "alignment index"}
    direction: ClassVar[Direction] = "lower"

    first: tuple[float, float] = eqx.field(static=True)
    second: tuple[float, float] = eqx.field(static=True)
    n_components: int = eqx.field(static=True, default=4)
    soft: float | None = eqx.field(static=True, default=5.0)

    def __check_init__(self):
        if self.n_components < 1:
            raise ValueError(f"n_components must be at least 1, got {self.n_components}.")

    def __call__(self, a: Activity) -> Score:
        return self._score(*self._epochs(a))

    def _score(self, first: np.ndarray, second: np.ndarray, soft: object) -> Score:
        back = {"reversed": np.array(self._share(second, first))}
        return self.score(self._share(first, second), parts=back, settings=self.settings | {"soft": soft})

    def _epochs(self, a: Activity) -> tuple[np.ndarray, np.ndarray, object]:
        """Samples of both epochs, the mean over conditions subtracted, and the constant used."""
        found, samples = normalized_averages(a, self.soft), []
        for epoch in (self.first, self.second):
            left = without_condition_mean(found.rates[:, window_steps(a, *epoch)])
            check_enough_samples((left.shape[0] - 1) * left.shape[1], self.n_components)
            samples.append(left.reshape(-1, left.shape[2]))
        return samples[0], samples[1], found.settings["soft"]

    def _share(self, one: np.ndarray, other: np.ndarray) -> float:
        axes, _ = principal_axes(one, self.n_components)
        if axes.shape[1] < self.n_components:
            n_found, n_asked = axes.shape[1], self.n_components
            raise ValueError(
                f"an epoch has {n_found} dimensions and {n_asked} components are asked for; ask for fewer."
            )
        return float(((other @ axes) ** 2).sum() / self._most(other))

    def _most(self, samples: np.ndarray) -> float:
        """The most squared activity that any subspace of d dimensions can hold."""
        return float(principal_axes(samples, 0)[1][: self.n_components].sum())


def random_subspaces(
    portrait: AlignmentIndex, a: Activity, *, n_draws: int = 10_000, key: PRNGKeyArray
) -> NullDistribution:
    r"""The alignment index of random dimensions, drawn where the activity has its variance.

    $$W = \mathrm{orth}(U S^{1/2} G)$$

    U, S are eigenvectors and eigenvalues of the covariance of all times of `a` (normalized, the mean over
    conditions subtracted), G is Gaussian. p is of the lower tail: small if the epochs are more orthogonal
    than random dimensions of the same data; for alignment above chance read 1 - p.

    Args:
        portrait: epochs, d and normalization.
        a: the activity.
        n_draws: draws; 10 000 in the source.
        key: random key.

    Raises:
        ValueError: if `n_draws` < 1, or as the portrait does.

    Source: Elsayed et al. 2016 (doi 10.1038/ncomms13239) and its code; p counts the activity itself.

    Example:
        >>> import numpy as np
        >>> a = recirc.Activity(np.random.default_rng(0).normal(size=(8, 80, 12)), dt=0.01, conditions=range(8))
        >>> index = recirc.compare.AlignmentIndex((0.0, 0.4), (0.4, 0.8), n_components=3)
        >>> chance = random_subspaces(index, a, n_draws=50, key=jax.random.key(0))
        >>> 0 < chance.mean < 1
        True
    """
    if n_draws < 1:
        raise ValueError(f"n_draws must be at least 1, got {n_draws}.")
    first, second, soft = portrait._epochs(a)
    score = portrait._score(first, second, soft)
    whole = without_condition_mean(normalized_averages(a, portrait.soft).rates)
    axes, squares = principal_axes(whole.reshape(-1, whole.shape[2]), whole.size)
    scale = np.sqrt(squares[: axes.shape[1]])
    seen = second @ axes
    covariance, random = seen.T @ seen, numpy_generator(key)
    shape = (axes.shape[1], portrait.n_components)
    sizes = [min(BLOCK, n_draws - begun) for begun in range(0, n_draws, BLOCK)]
    held = [_held(scale[:, None] * random.normal(size=(size, *shape)), covariance) for size in sizes]
    return beside(score, np.concatenate(held) / portrait._most(second), "random_subspaces")


def _held(vectors: Float[np.ndarray, "draw unit component"], covariance: np.ndarray) -> Float[np.ndarray, " draw"]:
    """tr(W'CW) with W an orthonormal basis of every draw's vectors."""
    basis = np.linalg.qr(vectors)[0]
    return np.einsum("duc,duc->d", basis, covariance @ basis)
