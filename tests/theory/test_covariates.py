"""What is known of conditions: kinds told from columns, distances, virtual conditions, groups that are left out."""

import dataclasses

import jax
import numpy as np
import pytest

import recirc
from recirc.analyses import FitConfig, NetworkConfig, fit_recording
from recirc.analyses.fit_claims import SMALLEST_GAIN, CrossedEffect, gains
from recirc.analyses.fit_conditions import Completion, completed, known_of, left_out_groups, middle, virtual_conditions
from recirc.analyses.fit_prepare import prepare
from recirc.compare.covariates import Covariate, Covariates, covariates_of
from recirc.compare.interpolation import Process
from recirc.compare.joint_gp import JointGP
from recirc.train import FullForce


def activity(n=6, n_units=8, **columns):
    rates = np.random.default_rng(0).uniform(1, 30, (n, 9, n_units))
    return recirc.Activity(rates, dt=0.02, conditions=[f"c{i}" for i in range(n)], covariates=columns)


def circle(n):
    return Covariates((Covariate("direction", "angle", np.arange(n) * 360.0 / n),))


# Kinds


@pytest.mark.parametrize(
    ("columns", "names", "kinds"),
    [
        ({"coherence": np.linspace(-1, 1, 6)}, None, {"coherence": "number"}),
        ({"cue_angle": np.arange(6) * 60.0}, None, {"cue_angle": "angle"}),
        ({"cue_angle": np.deg2rad(np.arange(6) * 60.0)}, None, {"cue_angle": "angle"}),
        ({"cue_angle": np.arange(6.0)}, None, {"cue_angle": "number"}),
        ({"x": np.arange(6.0), "context": list("aabbcc")}, None, {"x": "number", "context": "category"}),
        ({"x": np.arange(6.0), "context": list("aabbcc")}, ("x",), {"x": "number"}),
        ({"x": np.arange(6.0), "rewarded": np.arange(6) < 3}, None, {"x": "number", "rewarded": "category"}),
        ({"same": np.ones(6)}, None, {"condition": "category"}),
        ({}, None, {"condition": "category"}),
    ],
)
def test_kinds_are_told_from_names_and_values(columns, names, kinds):
    found = covariates_of(activity(**columns), names)
    assert {column.name: column.kind for column in found.columns} == kinds


def test_labels_that_are_directions_or_numbers_are_taken_as_such():
    labelled = lambda labels: covariates_of(activity(len(labels)).replace(conditions=labels)).columns[0]  # noqa: E731
    assert labelled(["0", "90", "180", "270"])[:2] == ("direction", "angle")
    assert labelled(["-0.5", "0.1", "0.7"])[:2] == ("condition", "number")
    assert labelled(["0", "1", "2", "3"])[:2] == ("condition", "category")
    assert labelled(["left", "right"])[:2] == ("condition", "category")


@pytest.mark.parametrize(
    ("columns", "names", "message"),
    [
        ({"x": np.arange(6.0)}, ("y",), "there is no covariate 'y'; there are condition, x"),
        ({"x": np.ones(6)}, ("x",), "covariate x is 1.0 in every condition"),
        ({"x": np.r_[np.nan, np.arange(5.0)]}, None, "covariate x is not finite in 1 conditions, the first 'c0'"),
        ({"x": np.ones((6, 2))}, ("x",), "covariate x has .* values per condition"),
    ],
)
def test_columns_that_cannot_be_used_are_refused(columns, names, message):
    with pytest.raises(ValueError, match=message):
        covariates_of(activity(**columns), names)


def test_trials_of_one_condition_have_one_value():
    with pytest.raises(ValueError, match="in trials of the one condition 'a'"):
        covariates_of(activity(2, x=[1.0, 2.0]).replace(conditions=["a", "a"]))


def test_distances_are_periodic_scaled_and_equal_between_categories():
    known = covariates_of(activity(cue_angle=np.arange(6) * 60.0, x=100 * np.arange(6.0), context=list("abcabc")))
    angle, number, category = known.squares(known)
    np.testing.assert_allclose(angle[0], 4 * np.sin(np.deg2rad(np.arange(6) * 30.0)) ** 2)
    np.testing.assert_allclose(number[0], (np.arange(6) / np.arange(6).std()) ** 2)
    np.testing.assert_array_equal(category[0], [0, 1, 1, 0, 1, 1])


# The process


