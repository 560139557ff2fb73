"""Left-out directions scored, interpolated and mapped; intervals over units."""

import itertools

import jax
import numpy as np
import pytest

import recirc
from recirc import compare
from recirc.compare.base import numpy_generator

ANGLES = 2 * np.pi * np.arange(6) / 6


@pytest.fixture(scope="module")
def rates():
    random = np.random.default_rng(0)
    course = np.cumsum(random.normal(size=(2, 30, 8)), axis=1)
    tuned = np.cos(ANGLES)[:, None, None] * course[0] + np.sin(ANGLES)[:, None, None] * course[1]
    return 20 + tuned + 0.3 * random.normal(size=tuned.shape)


def recorded(rates):
    return recirc.Activity(rates, dt=0.02, conditions=[f"{angle:.3f}" for angle in ANGLES])


def covariates():
    return compare.Covariates((compare.Covariate("direction", "angle", np.rad2deg(ANGLES)),))


def test_knowing_a_units_mean_earns_nothing_and_truth_earns_everything(rates):
    truth, scale = rates[0], np.arange(1.0, 9.0)
    assert compare.left_out_r2(truth, truth, scale) == 1
    assert compare.left_out_r2(truth, np.broadcast_to(truth.mean(0), truth.shape), scale) == pytest.approx(0)
    factor = np.linspace(0.1, 3, 8)
    scaled = compare.left_out_r2(truth * factor, (truth + 1) * factor, scale * factor)
    assert scaled == pytest.approx(compare.left_out_r2(truth, truth + 1, scale))


def test_scales_know_nothing_of_the_direction_left_out(rates):
    changed = np.array(rates)
    changed[2] *= 100
    before, after = compare.left_out_scales(rates, 5.0), compare.left_out_scales(changed, 5.0)
    np.testing.assert_array_equal(before[2], after[2])
    np.testing.assert_array_equal(before[2], np.ptp(rates[[0, 1, 3, 4, 5]], axis=(0, 1)) + 5)
    assert (after[0] > before[0]).all()


def test_the_matrix_has_own_predictions_on_its_diagonal(rates):
    scales = compare.left_out_scales(rates)
    matrix = compare.r2_matrix(rates, rates[::-1], scales)
    np.testing.assert_allclose(np.diag(matrix[:, ::-1]), 1)
    for i, j in itertools.product(range(6), repeat=2):
        assert matrix[i, j] == compare.left_out_r2(rates[i], rates[5 - j], scales[i])


def test_predictions_that_fit_only_their_own_direction_are_the_best_of_all_orders():
    null = compare.shuffled_directions_null(np.eye(5))
    assert null["p"] == pytest.approx(1 / 120)
    assert null["mean"] == pytest.approx((120 - 5) / 119 / 5), "one fixed point on average"
    assert compare.shuffled_directions_null(np.zeros((5, 5)), np.median)["p"] == 1
    assert compare.shuffled_directions_null(np.eye(9))["p"] < 0.001
    alone = compare.shuffled_directions_null(np.ones((1, 1)))
    assert (alone["p"], np.isnan(alone["mean"])) == (1, True)


def test_predictions_of_other_directions_are_a_null_of_one():
    matrix = np.array([[0.9, 0.1, 0.95, np.nan], [0, np.nan, 0, 0], [0, 0, 1, 0], [np.nan, np.nan, np.nan, 1]])
    null = compare.other_directions_null(matrix, 0)
    assert null == {"kind": "other_directions", "mean": 0.525, "p95": np.percentile([0.1, 0.95], 95), "p": 2 / 3}
    assert compare.other_directions_null(matrix, 2)["p"] == 1 / 4
    assert compare.other_directions_null(matrix, 1) is None
    assert compare.other_directions_null(matrix, 3) is None


def test_interpolations_see_only_the_other_directions(rates):
    changed = np.array(rates)
    changed[2] = 0
    known, groups = covariates(), [[i] for i in range(6)]
    process = compare.Process(compare.JointGP((1.0,), 0.1, 0.1), compare.JointGP((1.0,), 0.1, 0.1, coupled=True))
    before, after = (
        compare.interpolated(
            known, each, dt=0.02, scales=compare.left_out_scales(each), groups=groups, processes=[process] * 6
        )
        for each in (rates, changed)
    )
    assert set(before) == {"cosine_tuning", "condition_mean", "gp_directions", "gp_joint", "gp_coupled", "gp"}
    rest = [0, 1, 3, 4, 5]
    made = compare.cosine_tuning(known.select(rest), rates[rest], known.select([2]))[0]
    np.testing.assert_array_equal(before["cosine_tuning"][2], made)
    np.testing.assert_allclose(before["gp"], (before["gp_joint"] + before["gp_coupled"]) / 2)
    for name in before:
        np.testing.assert_array_equal(before[name][2], after[name][2])
        assert not np.array_equal(before[name][1], after[name][1])
    own = np.diag(compare.r2_matrix(rates, before["cosine_tuning"], compare.left_out_scales(rates)))
    assert own.min() > 0.5


def test_a_direct_map_finds_units_that_others_make_up(rates):
    mixed = np.concatenate([rates, rates @ np.random.default_rng(1).normal(size=(8, 4))], axis=2)
    scales, folds = compare.left_out_scales(mixed), [(np.arange(8), np.arange(8, 12)), (np.arange(8), np.arange(8))]
    found = compare.direct_map(recorded(mixed), folds, scales, [[i] for i in range(6)])
    assert np.diag(compare.r2_matrix(mixed, found, scales)).min() > 0.99
    a = recorded(mixed)
    scaled = a.replace(rates=mixed / scales[3]).select_units(a.units[:8])
    rest = [0, 1, 2, 4, 5]
    fitted = compare.NeuronMap.fit(scaled.select(rest), a.select_units(a.units[8:]).select(rest))
    np.testing.assert_array_equal(found[3][:, 8:], fitted.predict(scaled.select([3])).rates[0])


def test_intervals_over_units_are_percentiles_of_draws(rates):
    a, key = recorded(rates), jax.random.key(3)
    measures = [compare.JPCA(2, soft=5.0), compare.ParticipationRatio()]
    found = [compare.over_units(each, a, n_units=5, n_draws=20, key=key) for each in measures]
    random, values = numpy_generator(key), {}
    apart = [compare.JPCA(2, soft=5.0, statistic=name) for name in ("ratio", "r2_skew", "r2_best")] + measures[1:]
    for _ in range(20):
        again = a.replace(rates=a.rates[:, :, random.integers(0, 8, 5)], units=None)
        for each in apart:
            values.setdefault(each.metric, []).append(each(again).value)
    assert found[0] | found[1] == {name: tuple(np.percentile(each, [2.5, 97.5])) for name, each in values.items()}


def test_units_of_both_sides_are_drawn(rates):
    a, b = recorded(rates), recorded(rates + np.random.default_rng(2).normal(size=rates.shape))
    measure, key = compare.Procrustes(), jax.random.key(0)
    (low, high), score = compare.over_units(measure, a, b, n_draws=50, key=key)["procrustes_angle"], measure(a, b).value
    assert low < high
    assert 0.5 * score < low
    same = compare.over_units(measure, a, a, n_draws=5, key=key)["procrustes_angle"]
    assert same[0] > 0.01, "one side was drawn like the other"
    assert compare.over_units(measure, a, b, n_draws=50, key=key)["procrustes_angle"] == (low, high)
    for wrong in ({"n_draws": 0}, {"n_units": 0}):
        with pytest.raises(ValueError, match="at least 1"):
            compare.over_units(measure, a, b, key=key, **wrong)
