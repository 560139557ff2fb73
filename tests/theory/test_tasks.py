"""Known answers of the tasks."""

import jax
import numpy as np
import pytest
from scipy.signal import find_peaks

from recirc.tasks import CenterOutReach, Oscillation, ReadySetGo


def test_reach_goes_the_way_its_label_says_with_unit_peak_halfway(key):
    trials = CenterOutReach(peak_speed=2.0).trials(8, key=key)
    velocity = np.asarray(trials.targets)
    path = velocity.sum(axis=1) * trials.dt
    angle = np.rad2deg(np.arctan2(path[:, 1], path[:, 0])) % 360
    np.testing.assert_allclose(angle, [float(label) for label in trials.conditions], atol=1e-9)
    speed = np.linalg.norm(velocity, axis=2)
    np.testing.assert_allclose(speed.max(axis=1), 2.0)
    np.testing.assert_allclose(trials.time[speed.argmax(axis=1)], 0.05 + 0.25)
    assert not velocity[:, :50].any()


def test_reach_distance_is_the_integral_of_the_minimum_jerk_profile(key):
    task = CenterOutReach(movement=1.0)
    path = np.linalg.norm(np.asarray(task.trials(1, key=key).targets[0]), axis=1).sum() * task.dt
    np.testing.assert_allclose(path, 16 / 30, rtol=1e-6)


def test_pulse_shows_the_direction_in_preparation_only_and_held_throughout(key):
    pulsed = np.asarray(CenterOutReach(go_cue=True, amplitude=3.0).trials(8, key=key).inputs)
    held = np.asarray(CenterOutReach(go_cue=True, amplitude=3.0, pulse=False).trials(8, key=key).inputs)
    np.testing.assert_allclose(np.linalg.norm(pulsed[:, :50, :2], axis=2), 3.0)
    assert not pulsed[:, 50:, :2].any()
    np.testing.assert_array_equal(held[:, :, :2], np.broadcast_to(pulsed[:, :1, :2], held[:, :, :2].shape))
    np.testing.assert_array_equal(pulsed[:, :, 2], np.broadcast_to(np.arange(550)[None, :] >= 50, (8, 550)))


@pytest.mark.parametrize("angles", [range(0, 360, 45), (0, 90, 100, 350), (10, 190)])
def test_between_is_as_far_from_both_neighbors_and_new(angles):
    task = CenterOutReach(angles=angles)
    old, new = np.sort(task.angles), np.sort(task.between().angles)

    def gap(a, b):
        return np.abs((a - b + 180) % 360 - 180)

    nearest = np.sort(gap(new[:, None], old[None, :]), axis=1)
    assert len(new) == len(old)
    np.testing.assert_allclose(nearest[:, 0], nearest[:, 1])
    assert nearest.min() > 0


def test_equal_angles_have_equal_labels_and_are_refused_twice(key):
    assert CenterOutReach(angles=(-90, 360)).trials(2, key=key).conditions == ("270", "0")
    assert CenterOutReach().between().trials(1, key=key).conditions == ("22.5",)
    with pytest.raises(ValueError, match="repeat"):
        CenterOutReach(angles=(0, 360))


def test_von_mises_peaks_at_the_bump_of_its_direction_and_turning_the_angle_shifts_the_bumps():
    task = CenterOutReach(encoding="von_mises", n_bumps=8)
    code = task.encode(task.angles)
    np.testing.assert_allclose(np.diag(code), 1.0)
    np.testing.assert_allclose(code[1], np.roll(code[0], 1))
    assert code.shape == (8, 8)
    assert task.replace(go_cue=True).trials(1, key=jax.random.key(0)).inputs.shape[2] == 9


def test_one_hot_refuses_directions_it_has_no_channel_for():
    task = CenterOutReach(encoding="one_hot")
    np.testing.assert_array_equal(task.encode([405.0])[0], np.eye(8)[1])
    with pytest.raises(ValueError, match=r"no channel for 22\.5"):
        task.between()


@pytest.mark.parametrize(
    "wrong",
    [
        {"encoding": "cosin"},
        {"angles": ()},
        {"angles": (np.nan,)},
        {"movement": 0.0},
        {"preparation": 0.0505},
        {"dt": -0.001},
        {"n_bumps": 0},
    ],
)
def test_reach_refuses_wrong_fields(wrong):
    with pytest.raises(ValueError, match=r"encoding|angles|multiple|positive|n_bumps must be at least 1"):
        CenterOutReach(**wrong)