def test_a_process_over_several_covariates_is_that_of_the_whole_covariance():
    random = np.random.default_rng(0)
    columns = {"x": random.normal(size=7), "y": random.normal(size=7), "context": list("aabbabb")}
    known, rates = covariates_of(activity(7, **columns)), random.normal(size=(7, 9, 4))
    process, time = JointGP((0.7, 2.0, 0.8), 0.06, 0.3), 0.02 * np.arange(9)
    x, y = ((columns[name] - columns[name].mean()) / columns[name].std() for name in "xy")
    same = np.equal.outer(np.array(columns["context"]), np.array(columns["context"]))
    over = np.exp(-(np.subtract.outer(x, x) ** 2) / (2 * 0.7**2) - np.subtract.outer(y, y) ** 2 / (2 * 2.0**2))
    over = over * np.where(same, 1, np.exp(-1 / (2 * 0.8**2)))
    over_time = np.exp(-0.5 * (np.subtract.outer(time, time) / 0.06) ** 2)
    rest, mean = np.arange(6), rates[:6].mean(axis=0)
    covariance = np.kron(over[:6, :6], over_time) + 0.3 * np.eye(54)
    expected = np.kron(over[[6]][:, rest], over_time) @ np.linalg.solve(covariance, (rates[:6] - mean).reshape(54, 4))
    made = process.predict(known.select(rest), rates[:6], known.select([6]), dt=0.02)
    np.testing.assert_allclose(made, mean + expected.reshape(1, 9, 4), atol=1e-7)


def test_coupled_units_of_equal_power_are_apart_and_noise_among_them_is_shrunk():
    random, known = np.random.default_rng(0), circle(8)
    angles = np.deg2rad(known.columns[0].values)
    rates = np.stack([np.cos(angles), np.sin(angles)], axis=1)[:, None, :] * np.ones((1, 30, 1))
    apart, coupled = (JointGP((1.0,), 0.1, 0.1, c) for c in (False, True))
    halfway = middle(known, np.array([[0, 1], [3, 4]]))
    asked = known, rates, halfway
    np.testing.assert_allclose(apart.predict(*asked, dt=0.02), coupled.predict(*asked, dt=0.02), atol=1e-6)
    mixed = rates @ random.normal(size=(2, 30)) + 0.5 * random.normal(size=(8, 1, 30))
    truth = np.stack([np.cos(np.deg2rad([22.5, 157.5])), np.sin(np.deg2rad([22.5, 157.5]))], axis=1)
    signal = truth[:, None] @ np.linalg.lstsq(rates.reshape(-1, 2), mixed.reshape(-1, 30), rcond=None)[0]
    errors = [np.mean((each.predict(known, mixed, halfway, dt=0.02) - signal) ** 2) for each in (apart, coupled)]
    assert errors[1] < 0.7 * errors[0]


# Virtual conditions


@pytest.mark.parametrize("n", [4, 6, 8, 9])
def test_virtual_directions_lie_halfway_and_none_within_half_a_spacing(n):
    pairs = virtual_conditions(circle(n), [0])
    assert sorted(map(tuple, pairs)) == sorted({tuple(sorted((i, (i + 1) % n))) for i in range(n)})
    places = middle(circle(n), pairs).columns[0].values
    away = np.minimum(places, 360 - places)
    assert away.min() >= 180 / n - 1e-6


