"""What drives the networks of a fit: covariates, events as steps and pulses, and the user's own time courses."""

import dataclasses

import jax
import made_up
import numpy as np
import pytest

import recirc
from recirc.analyses import FitConfig, NetworkConfig
from recirc.analyses.fit_claims import INTERPOLATORS, make_claims
from recirc.analyses.fit_conditions import Tuning, choose_completion, completed
from recirc.analyses.fit_prepare import prepare
from recirc.analyses.fit_trials import event_times, make_trials, network_clock, time_courses
from recirc.compare.covariates import covariates_of
from recirc.data import Preprocessing, read_netcdf
from recirc.data.session import PreparationError, Series
from recirc.figures import draw, style
from recirc.studies.fit import _driven

TIMES = np.array([0.1, 0.2, 0.3, 0.4, 0.5])


def recording(**covariates):
    """Five conditions with an event at a time of its own in each, half of a second in the median of all."""
    rates = 5 + np.random.default_rng(0).random((5, 30, 8)) + np.linspace(0, 4, 5)[:, None, None]
    known = {"strength": TIMES, "cue_time": TIMES, **covariates}
    events = {"cue_time": 0.25, "go_cue_time": 0.0}
    return recirc.Activity(rates, dt=0.02, start=-0.1, conditions=TIMES, covariates=known, events=events)


def inputs_of(activity, config):
    known, events = covariates_of(activity, config.covariates), event_times(activity, config)
    courses = time_courses(activity, config)
    everything = np.arange(activity.n_trials)
    trials = make_trials(activity, config, np.arange(4), everything, known.encoded, events, courses)
    return np.asarray(trials.inputs), network_clock(activity.time, config)


def test_an_event_comes_when_it_comes_in_each_condition_and_lasts_as_long_as_is_said():
    config = FitConfig(covariates=("strength",), events=("cue_time", "cue_time:0.05", "go_cue_time"))
    activity = prepare(recording(), dataclasses.replace(config, n_folds=2))
    given, clock = inputs_of(activity, config)
    step, pulse, go = np.moveaxis(given[:, :, 1:], 2, 0)
    np.testing.assert_array_equal(step, clock >= TIMES[:, None] - 1e-9)
    np.testing.assert_array_equal(pulse, step - (clock >= TIMES[:, None] + 0.05 - 1e-9))
    np.testing.assert_array_equal(go, np.broadcast_to(clock >= -1e-9, go.shape))
    np.testing.assert_allclose(given[:, :, 0].std(axis=1), 0, atol=1e-12)


def test_time_courses_take_the_place_of_covariates_and_the_go_cue():
    course = np.random.default_rng(1).normal(size=(5, 30, 2))
    config = FitConfig(covariates=("strength",), inputs=("torque",), dt=0.02, n_folds=2)
    given, clock = inputs_of(prepare(recording(torque=course), config), config)
    inside = clock >= -0.1 + 0.02 - 1e-9
    np.testing.assert_allclose(given[:, inside], course / np.abs(course).max(axis=(0, 1)), atol=1e-12)
    before = np.broadcast_to(given[:, inside][:, :1], given[:, ~inside].shape)
    np.testing.assert_allclose(given[:, ~inside], before)
    assert (_driven(config), _driven(FitConfig())) == (
        "the time courses of torque",
        "the encoded covariates throughout and a go cue that stays on",
    )


def test_a_virtual_condition_gets_the_mean_of_its_parents_time_courses():
    course = np.random.default_rng(1).normal(size=(5, 30))
    config = FitConfig(covariates=("strength",), inputs=("torque",), n_folds=2)
    activity = prepare(recording(torque=course), config)
    whole = completed(activity, config, (4,), None, "none")
    np.testing.assert_array_equal(whole.courses, course[..., None])
    known = choose_completion(activity, config, Tuning((4,))).metadata["completion"]
    whole = completed(activity, config, (4,), known, "raw")
    assert whole.n_trained == 8
    between = (course[:-1] + course[1:]) / 2
    np.testing.assert_allclose(whole.courses[..., 0], np.concatenate([course[:4], between, course[4:]]))


@pytest.mark.parametrize(
    ("course", "config", "words"),
    [
        (np.ones((5, 29)), {}, "has 29 values in time .* rates have 30; bring it onto the recording's clock"),
        (TIMES, {}, "has one value in every condition"),
        (np.full((5, 30), np.nan), {}, "not finite, the first in condition 0.1"),
        (np.ones((5, 30)), {"inputs": ("force",)}, "no such time course; there are torque"),
        (np.ones((5, 30)), {"events": ("stim_time:0.1",)}, "events names 'stim_time', and there is no such event"),
    ],
)
def test_what_cannot_drive_a_network_is_refused(course, config, words):
    config = FitConfig(**{"covariates": ("strength",), "inputs": ("torque",), "n_folds": 2, **config})
    with pytest.raises(ValueError, match=words):
        prepare(recording(torque=course), config)


