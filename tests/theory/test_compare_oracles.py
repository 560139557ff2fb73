"""Every similarity against another way to the same number: scikit-learn, SciPy, or the formula written out."""

import itertools

import jax
import numpy as np
import pytest
import scipy.linalg
import scipy.optimize
import scipy.spatial
import scipy.stats
from sklearn.cross_decomposition import CCA
from sklearn.decomposition import PCA
from sklearn.linear_model import Ridge
from sklearn.metrics import mean_squared_error, r2_score
from sklearn.metrics.pairwise import paired_distances
from sklearn.model_selection import LeaveOneGroupOut
from sklearn.preprocessing import StandardScaler

import recirc
from recirc import compare

N_CONDITIONS, N_STEPS = 6, 60


def flat(values):
    return np.asarray(values).reshape(-1, values.shape[2])


def centered(a):
    return flat(a.rates) - flat(a.rates).mean(axis=0)


def activity(seed, n_units=7):
    """Three signals that are partly shared, in noise, and outputs that are mostly shared."""
    random, shared = np.random.default_rng(seed), np.random.default_rng(99)
    steps = shared.normal(size=(N_CONDITIONS, N_STEPS, 3)) + 0.7 * random.normal(size=(N_CONDITIONS, N_STEPS, 3))
    course = np.cumsum(steps, axis=1)
    rates = course @ random.normal(size=(3, n_units)) + 2 * random.normal(size=(N_CONDITIONS, N_STEPS, n_units))
    outputs = shared.normal(size=(N_CONDITIONS, N_STEPS, 4)) + 3 + 0.3 * random.normal(size=(N_CONDITIONS, N_STEPS, 4))
    return recirc.Activity(rates, dt=0.01, conditions="abcdef", outputs=outputs)


def correlations(a, b, n_components):
    """Cosines of the principal angles between the spans of principal components."""
    scores = [PCA(n_components, svd_solver="full").fit_transform(centered(side)) for side in (a, b)]
    return np.sort(np.cos(scipy.linalg.subspace_angles(*scores)))[::-1]


def svcca(a, b):
    return correlations(a, b, 5).mean()


def svcca_per_condition(a, b):
    return np.mean([svcca(a.select([i]), b.select([i])) for i in range(N_CONDITIONS)])


def linear_cka(a, b):
    """Normalized Hilbert-Schmidt independence of the centered kernels, sample by sample."""
    center = np.eye(N_CONDITIONS * N_STEPS) - 1 / (N_CONDITIONS * N_STEPS)
    k, other = (center @ flat(side.rates) @ flat(side.rates).T @ center for side in (a, b))
    return np.trace(k @ other) / np.sqrt(np.trace(k @ k) * np.trace(other @ other))


def debiased_cka(a, b):
    """Squared inner products, pair of units by pair of units."""
    x, y = centered(a).T, centered(b).T
    pairs = [itertools.product(x, y), itertools.permutations(x, 2), itertools.permutations(y, 2)]
    between, within_a, within_b = (np.mean([np.dot(*pair) ** 2 for pair in each]) for each in pairs)
    return between / np.sqrt(within_a * within_b)


