"""Movement onset is one rule: what a task asks for, put through it as a recording is, begins when the task says."""

import jax
import numpy as np
import pytest

import recirc
from recirc.data import movement_onset
from recirc.data.behavior import on_bins
from recirc.studies.demo_session import DemoSession
from recirc.studies.kao2019 import design

ANGLES = recirc.tasks.CenterOutReach().angles


def test_of_a_bell_it_is_2_45_standard_deviations_before_the_peak():
    """exp(-x² / 2) = 0.05 at x = 2.448."""
    task = design.measured_task(ANGLES)
    trials = task.trials(8, key=jax.random.key(0))
    found = movement_onset(np.asarray(trials.targets)[:, :, :2], trials.time)
    peak = trials.epochs["movement"][0, 0] + task.reaction + task.reach / 2
    np.testing.assert_allclose(found, peak - np.sqrt(2 * np.log(20)) * task.reach / 7, atol=1e-3)
    assert design.onset(task) == pytest.approx(found[0])
    assert pytest.approx(trials.epochs["movement"][0, 0] - found[0], abs=1e-3) == design.GO
    assert design.PREPARATION[1] <= design.GO


@pytest.mark.parametrize("dt", [0.01, 0.02, 0.03])
def test_a_task_read_as_a_recording_is_begins_within_a_bin_of_its_own_onset(dt):
    task = design.measured_task(ANGLES)
    trials = task.trials(8, key=jax.random.key(0))
    n_bins = int(trials.time[-1] / dt) - 1
    middles = dt * (np.arange(n_bins) + 0.5)
    for velocity in np.asarray(trials.targets)[:, :, :2]:
        binned = on_bins(trials.time, velocity, [0.0], n_bins, dt)[:, 1:]
        assert movement_onset(binned, middles[1:])[0] == pytest.approx(design.onset(task), abs=dt)


def test_the_event_of_the_simulated_session_is_where_the_rule_finds_it():
    session = DemoSession(n_units=5, n_repeats=2, circuit_units=40).make()
    told = session.trials["move_onset_time"]
    hand = session.series["hand_velocity"]
    for onset in told:
        time, velocity = hand.read(onset - 0.3, onset + 0.4)
        assert movement_onset(velocity[None], time)[0] == pytest.approx(onset, abs=0.01)


def test_it_is_the_last_crossing_before_the_peak_whatever_the_scale_and_direction():
    time = np.arange(6) * 0.1
    speed = np.array([0.0, 0.3, 0.0, 0.4, 1.0, 0.0])
    for turn in ([1.0, 0.0], [3.0, -4.0]):
        assert movement_onset(speed[None, :, None] * turn, time)[0] == pytest.approx(0.2 + 0.1 * 0.05 / 0.4)
    assert movement_onset(speed[None, :, None], time, share=0.7)[0] == pytest.approx(0.35)


def test_without_a_beginning_there_is_none():
    still, late = np.zeros((1, 5, 2)), np.ones((1, 5, 2))
    assert np.isnan(movement_onset(np.concatenate([still, late]), np.arange(5.0))).all()
    for share, velocity in ((0.0, late), (1.0, late), (0.05, late * np.nan)):
        with pytest.raises(ValueError, match="cut the trials"):
            movement_onset(velocity, np.arange(5.0), share=share)
