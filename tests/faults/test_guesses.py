"""Sessions whose events, conditions or units are easily mistaken: guessed right, or told."""

import dataclasses
import importlib.util
from pathlib import Path

import jax
import numpy as np
import pytest

from recirc.analyses.fit_config import FitConfig
from recirc.data.conditions import condition_labels
from recirc.data.findings import BLOCKS, NOTE, WRONG, check_session
from recirc.data.preprocessing import Preprocessing
from recirc.studies import check

_SPEC = importlib.util.spec_from_file_location("sessions", Path(__file__).with_name("test_sessions.py"))
sessions = importlib.util.module_from_spec(_SPEC)  # pyright: ignore[reportArgumentType]
_SPEC.loader.exec_module(sessions)  # pyright: ignore[reportOptionalMemberAccess]
KEY = jax.random.key(0)
ANGLES = sessions.session().trials["target_dir"]


def listed_targets(n_shown):
    """Trials that list several targets, of which one counts, as the Neural Latents Benchmark has them."""
    random = np.random.default_rng(0)
    lists, places = np.empty(len(ANGLES), object), random.integers(0, n_shown, len(ANGLES))
    for i, angle in enumerate(np.deg2rad(ANGLES)):
        lists[i] = random.uniform(-100, 100, (n_shown, 2))
        lists[i][places[i]] = 90 * np.cos(angle), 90 * np.sin(angle)
    return lists, places


def retold(**columns):
    trials = {name: column for name, column in sessions.session().trials.items() if name != "target_dir"}
    return sessions.session(trials=trials | columns)


def test_of_several_targets_the_one_that_counts_is_the_condition():
    lists, places = listed_targets(3)
    made = retold(target_pos=lists, active_target=places, trial_type=np.arange(len(ANGLES)) % 5)
    prepared = Preprocessing().apply(made, key=KEY)
    assert prepared.chain.conditions == ("target_pos", "active_target")
    assert prepared.single_trials.conditions == tuple(f"{angle:g}" for angle in ANGLES)


def test_a_target_that_is_not_listed_is_no_condition():
    lists, places = listed_targets(2)
    places[:3] = 2, -1, 7
    labels = condition_labels({"target_pos": lists, "active_target": places}, ["target_pos", "active_target"])
    assert labels[:3] == ["", "", ""]
    assert labels[3:] == [f"{angle:g}" for angle in ANGLES[3:]]


def test_lists_are_no_conditions():
    lists = np.empty(len(ANGLES), object)
    lists[:] = [np.arange(1 + i % 3) for i in range(len(ANGLES))]
    with pytest.raises(ValueError, match="column barriers has a list for every trial"):
        Preprocessing(conditions=("barriers",)).apply(retold(barriers=lists), key=KEY)
    guessed, _ = Preprocessing().resolved(retold(target_pos=lists))
    assert guessed.conditions == ()


@pytest.mark.parametrize("condition", ["number", "word"])
def test_conditions_that_are_no_angles_do_not_block(condition):
    numbers = (ANGLES / 90).astype(int)
    values = numbers if condition == "number" else np.array(list("abcd"))[numbers]
    made = retold(condition=values)
    for assumed in (False, True):
        findings, _ = check_session(made, Preprocessing(), assume_equal_spacing=assumed, key=KEY)
        assert not [found for found in findings if found.level == BLOCKS]


@pytest.mark.parametrize("name", ["go_cue_time", "reaction_time"])
def test_events_counted_from_the_start_of_the_trial_are_told_and_durations_are_not(name):
    trials = sessions.session().trials
    since = {name: trials["go_cue_time"] - trials["start_time"]}
    findings, _ = check_session(sessions.session(trials=trials | since), Preprocessing(), key=KEY)
    found = [each for each in findings if each.where == f"trials/{name}"]
    assert [each.level for each in found] == ([WRONG] if name == "go_cue_time" else [])
    assert all("add start_time" in each.mend for each in found)


def test_a_unit_that_fires_in_one_trial_only_is_unreliable():
    quiet = sessions.with_spikes(lambda times: sessions.session().trials["go_cue_time"][5] + np.arange(3) * 0.01)
    prepared = Preprocessing().apply(quiet, key=KEY)
    assert [each.names for each in prepared.dropped if "reliability" in each.reason] == [("u3",)]
    assert np.isfinite(prepared.reliability).all()


def test_a_silent_unit_is_not_said_to_be_unreliable():
    findings, _ = check_session(sessions.with_spikes(lambda times: times[:0]), Preprocessing(), key=KEY)
    (found,) = [each for each in findings if "u3" in each.what]
    assert found.level == NOTE
    assert "never changes" in found.what
    assert "reliability" not in found.mend


def test_intervals_of_observation_on_another_clock_are_told():
    spans = np.array([[0.0, 70.0]])
    for shift, level in ((0.0, []), (500.0, [WRONG])):
        made = dataclasses.replace(sessions.session(), observed=(spans + shift,) * sessions.N_UNITS)
        findings, _ = check_session(made, Preprocessing(), key=KEY)
        assert [each.level for each in findings if each.where == "units/obs_intervals"] == level


@pytest.mark.parametrize("resolution", [0.01, 0.05])
def test_bins_finer_than_the_counts_are_told(resolution):
    made = dataclasses.replace(sessions.session(), resolution=resolution)
    findings, _ = check_session(made, Preprocessing(dt=0.01), key=KEY)
    assert [each.mend for each in findings if "were counted in bins" in each.what] == (
        ["--set preprocessing.dt=0.05"] if resolution > 0.01 else []
    )


def test_no_units_block():
    empty = dataclasses.replace(sessions.session(), spikes=(), units=())
    findings, prepared = check_session(empty, Preprocessing(), key=KEY)
    assert [(each.level, each.what) for each in findings] == [(BLOCKS, "There are no units.")]
    assert prepared is None


def test_a_window_is_whole_bins():
    with pytest.raises(ValueError, match=r"no whole number of bins of 0\.01 s; end it at 0\.5, or"):
        Preprocessing(window=(-0.3, 0.504))
    assert Preprocessing(window=(-0.3, 0.6)).n_bins == 90


def test_names_from_a_file_cannot_command_a_terminal():
    hostile = "\x1b[2J\x9b\ud800\nA fit is fine."
    made = dataclasses.replace(sessions.session(), units=(hostile, *sessions.session().units[1:]))
    spikes = (made.spikes[0][::-1], *made.spikes[1:])
    text = check.check(dataclasses.replace(made, spikes=spikes), FitConfig()).text()
    assert r"unit \x1b[2J\x9b\ud800\nA fit is fine." in text
    assert all(line.isprintable() for line in text.split("\n"))