def soft_matching_distance(a, b):
    """Units repeated until both sides have equally many, paired one to one."""
    x, y = ((side / np.sqrt(np.mean(np.sum(side**2, axis=0)))).T for side in map(centered, (a, b)))
    n = np.lcm(len(x), len(y))
    costs = scipy.spatial.distance.cdist(np.repeat(x, n // len(x), axis=0), np.repeat(y, n // len(y), axis=0)) ** 2
    return np.sqrt(costs[scipy.optimize.linear_sum_assignment(costs)].mean())


def procrustes_angle(a, b):
    """From the disparity of unit shapes after rotation and the best scale, 1 - cos²."""
    x, y = centered(a), centered(b)
    y = np.pad(y, ((0, 0), (0, x.shape[1] - y.shape[1])))
    return np.arccos(np.sqrt(1 - scipy.spatial.procrustes(x, y)[2]))


def left_out(a, b):
    """Samples of both sides: all conditions but one, and that one, the means of the others removed."""
    x, y, groups = flat(a.rates), flat(b.rates), np.repeat(np.arange(N_CONDITIONS), N_STEPS)
    for train, test in LeaveOneGroupOut().split(x, y, groups):
        scalers = [StandardScaler(with_std=False).fit(side[train]) for side in (x, y)]
        yield [(scaler.transform(side[train]), scaler.transform(side[test])) for scaler, side in zip(scalers, (x, y))]


def procrustes_angle_crossfit(a, b):
    """The rotation of others is SciPy's, the smaller side padded; the angle is one over all conditions."""
    pairs = []
    for (x_train, x), (y_train, y) in left_out(a, b):
        y_train, y = (np.pad(side, ((0, 0), (0, x.shape[1] - y.shape[1]))) for side in (y_train, y))
        pairs.append((x, y @ scipy.linalg.orthogonal_procrustes(y_train, x_train)[0]))
    x, y = (np.concatenate(side).ravel() for side in zip(*pairs))
    return np.arccos(1 - scipy.spatial.distance.cosine(x, y))


def cca_crossfit(a, b, n_components, n_averaged):
    """Canonical weights as generalized eigenvectors of the covariance of both sides' components."""
    variates = []
    for sides in left_out(a, b):
        components = [PCA(n_components, svd_solver="full").fit(train) for train, _ in sides]
        (x_train, x), (y_train, y) = [[pca.transform(side) for side in pair] for pca, pair in zip(components, sides)]
        xx, yy, xy = x_train.T @ x_train, y_train.T @ y_train, x_train.T @ y_train
        zero = np.zeros_like(xy)
        weights = scipy.linalg.eigh(np.block([[zero, xy], [xy.T, zero]]), scipy.linalg.block_diag(xx, yy))[1]
        weights = weights[:, ::-1][:, :n_averaged]
        variates.append((x @ weights[:n_components], y @ weights[n_components:]))
    u, v = (np.concatenate(side) for side in zip(*variates))
    return np.mean([1 - scipy.spatial.distance.cosine(*pair) for pair in zip(u.T, v.T)])


def dynamics(a):
    """The matrix that takes whitened delay vectors of two components one step on, by ridge."""
    leading = PCA(2, svd_solver="full").fit_transform(centered(a)).reshape(N_CONDITIONS, N_STEPS, 2)
    delayed = np.concatenate([leading[:, :-1], leading[:, 1:]], axis=2)
    states = PCA(2, svd_solver="full").fit_transform(flat(delayed))
    states = (states / states.std(axis=0)).reshape(N_CONDITIONS, N_STEPS - 1, 2)
    now, following = flat(states[:, :-1]), flat(states[:, 1:])
    return Ridge(1e-3 * len(now), fit_intercept=False, solver="svd").fit(now, following).coef_


def dsa(a, b):
    return least_angle(dynamics(a), dynamics(b))


def least_angle(*matrices):
    """The least angle over all rotations and reflections of the plane, from a grid and a search around its best."""
    of_a, of_b = (matrix / np.linalg.norm(matrix) for matrix in matrices)

    def angle(turn, sign):
        c = np.array([[np.cos(turn), -sign * np.sin(turn)], [np.sin(turn), sign * np.cos(turn)]])
        return np.arccos(np.clip(np.sum(of_a * (c @ of_b @ c.T)), -1, 1))

    grid = np.linspace(0, 2 * np.pi, 721)
    _, best, sign = min((angle(turn, sign), turn, sign) for turn in grid for sign in (1, -1))
    return scipy.optimize.minimize_scalar(
        angle, args=(sign,), bounds=(best - 0.01, best + 0.01), method="bounded", options={"xatol": 1e-10}
    ).fun


def endpoint_error(a, b):
    ends = [np.asarray(side.outputs)[:, -10:, 2:].mean(axis=1) for side in (a, b)]
    return paired_distances(*ends).mean()


def debiased_bures(a, b):
    """From kernels instead of singular values, over the halves that `DebiasedBures` names, unit by unit."""

    def similarity(x, y):
        kernels = [np.real(scipy.linalg.sqrtm(side @ side.T + 1e-13 * np.eye(len(side)))) for side in (x, y)]
        return np.linalg.norm(kernels[0] @ kernels[1], "nuc") / np.linalg.norm(x) / np.linalg.norm(y)

    def halvings(x):
        ranked = x[:, np.argsort(-x.var(axis=0))]
        quarters = [ranked[:, i::4] for i in range(4)]
        for first, second in (((0, 3), (1, 2)), ((0, 1), (2, 3)), ((0, 2), (1, 3))):
            yield [np.hstack([quarters[i] for i in half]) for half in (first, second)]

    x, y = centered(a), centered(b)
    pairs = zip(halvings(x), halvings(y))
    halved = np.mean([similarity(p, q) for of_x, of_y in pairs for p in of_x for q in of_y])
    return 2 * similarity(x, y) - halved


ORACLES = [
    (compare.SVCCA(), svcca),
    (compare.SVCCA(per_condition=True), svcca_per_condition),
    (compare.LinearCKA(), linear_cka),
    (compare.DebiasedCKA(), debiased_cka),
    (compare.DebiasedBures(), debiased_bures),
    (compare.SoftMatching(), soft_matching_distance),
    (compare.Procrustes(), procrustes_angle),
    (compare.ProcrustesCrossfit(), procrustes_angle_crossfit),
    (compare.CCACrossfit(6, 2), lambda a, b: cca_crossfit(a, b, 6, 2)),
    (compare.CCA(6, 4), lambda a, b: correlations(a, b, 6)[:4].mean()),
    (compare.DSA(n_components=2, n_delays=2, rank=2), dsa),
    (
        compare.OutputNMSE(),
        lambda a, b: mean_squared_error(flat(b.outputs), flat(a.outputs)) / np.mean(flat(b.outputs) ** 2),
    ),
    (compare.OutputR2(), lambda a, b: r2_score(flat(b.outputs), flat(a.outputs), multioutput="variance_weighted")),
    (
        compare.OutputR2(((0,), (1,), (2,), (3,))),
        lambda a, b: r2_score(flat(b.outputs), flat(a.outputs), multioutput="raw_values").min(),
    ),
    (compare.ReachError(), endpoint_error),
]


@pytest.mark.parametrize(("measure", "oracle"), ORACLES, ids=[repr(measure) for measure, _ in ORACLES])
@pytest.mark.parametrize("seed", range(3))
def test_similarity_is_what_another_way_gives(measure, oracle, seed):
    a, b = activity(2 * seed), activity(2 * seed + 1, n_units=6)
    value = measure(a, b).value
    assert abs(value - oracle(a, b)) < 1e-7
    assert abs(value - measure(a, a).value) > 1e-3


def test_every_exported_similarity_has_another_way():
    assert {type(measure) for measure, _ in ORACLES} == set(compare.family(compare.AbstractSimilarity))


def driven_dynamics(a, trials):
    """State and input matrices by scikit-learn's ridge."""
    states = PCA(2, svd_solver="full").fit_transform(flat(a.rates)).reshape(N_CONDITIONS, N_STEPS, 2)
    states /= np.sqrt(np.mean(states**2))
    inputs, scales = np.asarray(trials.inputs)[:, 1:], np.asarray(trials.inputs)[:, 1:].std(axis=(0, 1))
    now = flat(np.concatenate([states[:, :-1], inputs / scales], axis=2))
    found = Ridge(alpha=1e-3 * len(now)).fit(now, flat(states[:, 1:])).coef_
    return found[:, :2], found[:, 2:] / scales


@pytest.mark.parametrize("seed", range(3))
def test_input_dsa_is_what_another_way_gives(seed):
    """State matrices over all rotations of the plane; input matrices by the nuclear norm of their product."""
    random, sides = np.random.default_rng(seed), [activity(2 * seed), activity(2 * seed + 1, n_units=6)]
    inputs = [random.normal(size=(N_CONDITIONS, N_STEPS, 2)) * [1.0, 5.0] for _ in sides]
    trials = [recirc.Trials(each, each, dt=0.01, conditions="abcdef") for each in inputs]
    found = compare.InputDSA(n_components=2, rank=2)(*sides, *trials)
    (one, into_one), (other, into_other) = map(driven_dynamics, sides, trials)
    assert abs(found.value - least_angle(one, other)) < 1e-7
    cosine = np.linalg.norm(into_one @ into_other.T, "nuc") / np.linalg.norm(into_one) / np.linalg.norm(into_other)
    assert abs(float(found.parts["input_angle"]) - np.arccos(cosine)) < 1e-7


def test_canonical_correlations_are_those_of_an_iterative_search():
    a, b = activity(0), activity(1)
    x, y = (PCA(3, svd_solver="full").fit_transform(centered(side)) for side in (a, b))
    u, v = CCA(3, max_iter=5000, tol=1e-14).fit_transform(x, y)
    score = compare.SVCCA(3)(a, b)
    np.testing.assert_allclose(
        score.parts["correlation"], [np.corrcoef(*pair)[0, 1] for pair in zip(u.T, v.T)], atol=1e-5
    )
    kept = [PCA(3).fit(centered(side)).explained_variance_ratio_.sum() for side in (a, b)]
    np.testing.assert_allclose(score.parts["variance_kept"], kept, atol=1e-10)


def test_map_to_neurons_is_ridge_with_the_penalty_of_leave_one_condition_out():
    network, neurons = activity(0, 12), activity(1, 5)
    neurons = neurons.replace(rates=neurons.rates + 8 * np.random.default_rng(5).normal(size=neurons.rates.shape))
    penalties = (1e-4, 1e-2, 3e-2, 1e-1, 1.0, 10.0)
    fitted = compare.NeuronMap.fit(network, neurons, penalties=penalties)
    x, y, groups = flat(network.rates), flat(neurons.rates), np.repeat(np.arange(N_CONDITIONS), N_STEPS)

    def ridge(rows, penalty):
        spread = np.sum((x[rows] - x[rows].mean(axis=0)) ** 2)
        return Ridge(penalty * spread / x.shape[1], solver="svd").fit(x[rows], y[rows])

    errors = [
        sum(
            np.sum((ridge(train, penalty).predict(x[test]) - y[test]) ** 2)
            for train, test in LeaveOneGroupOut().split(x, y, groups)
        )
        for penalty in penalties
    ]
    assert 0 < int(np.argmin(errors)) < len(penalties) - 1
    assert fitted.penalty == penalties[int(np.argmin(errors))]
    predicted = ridge(np.arange(len(x)), fitted.penalty).predict(x)
    np.testing.assert_allclose(flat(fitted.predict(network).rates), predicted, atol=1e-9)
    score = fitted.score(network, neurons)
    assert score.value == pytest.approx(r2_score(y, predicted, multioutput="variance_weighted"))
    np.testing.assert_allclose(score.parts["per_unit"], r2_score(y, predicted, multioutput="raw_values"))


@pytest.mark.parametrize("alternative", ["two-sided", "greater", "less"])
def test_the_sign_flip_test_is_the_permutation_test_of_pairs(alternative):
    a, b = np.random.default_rng(0).normal([[0.6], [0.0]], size=(2, 9))
    expected = scipy.stats.permutation_test(
        (a, b), lambda one, other, axis: np.mean(one - other, axis=axis), permutation_type="samples",
        alternative=alternative, n_resamples=np.inf,
    )  # fmt: skip
    found = compare.sign_flip_test(a - b, alternative=alternative, key=jax.random.key(0))
    assert found == pytest.approx(expected.pvalue)