def test_a_pulse_needs_a_duration():
    with pytest.raises(ValueError, match="'cue_time:0' has no duration"):
        FitConfig(events=("cue_time:0",))
    assert FitConfig(events=("task:cue",)).timed_events == (("task:cue", np.inf),)


def test_a_series_of_a_session_becomes_a_time_course_of_every_condition(tmp_path):
    made = made_up.make("planted", 0)
    averages = made.preprocessing.apply(made.session, key=jax.random.key(0)).averages
    assert averages.events["first_pulse_time"] == 0
    course = averages.covariates["torque"]
    assert course.shape == (8, averages.rates.shape[1], 1)
    at = averages.time - averages.dt / 2
    interval = averages.covariates["interval"]
    pulses = np.array([((at > t) & (at < t + 0.05)).any() for t in interval])
    assert pulses.all()
    for own, t in zip(course[..., 0], interval):
        inside = (at > t + 0.01) & (at < t + 0.04) | (at > 0.01) & (at < 0.04)
        outside = (at < -0.02) | ((at > 0.07) & (at < t - 0.02)) | (at > t + 0.07)
        np.testing.assert_allclose(own[inside], 3.0, atol=1e-9)
        np.testing.assert_allclose(own[outside], 0.0, atol=1e-9)
    averages.to_xarray().to_netcdf(tmp_path / "a.nc")
    again = read_netcdf(tmp_path / "a.nc")
    np.testing.assert_array_equal(again.covariates["torque"], course)
    assert [column.name for column in covariates_of(again.replace(conditions="abcdefgh")).columns] != ["torque"]


def test_inputs_on_another_clock_are_refused_with_both_clocks():
    made = made_up.make("planted", 0)
    series = dict(made.session.series)
    series["torque"] = Series(series["torque"].values, ("0",), "newton meter", rate=200.0, start=1e6)
    late = dataclasses.replace(made.session, series=series)
    with pytest.raises(PreparationError, match=r"inputs 'torque' has no value in the window .* from 1e\+06 to .*clock"):
        made.preprocessing.apply(late, key=jax.random.key(0))
    with pytest.raises(PreparationError, match="inputs names 'force', and there is no such series"):
        Preprocessing(inputs=("force",)).apply(made.session, key=jax.random.key(0))


def test_to_be_less_wrong_than_a_bad_rival_is_no_merit():
    random = np.random.default_rng(0)
    rates = random.normal(size=(8, 20, 12))
    networks = 0.8 * random.normal(size=(3, 8, 20, 12))
    bad, mean = 3 * random.normal(size=rates.shape), np.zeros(rates.shape)
    baselines = dict.fromkeys(INTERPOLATORS, bad) | {"untrained": bad, "condition_mean": mean}
    claims = make_claims(rates, np.ones((8, 12)), networks, baselines, key=jax.random.key(0))
    assert [claim.supported for claim in claims] == [False] * 4
    good = rates + 0.3 * random.normal(size=networks.shape)
    claims = make_claims(rates, np.ones((8, 12)), good, baselines, key=jax.random.key(0))
    assert [claim.supported for claim in claims] == [True] * 4


@pytest.mark.parametrize(
    ("conditions", "called", "places"),
    [
        (["0", "90", "180", "270"], ["0°", "90°", "180°", "270°"], [0, 90, 180, 270]),
        (["0.1", "0.18", "0.26", "0.34"], ["0.1", "0.18", "0.26", "0.34"], [0, 90, 180, 270]),
        (["14.67641", "100", "200", "300"], ["14.68°", "100°", "200°", "300°"], [14.67641, 100, 200, 300]),
        (["left", "right"], ["left", "right"], [0, 180]),
    ],
)
def test_only_directions_have_a_degree_sign(conditions, called, places):
    assert style.heading(conditions) == called
    np.testing.assert_allclose(style.angles(conditions), places)


def test_a_fit_that_leaves_out_groups_is_drawn():
    course = np.random.default_rng(1).normal(size=(5, 30))
    config = FitConfig(
        covariates=("strength",), inputs=("torque",), n_folds=2, n_seeds=1, leave_out=4, completions=("none",),
        noise_factors=(), input_factors=(), penalties=(1e-3,), network=NetworkConfig(n_units=12),
        trainer=recirc.train.FullForce(n_passes=1, update_interval=0.05),
    )  # fmt: skip
    activity = recording(torque=course).replace(outputs=np.random.default_rng(2).normal(size=(5, 30, 1)))
    result = recirc.analyses.fit_recording(activity, config, key=jax.random.key(0))
    assert result.arrays.sizes["left_out"] == 4
    made = result.arrays["outputs"].values[0]
    groups = result.arrays["group"].values
    assert sorted(np.bincount(groups)) == [1, 1, 1, 2]
    shown = draw(result, "outputs")
    lines = [axes.lines[2].get_ydata() for axes in shown.axes[:5]]
    np.testing.assert_allclose(lines, [made[group, i, :, 0] for i, group in enumerate(groups)])