def test_oscillation_frequency_rises_threefold_and_falls_and_makes_six_cycles(key):
    """A cycle lasts one over its mean frequency, which is that of its middle where frequency is linear."""
    task = Oscillation(dt=1e-4)
    target = np.asarray(task.trials(1, key=key).targets[0, :, 0])
    time = (np.arange(target.size) + 1) * task.dt
    peaks = time[find_peaks(target, height=0.99)[0]]
    assert len(peaks) == 6
    middle = (peaks[1:] + peaks[:-1]) / 2
    frequency = np.where(middle < 1, 1.5 + 3 * middle, 7.5 - 3 * middle)
    straight = [0, 1, 3, 4]
    np.testing.assert_allclose(1 / np.diff(peaks)[straight], frequency[straight], rtol=2e-3)
    slope = np.abs(np.gradient(target, time))
    rate = lambda sample: slope[sample] / (2 * np.pi * np.sqrt(1 - target[sample] ** 2))  # noqa: E731
    np.testing.assert_allclose([rate(9), rate(9999), rate(-10)], [1.5, 4.5, 1.5], rtol=0.01)


def test_one_angle_has_no_direction_between():
    with pytest.raises(ValueError, match="two or more angles"):
        CenterOutReach(angles=(45,)).between()


def test_oscillation_refuses_a_pulse_longer_than_itself():
    with pytest.raises(ValueError, match="not be longer"):
        Oscillation(duration=0.04)


def test_oscillation_repeats_join_smoothly(key):
    once, twice = (np.asarray(Oscillation(repeats=n).trials(1, key=key).targets[0, :, 0]) for n in (1, 2))
    np.testing.assert_array_equal(twice, np.tile(once, 2))
    assert np.abs(np.diff(twice, 2)[1990:2010]).max() < 1e-3
    inputs = np.asarray(Oscillation(repeats=2).trials(1, key=key).inputs[0, :, 0])
    assert inputs.sum() == 100
    assert inputs[2000:2050].all()


@pytest.mark.parametrize("repeats", [1, 3])
def test_ready_to_set_equals_set_to_go_in_every_trial(repeats):
    task = ReadySetGo(repeats=repeats)
    trials = task.trials(30, key=jax.random.key(5))
    inputs, targets = np.asarray(trials.inputs), np.asarray(trials.targets)
    for trial in range(30):
        ready, set_ = (np.flatnonzero(np.diff(inputs[trial, :, channel], prepend=0) > 0) for channel in (0, 1))
        moving = targets[trial, :, 0] > -0.5 + 1e-12
        go = np.flatnonzero(np.diff(moving.astype(int), prepend=0) > 0)
        np.testing.assert_array_equal(set_ - ready, go - set_)
        gaps = (set_ - ready) * task.dt - task.pulse
        np.testing.assert_allclose(gaps, [float(label) for label in trials.conditions[trial].split()])
        assert task.shortest <= gaps.min() <= gaps.max() <= task.longest


def test_ready_set_go_hint_is_a_triangle_of_the_gap_and_its_range_is_filled():
    task = ReadySetGo(mean_pause=0.0)
    trials = task.trials(200, key=jax.random.key(1))
    gaps = np.array([float(label) for label in trials.conditions])
    np.testing.assert_allclose(np.asarray(trials.hints).max(axis=(1, 2)), gaps, atol=1e-12)
    area = np.asarray(trials.hints).sum(axis=(1, 2)) * task.dt
    np.testing.assert_allclose(area, gaps * (gaps + task.pulse / 2), rtol=1e-6)
    assert gaps.min() < 0.15
    assert gaps.max() > 2.05
    np.testing.assert_allclose(gaps.mean(), 1.1, atol=3 * 2 / np.sqrt(12 * 200))
    np.testing.assert_allclose(np.asarray(trials.targets).max(axis=(1, 2)), 1.0)
    np.testing.assert_allclose(np.asarray(trials.mask).sum(axis=1) * task.dt, 0.4 + 0.1 + 2 * gaps + 0.5)


def test_ready_set_go_without_hint_is_the_same_task(key):
    hinted, plain = ReadySetGo().trials(4, key=key), ReadySetGo(hint=False).trials(4, key=key)
    assert plain.hints is None
    np.testing.assert_array_equal(hinted.inputs, plain.inputs)


@pytest.mark.parametrize(
    "wrong", [{"shortest": 0.0}, {"shortest": 3.0}, {"repeats": 0}, {"mean_pause": -1.0}, {"response": 0.0}]
)
def test_ready_set_go_refuses_wrong_fields(wrong):
    with pytest.raises(ValueError, match=r"shortest|repeats|mean_pause must be at least 0|response"):
        ReadySetGo(**wrong)