def test_virtual_conditions_far_from_all_that_is_left_out_are_made_of_one_category():
    x, y = np.meshgrid(np.arange(3.0), np.arange(3.0))
    known = covariates_of(
        activity(18, x=np.tile(x.ravel(), 2), y=np.tile(y.ravel(), 2), speed=["slow"] * 9 + ["fast"] * 9)
    )
    pairs = virtual_conditions(known, [4])
    assert (pairs[:, 0] // 9 == pairs[:, 1] // 9).all()
    places, seen = middle(known, pairs).encoded, np.delete(np.arange(18), 4)
    same = np.array([i for i in seen if i < 9])
    spacing = np.sqrt(((known.encoded[same] - known.encoded[4]) ** 2).sum(axis=1)).min()
    assert np.sqrt(((places - known.encoded[4]) ** 2).sum(axis=1)).min() >= spacing / 2 - 1e-9
    assert len(virtual_conditions(known, range(8))) < len(pairs)
    assert len(virtual_conditions(covariates_of(activity()), [0])) == 0


def test_what_networks_are_trained_on_knows_nothing_of_what_is_left_out():
    """Whatever the left-out conditions hold, recorded and virtual ones of the training set stay as they are."""
    completion = Completion(
        Process(JointGP((1.0,), 0.1, 0.1), JointGP((1.0,), 0.1, 0.1, True)), JointGP((1.0,), 0.1, 0.1)
    )
    before = activity(8).replace(conditions=[f"{45 * i}" for i in range(8)])
    before = before.replace(outputs=np.asarray(before.rates)[:, :, :2])
    rates = np.asarray(before.rates).copy()
    rates[[2, 5]] = 77.0
    after = before.replace(rates=rates, outputs=rates[:, :, :2])
    for how in ("raw", "smoothed", "none"):
        one, other = (completed(each, FitConfig(), [2, 5], completion, how) for each in (before, after))
        assert one.n_trained == (6 if how == "none" else 14)
        for name in ("rates", "outputs"):
            a, b = (np.asarray(getattr(each.activity, name)) for each in (one, other))
            np.testing.assert_array_equal(a[: one.n_trained], b[: one.n_trained])
            np.testing.assert_array_equal(
                b[one.n_trained :], rates[[2, 5]] if name == "rates" else rates[[2, 5], :, :2]
            )


# Groups


def test_conditions_are_left_out_one_by_one_in_groups_or_by_a_covariate():
    config = FitConfig()
    alone = left_out_groups(activity(x=np.arange(6.0)), config, seed=0)
    assert alone == tuple((i,) for i in range(6))
    many = left_out_groups(activity(27, x=np.arange(27.0)), config, seed=0)
    assert len(many) == 8
    assert sorted(place for group in many for place in group) == list(range(27))
    assert {len(group) for group in many} == {3, 4}
    by_value = dataclasses.replace(config, leave_out_by="block")
    groups = left_out_groups(activity(8, x=np.arange(8.0), block=[1, 1, 2, 2, 3, 3, 4, 4]), by_value, seed=0)
    assert groups == ((0, 1), (2, 3), (4, 5), (6, 7))
    for changes, columns, message in (
        ({"leave_out_by": "block"}, {}, "leave_out_by names 'block'"),
        ({"leave_out": 2}, {}, "2 groups of conditions to leave out, by 2, and a fit needs 4"),
        ({}, {"context": list("abbbbb")}, "without c0 no condition has context a"),
    ):
        with pytest.raises(ValueError, match=message):
            left_out_groups(activity(x=np.arange(6.0), **columns), dataclasses.replace(config, **changes), seed=0)
    with pytest.raises(ValueError, match="events names 'cue', and there is no such event; there are none"):
        prepare(activity(x=np.arange(6.0)), dataclasses.replace(config, events=("cue",)))
    with pytest.raises(ValueError, match="513 conditions, more than the 512"):
        prepare(activity(513, x=np.arange(513.0)), config)


def test_names_alone_are_split_by_trials_and_repeats_never_are():
    labels = ["left", "right"] * 8
    single = recirc.Activity(np.random.default_rng(0).uniform(1, 9, (16, 9, 8)), dt=0.02, conditions=labels)
    ready = prepare(single, FitConfig())
    assert ready.conditions == tuple(f"{side}, trials {i}" for side in ("left", "right") for i in range(1, 5))
    np.testing.assert_allclose(ready.rates[0], np.asarray(single.rates)[[0, 8]].mean(axis=0))
    assert ready.trial_counts == (2,) * 8
    assert left_out_groups(ready, FitConfig(), seed=0) == ((0, 4), (1, 5), (2, 6), (3, 7))
    (column,) = known_of(ready, FitConfig()).columns
    assert (column.kind, column.levels) == ("category", ("left", "right"))
    with pytest.raises(ValueError, match=r"'left' with 3 trials.*or give single trials, 4 or more of each"):
        prepare(single.select(np.arange(6)), FitConfig())


def test_a_fit_of_named_conditions_predicts_unseen_units_in_left_out_trials():
    """Two names and four folds of trials: what trials of the same name had is the best guess; networks make it too."""
    random, time = np.random.default_rng(0), np.linspace(-2, 2, 30)[:, None]
    course = 10 + 8 * np.exp(-((time - random.uniform(-1, 1, (2, 1, 12))) ** 2))
    labels = np.array(["left", "right"] * 8)
    rates = course[(labels == "right").astype(int)] + random.normal(size=(16, 30, 12))
    single = recirc.Activity(np.maximum(rates, 0), dt=0.02, conditions=labels)
    config = FitConfig(
        network=NetworkConfig(n_units=60), n_folds=2, n_seeds=1, completions=("raw",), noise_factors=(),
        input_factors=(), penalties=(1e-3,), trainer=FullForce(0.5, 0.1, 0.3, 0.25, 0.05, n_passes=5),
    )  # fmt: skip
    result = fit_recording(single, config, key=jax.random.key(0))
    (row,) = (r for r in result.rows if r.condition.get("statistic") == "mean")
    assert row.value > 0.75 * row.ceiling
    assert row.baselines["cosine_tuning"] == pytest.approx(row.baselines["gp"], abs=0.05)
    assert row.baselines["cosine_tuning"] > row.baselines["condition_mean"] + 0.05
    assert [len(group) for group in result.about["groups"]] == [2] * 4


# Claims


def test_gains_are_differences_of_r2_and_their_error_is_that_of_new_draws():
    """Over recordings of other units and other networks, the error that one recording tells is about the spread."""

    def draw(seed, n_units=30, n_seeds=4):
        random = np.random.default_rng(seed)
        rates = 10 + 3 * random.normal(size=(8, 20, n_units))
        shared, own = random.normal(size=(8, 20, n_units)), random.normal(size=(n_seeds, 8, 20, n_units))
        networks = rates + 1.0 * shared + 1.0 * own + 0.5 * random.normal(size=(8, 1, 1))
        values, extra = gains(rates, np.ones((8, n_units)), networks, rates + 1.2 * random.normal(size=rates.shape))
        return values.mean(), CrossedEffect("", values, SMALLEST_GAIN, shared=extra).error(len(values))

    means, errors = np.array([draw(seed) for seed in range(60)]).T
    assert means.std(ddof=1) < np.median(errors) < 2.5 * means.std(ddof=1)


def test_power_and_needed_conditions_are_those_of_simulated_ones():
    random, key = np.random.default_rng(0), jax.random.key(0)
    draw = lambda n, mean: CrossedEffect("", random.normal(mean, 0.03, n), SMALLEST_GAIN)  # noqa: E731
    typical = CrossedEffect("", 0.03 * np.array([-1, 1] * 6) * np.sqrt(11 / 12), SMALLEST_GAIN)
    found = np.mean([draw(12, SMALLEST_GAIN).p(0.0, "greater", key) <= 0.05 for _ in range(2000)])
    assert typical.power(0.05) == pytest.approx(found, abs=0.04)
    n = typical.needs(0.05)
    assert n is not None
    assert np.mean([draw(n, SMALLEST_GAIN).p(0.0, "greater", key) <= 0.05 for _ in range(2000)]) == pytest.approx(
        0.8, abs=0.04
    )
    nothing = [draw(8, 0.0).p(0.0, "greater", key) <= 0.05 for _ in range(2000)]
    assert np.mean(nothing) == pytest.approx(0.05, abs=0.02)


def test_a_gain_is_that_of_the_mean_of_networks():
    random = np.random.default_rng(0)
    rates, networks, rival = (random.normal(size=shape) for shape in ((4, 9, 5), (3, 4, 9, 5), (4, 9, 5)))
    scales = np.where(np.arange(5) == 4, np.inf, 2.0) * np.ones((4, 1))
    found, _ = gains(rates, scales, networks, rival)
    score = lambda made: [recirc.compare.left_out_r2(*each) for each in zip(rates, made, scales)]  # noqa: E731
    np.testing.assert_allclose(found, np.subtract(score(networks.mean(axis=0)), score(rival)))
    lost = networks.copy()
    lost[1, 2] = np.nan
    assert np.isfinite(gains(rates, scales, lost, rival)[0]).all()
    lost[:, 2] = np.nan
    assert len(gains(rates, scales, lost, rival)[0]) == 3


# Several sessions


def test_sessions_stand_side_by_side_in_the_conditions_that_they_share():
    a = recirc.Activity(np.random.default_rng(0).uniform(1, 9, (3, 9, 2)), dt=0.02, conditions=["0", "90", "180"])
    b = a.select([2, 0]).replace(conditions=["-180", "0"], outputs=np.ones((2, 9, 1)))
    both = recirc.data.side_by_side({"a": a, "b": b})
    assert both.units == ("a/0", "a/1", "b/0", "b/1")
    assert both.conditions == ("0", "180")
    np.testing.assert_array_equal(both.rates[:, :, 2:], both.rates[:, :, :2])
    assert both.outputs is None
    assert [note for note in both.notes if "left out" in note] == [
        "1 conditions of a are left out, which another session lacks.",
        "Behavior is left out, since sessions have different outputs.",
    ]
    with pytest.raises(ValueError, match=r"b runs from 0.04 .* prepare them with one window"):
        recirc.data.side_by_side({"a": a, "b": b.replace(start=0.02)})
    with pytest.raises(ValueError, match="0 conditions in common"):
        recirc.data.side_by_side({"a": a, "b": b.replace(conditions=["10", "20"])})
    with pytest.raises(ValueError, match="b has several trials of a condition"):
        recirc.data.side_by_side({"a": a, "b": b.replace(conditions=["0", "0"])})
