"""The rotation or reflection under which one square matrix is most like another."""

import numpy as np
from jaxtyping import Float

_N_ASCENTS, _MOMENTUM = 40, 0.9
_N_REFINED, _N_NEWTON = 8, 60


def best_orthogonal_map(
    a: Float[np.ndarray, "rank rank"], b: Float[np.ndarray, "rank rank"], *, n_starts: int = 32
) -> Float[np.ndarray, "rank rank"]:
    r"""The orthogonal C (of either determinant) that makes C B C' most like A.

    $$\max_{C^\top C = I} \mathrm{tr}(A^\top C B C^\top)$$

    Both matrices are taken without their trace part, which C does not touch and which hides the rest where dynamics are
    slow. Starts are one that pairs the eigenvectors of the symmetric parts (exact where B is a rotated A), and random
    ones, the same in every call. All ascend by C <- polar(A C B' + A' C B + k C) with momentum, k = |A| |B| (2-norms);
    the best eight are finished by Newton's method on the group. There are local maxima: each random start found the
    best one in a third to a half of the cases at rank 10, and more starts make a miss rarer.

    Args:
        a, b: A and B.
        n_starts: random starts.
    """
    identity = np.eye(len(a))
    a, b = (matrix - identity * np.trace(matrix) / len(a) for matrix in (a, b))
    norms = np.linalg.norm(a), np.linalg.norm(b)
    if len(a) == 1 or min(norms) < 1e-14:
        return identity
    a, b = a / norms[0], b / norms[1]
    maps = np.concatenate([_paired_eigenvectors(a, b)[None], _random_maps(n_starts, len(a))])
    maps = _ascend(a, b, maps)
    leading = maps[np.argsort(-_likeness(a, b, maps), kind="stable")[:_N_REFINED]]
    refined = _newton(a, b, leading)
    return refined[np.argmax(_likeness(a, b, refined))]


def _likeness(a: np.ndarray, b: np.ndarray, maps: np.ndarray) -> np.ndarray:
    return np.sum(a * (maps @ b @ maps.mT), axis=(1, 2))


def _random_maps(n_maps: int, rank: int) -> np.ndarray:
    """Uniform on the orthogonal group."""
    q, r = np.linalg.qr(np.random.default_rng(0).standard_normal((n_maps, rank, rank)))
    return q * np.sign(np.diagonal(r, axis1=1, axis2=2))[:, None, :]


def _paired_eigenvectors(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Eigenvectors of the symmetric parts, in order; their signs from the leading eigenvector of agreement."""
    (_, of_a), (_, of_b) = (np.linalg.eigh((matrix + matrix.T) / 2) for matrix in (a, b))
    agreement = (of_a.T @ a @ of_a) * (of_b.T @ b @ of_b)
    np.fill_diagonal(agreement, 0.0)
    leading = np.linalg.eigh((agreement + agreement.T) / 2)[1][:, -1]
    return (of_a * np.where(leading < 0, -1.0, 1.0)) @ of_b.T


def _ascend(a: np.ndarray, b: np.ndarray, maps: np.ndarray) -> np.ndarray:
    convex = np.linalg.norm(a, 2) * np.linalg.norm(b, 2)
    before = maps
    for step in range(_N_ASCENTS):
        ahead = maps + _MOMENTUM * step / (step + 3) * (maps - before)
        left, _, right = np.linalg.svd(a @ ahead @ b.T + a.T @ ahead @ b + convex * ahead)
        before, maps = maps, left @ right
    return maps


def _newton(a: np.ndarray, b: np.ndarray, maps: np.ndarray) -> np.ndarray:
    """Ascend along exp(X) C with Newton's X, curvatures made negative, until the gradient is rounding."""
    generators = _generators(len(a))
    by_a = (a.T @ generators - generators @ a.T).reshape(len(generators), -1)
    maps, moving = maps.copy(), np.arange(len(maps))
    for _ in range(_N_NEWTON):
        now = maps[moving]
        turned = now @ b @ now.mT
        gradient = np.sum(generators * (turned @ a.T - a.T @ turned).mT[:, None], axis=(2, 3))
        is_steep = np.abs(gradient).max(axis=1) > 1e-13
        moving, now, turned, gradient = (side[is_steep] for side in (moving, now, turned, gradient))
        if not len(moving):
            break
        by_b = generators @ turned[:, None] - turned[:, None] @ generators
        hessian = by_b.mT.reshape(*by_b.shape[:2], -1) @ by_a.T
        curvature, directions = np.linalg.eigh((hessian + hessian.mT) / 2)
        along = (directions.mT @ gradient[:, :, None]) / np.maximum(np.abs(curvature), 1e-4)[:, :, None]
        step = (directions @ along)[:, :, 0]
        step *= np.minimum(1.0, 0.5 / np.linalg.norm(step, axis=1))[:, None]
        maps[moving] = _halving(a, b, now, np.tensordot(step, generators, 1))
    return maps


def _halving(a: np.ndarray, b: np.ndarray, maps: np.ndarray, step: np.ndarray) -> np.ndarray:
    """Cayley's rational form of exp(step) C, the step quartered where the likeness would fall."""
    identity, maps, least = np.eye(len(a)), maps.copy(), _likeness(a, b, maps) - 1e-15
    todo = np.arange(len(maps))
    for _ in range(12):
        half = step[todo] / 2
        moved = np.linalg.solve(identity - half, identity + half) @ maps[todo]
        rises = _likeness(a, b, moved) >= least[todo]
        maps[todo[rises]] = moved[rises]
        todo = todo[~rises]
        if not len(todo):
            break
        step[todo] /= 4
    return maps


def _generators(rank: int) -> np.ndarray:
    """A basis of skew-symmetric matrices."""
    first, second = np.triu_indices(rank, 1)
    basis = np.zeros((len(first), rank, rank))
    basis[np.arange(len(first)), first, second] = 1.0
    return basis - basis.mT
